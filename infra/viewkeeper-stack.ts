import { fileURLToPath } from 'node:url'
import { CfnOutput, Stack } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import type { FunctionName } from '../src/edge/http/routes.ts'
import { distinctTimes, type ScheduledView } from '../src/plan/views/scheduled.ts'
import { insistOnConnections } from './database/connections.ts'
import type { Database } from './database/database.ts'
import { DatabaseStack, tagStack } from './database/database-stack.ts'
import { ImportedDatabase } from './database/imported-database.ts'
import type { DeployContext } from './environment/deploy-context.ts'
import type { Environment } from './environment/environment.ts'
import { monitorTimes } from './environment/monitor-times.ts'
import { Api, type ServedApi } from './functions/api.ts'
import { BatchMachine } from './functions/batch-machine.ts'
import { DeadLetters } from './functions/dead-letters.ts'
import { Functions } from './functions/functions.ts'
import { FunctionsNetwork } from './functions/functions-network.ts'
import { Migration } from './functions/migration.ts'
import { Policies } from './functions/policies.ts'
import { PrivateApi } from './functions/private-api.ts'
import { RefreshOnDeploy } from './functions/refresh-on-deploy.ts'
import { SecretRotation } from './functions/secret-rotation.ts'
import { Alarms } from './monitoring/alarms.ts'
import { Dashboard } from './monitoring/dashboard.ts'
import { DatabaseAlarms } from './monitoring/database-alarms.ts'
import { Notices } from './monitoring/notices.ts'
import { Topics } from './monitoring/topics.ts'
import { Schedules } from './schedules/schedules.ts'

export interface ViewkeeperStackProps {
  /** Key of the environment in `environments.ts`. */
  environmentName: string
  environment: Environment
  /** What the command line says about this deploy. Default: the views' migrations are applied, nothing is upgraded. */
  context?: DeployContext
  /** The folder of the schema steps. Default: `schema/` of this repository. */
  schemaFolder?: string
  /** The folder of the views' frozen migrations. Default: `migrations/` of this repository. */
  migrationsFolder?: string
  /** The views that have their own schedule after these migrations. */
  scheduledViews: ScheduledView[]
}

const ownFolder = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))

/**
 * One environment: its functions, API, schedules and alarms, and the network path to the database. Nothing here is
 * protected, so that a failed first deploy can be rolled back; a database that is created stands in a stack beside it.
 */
export class ViewkeeperStack extends Stack {
  /** The stack of the created database; undefined if the database is imported. */
  readonly databaseStack?: DatabaseStack

