import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Annotations, Tags } from 'aws-cdk-lib'
import type { Alarm } from 'aws-cdk-lib/aws-cloudwatch'
import { Connections, type IConnectable, type ISecurityGroup } from 'aws-cdk-lib/aws-ec2'
import type { ManagedPolicy } from 'aws-cdk-lib/aws-iam'
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import type { Queue } from 'aws-cdk-lib/aws-sqs'
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { type Construct, DependencyGroup, type IDependable } from 'constructs'
import type { FunctionName, PolicyName } from '../src/edge/http/routes.ts'
import { schemaFolder } from '../src/package-files.ts'
import type { AlarmName } from '../src/plan/alarm-names.ts'
import { distinctTimes } from '../src/plan/views/scheduled.ts'
import { acknowledgeFindings } from './acknowledged.ts'
import type { Database } from './database/database.ts'
import { RdsDatabase } from './database/rds-database.ts'
import { encryptWith } from './encryption.ts'
import { monitorTimes } from './environment/monitor-times.ts'
import { insistOnOne } from './environments-of-app.ts'
import { pinNames } from './fixed-names.ts'
import { Api, type ServedApi } from './functions/api.ts'
import { BatchMachine } from './functions/batch-machine.ts'
import { DeadLetters } from './functions/dead-letters.ts'
import { Functions } from './functions/functions.ts'
import { FunctionsNetwork } from './functions/functions-network.ts'
import { type Granted, grantedOf, stageArn } from './functions/granted.ts'
import { Migration } from './functions/migration.ts'
import { Parameter } from './functions/parameter.ts'
import { Policies } from './functions/policies.ts'
import { PrivateApi } from './functions/private-api.ts'
import { RefreshOnDeploy } from './functions/refresh-on-deploy.ts'
import { SecretRotation } from './functions/secret-rotation.ts'
import { ImportedViewkeeper } from './imported-viewkeeper.ts'
import { Alarms } from './monitoring/alarms.ts'
import { Dashboard } from './monitoring/dashboard.ts'
import { Notices } from './monitoring/notices.ts'
import { type AlarmTopics, Topics } from './monitoring/topics.ts'
import { plain } from './plain-props.ts'
import { readScheduledViews } from './schedules/scheduled-views.ts'
import { Schedules } from './schedules/schedules.ts'
import { isOnRds, validOptions } from './valid-props.ts'
import { type IViewkeeper, ViewkeeperBase } from './viewkeeper-base.ts'
import type { ViewkeeperProps } from './viewkeeper-props.ts'

/**
 * One environment in anybody's stack: Viewkeeper's functions, API, schedules and alarms, and the network path to the
 * database. Props that are not valid are refused, each by its name. Nothing here is protected, so that a failed first
 * deploy can be rolled back.
 */
export class Viewkeeper extends ViewkeeperBase implements IConnectable {
  readonly environmentName: string
  /** The address of the HTTP API, with a slash at its end. */
  readonly apiUrl: string
  /** Decides who may call a private API; undefined if the API is public or its endpoint is one of yours. */
  readonly apiSecurityGroup?: ISecurityGroup
  /** The functions, by name. */
  readonly functions: Readonly<Record<FunctionName, LambdaFunction>>
  /** The security group of the functions in the network of the database. */
  readonly functionsSecurityGroup: ISecurityGroup
  /** The network connections of the functions. */
  readonly connections: Connections
  /** The security groups of the functions. */
  readonly securityGroups: ISecurityGroup[]
  /** The state machine of batches. */
  readonly stateMachine: StateMachine
  /** The queue of events that could not be delivered, or failed with every retry. */
  readonly deadLetters: Queue
  /** The alarms, by their names without the environment: `failed-runs`. docs/monitoring.md lists them. */
  readonly alarms: Readonly<Partial<Record<AlarmName, Alarm>>>
  /** The topic of this environment's alarms, and the topics for people. */
  readonly topics: AlarmTopics
  readonly notices: ITopic
  /** What tells people of an alarm. An alarm of yours on `topics.alarms` should wait for it, or its first news is lost. */
  readonly listeners: IDependable
  /** The name of the dashboard; undefined with `dashboard: false`. */
  readonly dashboardName?: string
  /** The managed policies for callers, by name: `read`, `refresh`, `operate`. */
  readonly policies: Readonly<Record<PolicyName, ManagedPolicy>>
  /** The database that the functions work on. */
  readonly database: Database
  /** @internal */
  protected readonly _granted: Granted

  /**
   * An environment that some app has deployed in this account and region, found by its name. It has the address, the notices,
   * the grants and the metrics.
   */
  static fromEnvironmentName(scope: Construct, id: string, environmentName: string): IViewkeeper {
    return new ImportedViewkeeper(scope, id, environmentName)
  }

