import { fileURLToPath, pathToFileURL } from 'node:url'
import { App } from 'aws-cdk-lib'
import { loadConfig } from '../src/config/load-config.ts'
import type { EnvironmentOptions } from '../src/config/options.ts'
import { Problem } from '../src/problem.ts'
import { chooseEnvironment, readDeployContext } from './environment/environment.ts'
import { OptionsError } from './environment/valid-options.ts'
import { ViewkeeperStack } from './viewkeeper-stack.ts'

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
