import { fileURLToPath, pathToFileURL } from 'node:url'
import { App } from 'aws-cdk-lib'
import { loadConfig } from '../src/config/load-config.ts'
import type { EnvironmentOptions } from '../src/config/options.ts'
import { Problem } from '../src/problem.ts'
import { type Environment, OptionsError, parseEnvironments } from './options.ts'
import { type DeployContext, ViewkeeperStack } from './viewkeeper-stack.ts'

/** What is deployed. */
export interface DeployEnvironmentsProps {
  /** The environments, by name. */
  environments: Record<string, EnvironmentOptions>
  /**
   * The folder of the views' frozen migrations.
   * @default - `migrations` in the current folder
   */
  migrationsFolder?: string
  /**
   * The file that has the environments, for messages.
   * @default 'viewkeeper.config.ts'
   */
  file?: string
}

/**
 * The whole CDK app of a team that deploys environments as stacks of their own: synthesizes the environment that
 * `-c env=<name>` names, for this deploy with `-c viewMigrations=…` and `-c upgradeTo=…`. A mistake in the environments or
 * in the migrations ends the process with one message and status 1: the person who made it needs no stack trace. Without
 * `props`, the environments and the folder are those of `viewkeeper.config.ts` in the current folder.
 */
export async function deployEnvironments(props?: DeployEnvironmentsProps): Promise<void> {
  const app = new App()
  const read = (key: string) => app.node.tryGetContext(key)
  try {
    const { environments, file, migrationsFolder } = props ?? (await readProps())
    const { name, environment } = chooseEnvironment(environments, read('env'), file)
    const context = readDeployContext(read, { name, environment })
    new ViewkeeperStack(app, { environmentName: name, environment, context, migrationsFolder })
    app.synth()
  } catch (error) {
    if (!(error instanceof OptionsError || error instanceof Problem)) throw error
    console.error(error.message)
    process.exit(1)
  }
}

async function readProps(): Promise<DeployEnvironmentsProps> {
  const { file, environments, folders } = await loadConfig(pathToFileURL(`${process.cwd()}/`))
  return { environments, migrationsFolder: fileURLToPath(folders.migrations), file: file ?? undefined }
}

/** The environment that `-c env=<name>` names. If it names none, the error lists the known ones. */
export function chooseEnvironment(
  options: unknown,
  name: unknown,
  file = 'viewkeeper.config.ts',
): { name: string; environment: Environment } {
  const environments = parseEnvironments(options, file)
  const environment = typeof name === 'string' && Object.hasOwn(environments, name) && environments[name]
  if (environment) return { name: name as string, environment }
  const known = Object.keys(environments).join(', ')
  if (known === '') throw new OptionsError(`${file} has no environment: add one to \`environments\``)
  const problem = name === undefined ? 'no environment is named' : `there is no environment "${name}"`
  throw new OptionsError(`${problem}: write -c env=<name> with one of: ${known} (${file})`)
}

/**
 * Reads `-c viewMigrations=…` and `-c upgradeTo=…`. `upgradeTo` repeats `postgresVersion` of the environment, so that
 * nobody upgrades a server by a wrong line in a file, and the next deploy is without the permission again.
 */
export function readDeployContext(
  context: (key: string) => unknown,
  { name, environment }: { name: string; environment: Environment },
): DeployContext {
  const viewMigrations = String(context('viewMigrations') ?? true)
  if (!['true', 'false'].includes(viewMigrations))
    throw new OptionsError(`-c viewMigrations=${viewMigrations}: write true or false`)
  const upgradeTo = context('upgradeTo')
  if (upgradeTo !== undefined) insistOnVersion(String(upgradeTo), name, environment)
  return { viewMigrations: viewMigrations === 'true', majorUpgrade: upgradeTo !== undefined }
}

function insistOnVersion(upgradeTo: string, name: string, { database }: Environment): void {
  if (database.kind === 'imported')
    throw new OptionsError(
      `-c upgradeTo=${upgradeTo}: the database of ${name} is imported; upgrade its server where it was made`,
    )
  if (database.postgresVersion !== upgradeTo)
    throw new OptionsError(
      `-c upgradeTo=${upgradeTo}: postgresVersion of ${name} is ${database.postgresVersion}; write the new version there, too`,
    )
}