  constructor(scope: Construct, id: string, given: ViewkeeperProps) {
    super(scope, id)
    const props = plain(given)
    const options = validOptions(this.node.path, props, given)
    const { environmentName } = props
    const { logRetentionDays, requestsPerSecond, monitorEveryMinutes } = options
    insistOnOne(this, environmentName)
    Tags.of(this).add('viewkeeper:environment', environmentName)
    this.environmentName = environmentName
    acknowledgeFindings(this)
    if (props.encryptionKey) encryptWith(this, props.encryptionKey)
    // Also without schedules of views: a folder that a deploy would refuse is refused now.
    const migrationsFolder = resolve(props.migrationsFolder ?? 'migrations')
    if (props.viewMigrations !== false && !existsSync(migrationsFolder))
      Annotations.of(this).addWarningV2(
        'viewkeeper:no-migrations',
        `There is no folder ${migrationsFolder}, so no view is deployed. Set migrationsFolder to the folder that ` +
          '`npx viewkeeper freeze` writes into (folders.migrations of viewkeeper.config.ts).',
      )
    const scheduledViews = props.scheduledViews ?? readScheduledViews(folder(migrationsFolder))

    const database = isOnRds(props) ? new RdsDatabase(this, 'Database', props) : props.database
    this.database = database
    const network = new FunctionsNetwork(this, 'Network', database)
    this.functionsSecurityGroup = network.placement.securityGroup
    this.securityGroups = [this.functionsSecurityGroup]
    this.connections = new Connections({ securityGroups: this.securityGroups })
    const deadLetters = new DeadLetters(this, 'DeadLetters', environmentName).queue
    this.deadLetters = deadLetters

    const functions = new Functions(this, 'Functions', {
      environmentName,
      options,
      database,
      network: network.placement,
      deadLetters,
      schemaFolder: props.schemaFolder ?? fileURLToPath(schemaFolder),
      migrationsFolder,
      viewMigrations: props.viewMigrations ?? true,
    }).all
    const { migrate, ...others } = functions
    this.functions = Object.fromEntries(
      Object.entries(functions).map(([name, { lambda }]) => [name, lambda]),
    ) as typeof this.functions
    const batches = new BatchMachine(this, 'Batches', {
      environmentName,
      openBatch: functions['open-batch'].lambda,
      advance: functions.advance.lambda,
      startBatch: functions['start-batch'].lambda,
      logRetentionDays,
      tracing: options.tracing,
    })
    const { machine } = batches
    this.stateMachine = machine
    const apiProps = { environmentName, functions, requestsPerSecond }
    const api: ServedApi =
      options.api === 'private'
        ? new PrivateApi(this, 'Api', { ...apiProps, database, endpointId: options.apiEndpointId })
        : new Api(this, 'Api', { ...apiProps, logRetentionDays })
    this.apiUrl = api.url
    this.apiSecurityGroup = api.securityGroup
    const topics = new Topics(this, 'Topics', {
      environmentName,
      emails: options.alarmEmails,
      people: props.topics,
      besides: props.alarmTopic,
    })
    this.topics = topics
    this.notices = topics.notices
    const address = {
      apiUrl: api.url,
      apiArn: stageArn(this, api),
      migrateArn: migrate.lambda.functionArn,
      noticesTopicArn: topics.notices.topicArn,
    }
    new Parameter(this, 'Parameter', { environmentName, ...address })
    this._granted = grantedOf(this, environmentName, address)
    this.policies = new Policies(this, 'Policies', { environmentName, granted: this._granted }).all

    const schedules = new Schedules(this, 'Schedules', {
      environmentName,
      monitor: functions.monitor.lambda,
      batches: machine,
      prune: functions.prune.lambda,
      notify: functions.notify.lambda,
      monitorEveryMinutes,
      concurrency: options.batchConcurrency,
      deadLetters,
    })
    if (options.schedules?.nightly) schedules.addNightly(options.schedules.nightly)
    if (options.schedules?.views) for (const times of distinctTimes(scheduledViews)) schedules.addViews(times)

    const rotation =
      database.rotation &&
      new SecretRotation(this, 'SecretRotation', {
        environmentName,
        options,
        database,
        network: network.placement,
        ...database.rotation,
      })
    new Migration(this, 'Migration', {
      environmentName,
      options,
      migrate,
      database,
      after: [database, network],
      // Secrets Manager tests a rotation when it is set up, which takes the role that migrate makes.
      before: [...Object.values(others), batches, api, schedules, ...(rotation ? [rotation] : [])],
    })
    if (options.refreshOnDeploy)
      new RefreshOnDeploy(this, 'RefreshOnDeploy', {
        environmentName,
        machine,
        functions: Object.values(functions),
        logRetentionDays,
        after: [batches, api, schedules],
      })
    const notices = new Notices(this, 'Notices', {
      topics,
      notify: functions.notify.lambda,
      notice: functions.notice.lambda,
      deadLetters,
    })
    const alarms = new Alarms(this, 'Alarms', {
      environmentName,
      topics,
      changes: props.alarms,
      api,
      machine,
      deadLetters,
      monitor: monitorTimes(monitorEveryMinutes),
      rotate: rotation?.function.lambda,
    })
    this.alarms = alarms.all
    // The alarms are made after the monitor's schedule. Otherwise missing numbers of the monitor would set an
    // alarm off while the database is created.
    if (schedules.monitor) alarms.node.addDependency(schedules.monitor)
    // What an alarm says before anybody listens is lost.
    this.listeners = new DependencyGroup(topics, notices, functions.notify)
    alarms.node.addDependency(this.listeners)
    if (props.dashboard ?? true)
      this.dashboardName = new Dashboard(this, 'Dashboard', { environmentName, functions, machine }).name
    // The stack of one environment never gives its construct another id.
    if (id !== 'Default') pinNames(this, environmentName)
  }
}

const folder = (path: string): URL => pathToFileURL(`${path}/`)
