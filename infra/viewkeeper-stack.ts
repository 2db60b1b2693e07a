import { CfnOutput, CrossStackReferences, ReferenceStrength, Stack } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import type { EnvironmentOptions } from '../src/config/options.ts'
import { insistOnConnections } from './database/connections.ts'
import { CreatedDatabase, DatabaseStack, tagStack } from './database/created-database.ts'
import type { Database } from './database/database.ts'
import { ImportedDatabase } from './database/imported-database.ts'
import { pinNames } from './fixed-names.ts'
import { DatabaseAlarms } from './monitoring/alarms.ts'
import { type Environment, parseEnvironments } from './options.ts'
import type { ViewkeeperCommonProps } from './props.ts'
import { Viewkeeper } from './viewkeeper.ts'

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
    output('AlarmTopicArn', topics.alarms.topicArn)
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
