import { fileURLToPath, pathToFileURL } from 'node:url'
import { App, CfnOutput, CrossStackReferences, ReferenceStrength, Stack } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { loadConfig } from '../src/config/load-config.ts'
import type { EnvironmentOptions } from '../src/config/options.ts'
import { Problem } from '../src/problem.ts'
import { CreatedDatabase, DatabaseStack, tagStack } from './database/created-database.ts'
import { type Database, insistOnConnections } from './database/database.ts'
import { ImportedDatabase } from './database/imported-database.ts'
import { pinNames } from './fixed-names.ts'
import { DatabaseAlarms } from './monitoring/alarms.ts'
import { type Environment, OptionsError, parseEnvironments } from './options.ts'
import type { ViewkeeperCommonProps } from './props.ts'
import { Viewkeeper } from './viewkeeper.ts'

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

/** What the command line says about this one deploy, and no file remembers. */
export interface DeployContext {
  /** Whether the deploy applies the views' migrations. `-c viewMigrations=false`: only the schema steps. */
  viewMigrations: boolean
  /** Whether the deploy may upgrade the created server to another major version: `-c upgradeTo=<postgresVersion>`. */
  majorUpgrade: boolean
}

/** What the stack of one environment is told. */
export interface ViewkeeperStackProps
  extends Pick<
    ViewkeeperCommonProps,
    'environmentName' | 'migrationsFolder' | 'schemaFolder' | 'scheduledViews'
  > {
  /** Where the stack goes, the database, and all other options. */
  environment: EnvironmentOptions
  /**
   * What the command line says about this deploy.
   * @default - the views' migrations are applied, nothing is upgraded
   */
  context?: DeployContext
}

/**
 * One environment as a stack of its own. Nothing here is protected, so that a failed first deploy can be rolled back; a
 * database that is created stands in a stack beside it.
 */
export class ViewkeeperStack extends Stack {
  readonly viewkeeper: Viewkeeper
  /** The stack of the created database; undefined if the database is imported. */
  readonly databaseStack?: Stack

  constructor(scope: Construct, props: ViewkeeperStackProps) {
    const { environmentName, context = { viewMigrations: true, majorUpgrade: false } } = props
    const environment = parse(environmentName, props.environment)
    super(scope, `viewkeeper-${environmentName}`, {
      description: `Viewkeeper ${environmentName}: keeps materialized views fresh`,
      env: { account: environment.account, region: environment.region },
    })
    tagStack(this, environmentName, environment)
    // The database's stack goes last, so that nothing reads what is gone. CDK warns if nobody has said so.
    CrossStackReferences.of(this).consume(ReferenceStrength.STRONG)
    insistOnConnections(environmentName, environment)

    const { account, region, tags, database: described, ...options } = environment
    let database: Database & Construct
    if (described.kind === 'created') {
      const { majorUpgrade } = context
      const stack = new DatabaseStack(scope, {
        environmentName,
        environment,
        options: described,
        majorUpgrade,
      })
      this.databaseStack = stack
      database = new CreatedDatabase(this, 'Database', {
        options: described,
        server: stack.server,
      })
      pinNames(database, environmentName)
    } else database = new ImportedDatabase(this, 'Database', described)
    // CDK leaves this id out of the names of resources.
    this.viewkeeper = new Viewkeeper(this, 'Default', {
      ...options,
      environmentName,
      database,
      migrationsFolder: props.migrationsFolder,
      schemaFolder: props.schemaFolder,
      scheduledViews: props.scheduledViews,
      viewMigrations: context.viewMigrations,
    })
    if (described.kind === 'created') {
      const { topics } = this.viewkeeper
      const alarms = new DatabaseAlarms(this, 'DatabaseAlarms', {
        environmentName,
        topics,
        options: described,
      })
      alarms.node.addDependency(topics)
      pinNames(alarms, environmentName)
    }
    this.addOutputs(environment)
  }

  /** What people look up. The command line finds the environment by its parameter. */
  private addOutputs({ schedules }: Environment) {
    const { viewkeeper } = this
    const { database, functions, policies, topics } = viewkeeper
    const { nightly } = schedules || { nightly: false }
    const output = (name: string, value: string) => new CfnOutput(this, name, { value })
    output('ApiUrl', viewkeeper.apiUrl)
    for (const [name, { functionName }] of Object.entries(functions)) output(outputName(name), functionName)
    output('ReadPolicy', policies.read.managedPolicyArn)
    output('RefreshPolicy', policies.refresh.managedPolicyArn)
    output('OperatePolicy', policies.operate.managedPolicyArn)
    output('DefinePolicy', policies.define.managedPolicyArn)
    output('StateMachineArn', viewkeeper.stateMachine.stateMachineArn)
    output('NightlyBatch', nightly ? `${nightly.at} ${nightly.timeZone}, every view` : 'none')
    output('DatabaseEndpoint', `${database.host}:${database.port}`)
    if ('secret' in database.login) output('DatabaseSecret', database.login.secret.secretArn)
    output('FunctionsSecurityGroup', viewkeeper.functionsSecurityGroup.securityGroupId)
    output('DeadLetterQueue', viewkeeper.deadLetters.queueUrl)
    output('MailTopicArn', topics.mail.topicArn)
    output('NoticesTopicArn', topics.notices.topicArn)
    if (viewkeeper.dashboardName !== undefined) output('DashboardName', viewkeeper.dashboardName)
  }
}

const parse = (name: string, options: EnvironmentOptions): Environment =>
  parseEnvironments({ [name]: options }, 'The environment of a ViewkeeperStack')[name] as Environment

/** `start-batch` becomes `StartBatchFunction`. */
const outputName = (name: string): string =>
  `${name
    .split('-')
    .map((word) => word[0]?.toUpperCase() + word.slice(1))
    .join('')}Function`