  constructor(scope: Construct, props: ViewkeeperStackProps) {
    const { environmentName, environment, context = { viewMigrations: true, majorUpgrade: false } } = props
    super(scope, `viewkeeper-${environmentName}`, {
      description: `Viewkeeper ${environmentName}: keeps materialized views fresh`,
      env: { account: environment.account, region: environment.region },
    })
    tagStack(this, environmentName, environment)

    const { logRetentionDays, requestsPerSecond, batchConcurrency: concurrency } = environment
    const { database: options } = environment
    const { majorUpgrade, viewMigrations } = context
    let database: Database & Construct
    if (options.kind === 'created') {
      this.databaseStack = new DatabaseStack(scope, { environmentName, environment, options, majorUpgrade })
      database = this.databaseStack.database
    } else database = new ImportedDatabase(this, 'Database', options)
    const network = new FunctionsNetwork(this, 'Network', database)
    const deadLetters = new DeadLetters(this, 'DeadLetters', environmentName).queue
    insistOnConnections(environmentName, environment)

    const functions = new Functions(this, 'Functions', {
      environmentName,
      environment,
      database,
      network: network.placement,
      deadLetters,
      schemaFolder: props.schemaFolder ?? ownFolder('schema'),
      migrationsFolder: props.migrationsFolder ?? ownFolder('migrations'),
      viewMigrations,
    }).all
    const { migrate, ...others } = functions
    const batches = new BatchMachine(this, 'Batches', {
      environmentName,
      openBatch: functions['open-batch'].lambda,
      advance: functions.advance.lambda,
      startBatch: functions['start-batch'].lambda,
      logRetentionDays,
    })
    const { machine } = batches
    const apiProps = { environmentName, functions, requestsPerSecond }
    const api: ServedApi =
      environment.api === 'private'
        ? new PrivateApi(this, 'Api', { ...apiProps, database, endpointId: environment.apiEndpointId })
        : new Api(this, 'Api', { ...apiProps, logRetentionDays })
    const policies = new Policies(this, 'Policies', {
      environmentName,
      apiId: api.apiId,
      stageName: api.stageName,
      migrate: migrate.lambda,
    })

    const schedules = new Schedules(this, 'Schedules', {
      environmentName,
      monitor: functions.monitor.lambda,
      batches: machine,
      prune: functions.prune.lambda,
      notify: functions.notify.lambda,
      monitorEveryMinutes: environment.monitorEveryMinutes,
      concurrency,
      deadLetters,
    })
    const nightly = environment.schedules?.nightly
    if (nightly) schedules.addNightly(nightly)
    if (environment.schedules?.views)
      for (const times of distinctTimes(props.scheduledViews)) schedules.addViews(times)

    const rotation =
      database.rotation &&
      new SecretRotation(this, 'SecretRotation', {
        environmentName,
        environment,
        database,
        network: network.placement,
        ...database.rotation,
      })
    new Migration(this, 'Migration', {
      environmentName,
      logRetentionDays,
      migrate,
      after: [database, network],
      // Secrets Manager tests a rotation when it is set up, which takes the role that migrate makes.
      before: [...Object.values(others), batches, api, schedules, ...(rotation ? [rotation] : [])],
    })
    if (environment.refreshOnDeploy)
      new RefreshOnDeploy(this, 'RefreshOnDeploy', {
        environmentName,
        machine,
        functions: Object.values(functions),
        logRetentionDays,
        after: [batches, api, schedules],
      })
    const topics = new Topics(this, 'Topics', { environmentName, emails: environment.alarmEmails })
    const notices = new Notices(this, 'Notices', {
      topics,
      notify: functions.notify.lambda,
      notice: functions.notice.lambda,
      deadLetters,
    })
    const alarms = new Alarms(this, 'Alarms', {
      environmentName,
      topics,
      api,
      machine,
      deadLetters,
      monitor: monitorTimes(environment.monitorEveryMinutes),
      rotate: rotation?.function.lambda,
    })
    // The alarms are made after the monitor's schedule. Otherwise missing numbers of the monitor would set an
    // alarm off while the database is created.
    if (schedules.monitor) alarms.node.addDependency(schedules.monitor)
    // What an alarm says before anybody listens is lost.
    alarms.node.addDependency(topics, notices, functions.notify)
    if (options.kind === 'created')
      new DatabaseAlarms(this, 'DatabaseAlarms', { environmentName, topics, options }).node.addDependency(
        topics,
        notices,
        functions.notify,
      )

    const dashboard = new Dashboard(this, 'Dashboard', { environmentName, functions, machine })

    const output = (name: string, value: string) => new CfnOutput(this, name, { value })
    output('ApiUrl', api.url)
    if (api.securityGroup) output('ApiSecurityGroup', api.securityGroup.securityGroupId)
    for (const name of Object.keys(functions) as FunctionName[])
      output(outputName(name), functions[name].lambda.functionName)
    output('ReadPolicy', policies.all.read.managedPolicyArn)
    output('RefreshPolicy', policies.all.refresh.managedPolicyArn)
    output('OperatePolicy', policies.all.operate.managedPolicyArn)
    output('StateMachineArn', machine.stateMachineArn)
    output('NightlyBatch', nightly ? `${nightly.at} ${nightly.timeZone}, every view` : 'none')
    output('DatabaseEndpoint', `${database.host}:${database.port}`)
    if ('secret' in database.login) output('DatabaseSecret', database.login.secret.secretArn)
    output('FunctionsSecurityGroup', network.placement.securityGroup.securityGroupId)
    output('DeadLetterQueue', deadLetters.queueUrl)
    output('AlarmTopicArn', topics.alarms.topicArn)
    output('MailTopicArn', topics.mail.topicArn)
    output('NoticesTopicArn', topics.notices.topicArn)
    output('DashboardName', dashboard.name)
  }
}

/** `start-batch` becomes `StartBatchFunction`. */
const outputName = (name: FunctionName): string =>
  `${name
    .split('-')
    .map((word) => word[0]?.toUpperCase() + word.slice(1))
    .join('')}Function`
