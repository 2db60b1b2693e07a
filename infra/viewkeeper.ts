import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Annotations, Duration, Fn, Tags, Validations } from 'aws-cdk-lib'
import { type Alarm, type Metric, type MetricOptions, Stats } from 'aws-cdk-lib/aws-cloudwatch'
import { Connections, type IConnectable, type ISecurityGroup } from 'aws-cdk-lib/aws-ec2'
import { EventBus, type IEventBus, type OnEventOptions, type Rule } from 'aws-cdk-lib/aws-events'
import type { Grant, IGrantable, ManagedPolicy } from 'aws-cdk-lib/aws-iam'
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns'
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs'
import { type CfnParameter, StringListParameter } from 'aws-cdk-lib/aws-ssm'
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct, type IDependable } from 'constructs'
import type { FunctionName } from '../src/api/functions.ts'
import {
  type Address,
  addressKeys,
  metricNames,
  parameterName,
  perViewMetricNames,
} from '../src/api/lambda/aws-names.ts'
import type { PolicyName } from '../src/api/route.ts'
import type { Definition } from '../src/catalog/plan/definition.ts'
import { batchesOf, nightlyBatch, type ScheduledView, scheduledViews } from '../src/catalog/plan/scheduled.ts'
import { schemaFolder } from '../src/package-files.ts'
import type { AlarmName } from '../src/watch/plan/alarms.ts'
import { type EventType, eventTypes } from '../src/words/event.ts'
import { count } from '../src/words/phrases.ts'
import { Database } from './database/database.ts'
import { insistOnHere, insistOnOne } from './fixed-names.ts'
import { Api } from './functions/api.ts'
import { BatchMachine } from './functions/batch-machine.ts'
import { Functions, FunctionsNetwork, Migration, RefreshOnDeploy } from './functions/functions.ts'
import { addRule, Sending } from './functions/sending.ts'
import type { FunctionSurroundings, ViewkeeperFunction } from './functions/viewkeeper-function.ts'
import type { IViewkeeper, OnViewOptions, ViewkeeperAttributes } from './interface.ts'
import { monitorTimes } from './monitor-times.ts'
import { Alarms, ownMetric } from './monitoring/alarms.ts'
import { Dashboard } from './monitoring/dashboard.ts'
import { type AlarmTopics, Topics } from './monitoring/topics.ts'
import { grantTo, Policies } from './policies.ts'
import { refuseProps, type ValidProps, type ViewkeeperProps, validProps } from './props.ts'
import { readFrozenDefinitions, Schedules, scheduleName, watchConcurrency } from './schedules/schedules.ts'

/**
 * One environment in anybody's stack: Viewkeeper's functions, API, schedules and alarms, and the network path to the
 * database. Props that are not valid are refused, each by its name. Nothing here is protected, so that a failed first
 * deploy can be rolled back.
 */
export class Viewkeeper extends Construct implements IViewkeeper, IConnectable {
  readonly environmentName: string
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
  /** The alarms, by their names without the environment: `api-errors`. docs/monitoring.md lists them. */
  readonly alarms: Readonly<Partial<Record<AlarmName, Alarm>>>
  /** The topics for people and their programs, and the one of the pager. */
  readonly topics: AlarmTopics
  readonly notices: ITopic
  /** The name of the dashboard; undefined with `dashboard: false`. */
  readonly dashboardName?: string
  /** The managed policies for callers, by name: `read`, `refresh`, `operate`, `define`. */
  readonly policies: Readonly<Record<PolicyName, ManagedPolicy>>
  /** Without IAM: user and password of Viewkeeper's role, in the format that rotations of AWS read. */
  readonly loginSecret?: ISecret
  private readonly api?: Api
  private readonly said: ViewkeeperAttributes

  /** An environment that some app has deployed in this account and region, found by its name. CloudFormation reads its parameter. */
  static fromEnvironmentName(scope: Construct, id: string, environmentName: string): IViewkeeper {
    const list = StringListParameter.valueForTypedListParameter(scope, parameterName(environmentName))
    const { eventBus, ...said } = Object.fromEntries(
      addressKeys.map((key, at) => [key, Fn.select(at, list)]),
    ) as unknown as Address
    return imported(scope, id, { environmentName, ...said }, eventBus)
  }

  /** The same, told what its parameter has. */
  static fromAttributes(scope: Construct, id: string, attributes: ViewkeeperAttributes): IViewkeeper {
    return imported(scope, id, attributes)
  }

  constructor(scope: Construct, id: string, given: ViewkeeperProps) {
    super(scope, id)
    const props = validProps(this.node.path, { ...saidForThisDeploy(this), ...given })
    const { environmentName, physicalName } = props
    this.environmentName = environmentName
    insistOnOne(this, { environmentName, physicalName })
    insistOnHere(this, { ...props, ...props.topics, database: props.database.ofRds })
    Tags.of(this).add('viewkeeper:environment', environmentName)
    acknowledgeFindings(this)
    const migrations = this.findMigrations(props)

    const database = new Database(this, 'Database', props)
    if ('secret' in database.login) this.loginSecret = database.login.secret
    const network = new FunctionsNetwork(this, 'Network', {
      database,
      given: props.securityGroup,
      all: props.allFunctionsInVpc,
    })
    this.functionsSecurityGroup = network.placement.securityGroup
    const { securityGroup: outer = this.functionsSecurityGroup } = network.outer ?? {}
    this.securityGroups = [...new Set([this.functionsSecurityGroup, outer])]
    this.connections = new Connections({ securityGroups: this.securityGroups })
    this.deadLetters = this.addDeadLetters(physicalName)

    const around = {
      environmentName,
      options: props,
      database,
      network: network.placement,
      outerNetwork: network.outer,
      deadLetters: this.deadLetters,
    }
    const functions = new Functions(this, 'Functions', {
      ...around,
      schemaFolder: props.schemaFolder ?? fileURLToPath(schemaFolder),
      migrationsFolder: migrations.folder,
      viewMigrations: props.viewMigrations,
    }).all
    this.functions = Object.fromEntries(
      Object.entries(functions).map(([name, { lambda }]) => [name, lambda]),
    ) as typeof this.functions
    const batches = new BatchMachine(this, 'Batches', {
      physicalName,
      batch: functions.batch.lambda,
      startBatch: functions['start-batch'].lambda,
      deadLetters: this.deadLetters,
      logRetention: props.logRetention,
      tracing: props.tracing,
    })
    this.stateMachine = batches.machine
    if (props.api)
      this.api = new Api(this, 'Api', {
        physicalName,
        functions,
        requestsPerSecond: props.requestsPerSecond,
        logRetention: props.logRetention,
        domain: props.apiDomain,
      })
    const topics = new Topics(this, 'Topics', {
      environmentName,
      physicalName,
      emails: props.alarmEmails,
      people: props.topics,
      pager: props.pager,
    })
    this.topics = topics
    this.notices = topics.notices
    this.said = this.publish(props, functions, topics)
    this.policies = new Policies(this, 'Policies', this.said).all

    const scheduled = props.scheduledViews ?? scheduledViews(migrations.definitions)
    const schedules = this.addSchedules(props, scheduled)
    const isTold = props.topics !== undefined || props.alarmEmails.length > 0
    this.functions.monitor.addEnvironment('TOLD', String(isTold))
    // A deploy with --hotswap changes variables, too, but does not migrate.
    if (props.viewMigrations)
      this.functions.monitor.addEnvironment('NEWEST_MIGRATION', String(migrations.newest))
    warnOfSilence(this, props, { ...migrations, scheduled, isTold })
    this.addMigration(around, functions, {
      before: [database, network],
      after: [batches, ...(this.api ? [this.api] : []), schedules],
    })
    new Sending(this, 'Sending', {
      functions,
      topics,
      isMailed: props.alarmEmails.length > 0,
      bus: this.said.eventBus,
      hasDue: props.monitorEveryMinutes !== false && props.schedules.views,
    })
    const alarms = new Alarms(this, 'Alarms', {
      environmentName,
      physicalName,
      topics,
      api: this.api,
      machine: this.stateMachine,
      deadLetters: this.deadLetters,
      monitor: monitorTimes(props.monitorEveryMinutes),
      looks: schedules.send && Duration.minutes(props.monitorEveryMinutes || 1),
    })
    this.alarms = alarms.all
    // The alarms are made after the schedule of `send`. Otherwise missing numbers of the monitor would set an
    // alarm off while the database is created.
    if (schedules.send) alarms.node.addDependency(schedules.send)
    // What an alarm says before anybody listens is lost.
    alarms.node.addDependency(topics)
    if (props.dashboard)
      this.dashboardName = new Dashboard(this, 'Dashboard', {
        environmentName,
        physicalName,
        functions,
        machine: this.stateMachine,
      }).name
  }

  get apiUrl(): string {
    return this.said.apiUrl ?? refuseProps(this.node.path, ['api: there is none, so there is no apiUrl'])
  }

  grantRead(grantee: IGrantable): Grant {
    return grantTo(this, 'read', this.said, grantee)
  }

  grantRefresh(grantee: IGrantable): Grant {
    return grantTo(this, 'refresh', this.said, grantee)
  }

  grantOperate(grantee: IGrantable): Grant {
    return grantTo(this, 'operate', this.said, grantee)
  }

  grantDefine(grantee: IGrantable): Grant {
    return grantTo(this, 'define', this.said, grantee)
  }

  onViewRefreshed(id: string, options?: OnViewOptions): Rule {
    return this.onEvents(id, ['ViewRefreshed'], options)
  }

  onViewFailed(id: string, options?: OnViewOptions): Rule {
    return this.onEvents(id, ['ViewFailed'], options)
  }

  onBatchEnded(id: string, options?: OnEventOptions): Rule {
    return this.onEvents(id, ['BatchEnded'], options)
  }

  onIncidentOpened(id: string, options?: OnViewOptions): Rule {
    return this.onEvents(id, ['IncidentOpened'], options)
  }

  onIncidentChanged(id: string, options?: OnViewOptions): Rule {
    return this.onEvents(id, ['IncidentChanged'], options)
  }

  onIncidentResolved(id: string, options?: OnViewOptions): Rule {
    return this.onEvents(id, ['IncidentResolved'], options)
  }

  onEvent(id: string, options?: OnViewOptions): Rule {
    return this.onEvents(id, eventTypes, options)
  }

  metricSuccesses(options?: MetricOptions, view?: string): Metric {
    return ownMetric(this.environmentName, metricNames.runsSucceeded, Stats.SUM, options, view)
  }

  metricFailures(options?: MetricOptions, view?: string): Metric {
    return ownMetric(this.environmentName, metricNames.runsFailed, Stats.SUM, options, view)
  }

  metricRefreshDuration(view: string, options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, perViewMetricNames.refreshDuration, Stats.AVERAGE, options, view)
  }

  metricSlowRuns(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.runsSlow, Stats.SUM, options)
  }

  metricLostBatches(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.batchesLost, Stats.SUM, options)
  }

  metricFailedViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsFailed, Stats.MAXIMUM, options)
  }

  metricStaleViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsStale, Stats.MAXIMUM, options)
  }

  metricMissingViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsMissing, Stats.MAXIMUM, options)
  }

  metricSuspendedViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsSuspended, Stats.MAXIMUM, options)
  }

  metricSetAsideViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsSetAside, Stats.MAXIMUM, options)
  }

  private onEvents(id: string, types: readonly EventType[], options?: OnViewOptions): Rule {
    return addRule(this, id, types, this.said, options)
  }

  /** Reads the folder of migrations. Also without schedules of views: a folder that a deploy would refuse is refused now. */
  private findMigrations(props: ValidProps): { folder: string; definitions: Definition[]; newest: number } {
    const folder = resolve(props.migrationsFolder ?? 'migrations')
    if (props.viewMigrations && !existsSync(folder))
      Annotations.of(this).addWarningV2(
        'viewkeeper:no-migrations',
        `There is no folder ${folder}, so no view is deployed. Set migrationsFolder to the folder that ` +
          '`npx viewkeeper freeze` writes into (folders.migrations of viewkeeper.config.ts).',
      )
    return { folder, ...readFrozenDefinitions(pathToFileURL(`${folder}/`)) }
  }

  /** The queue for events that could not be delivered, or failed with every retry. It keeps them for as long as a queue can. */
  private addDeadLetters(physicalName: string): Queue {
    const queue = new Queue(this, 'DeadLetters', {
      queueName: `viewkeeper-${physicalName}-dead-letters`,
      retentionPeriod: Duration.days(14),
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    })
    Validations.of(queue).acknowledge({
      id: 'AwsSolutions-SQS3',
      reason: 'This queue is the dead-letter queue.',
    })
    return queue
  }

  /** Writes down where things are, for the command line and other apps. */
  private publish(
    { environmentName, physicalName, eventBus, bus }: ValidProps,
    { migrate }: EachFunction,
    { mail, notices }: Topics,
  ): ViewkeeperAttributes {
    const told = {
      physicalName,
      ...(this.api && { apiUrl: this.api.url, apiArn: this.api.stageArn }),
      migrateArn: migrate.lambda.functionArn,
      mailTopicArn: mail.topicArn,
      noticesTopicArn: notices.topicArn,
    }
    const address: Partial<Address> = { ...told, eventBus: eventBus || 'none' }
    // By this the command line finds the environment, in whatever stack it stands.
    const parameter = new StringListParameter(this, 'Parameter', {
      parameterName: parameterName(environmentName),
      description: `Viewkeeper ${environmentName}: ${addressKeys.join()}`,
      // An empty value would be no value for another app.
      stringListValue: addressKeys.map((key) => address[key] ?? 'none'),
    })
    // Whatever the id of the construct becomes, it is the same parameter. No name of an environment has a capital.
    const { defaultChild } = parameter.node as { defaultChild?: CfnParameter }
    defaultChild?.overrideLogicalId(`ViewkeeperParameter${environmentName.replaceAll('-', 'X')}`)
    return { environmentName, ...told, ...(eventBus && { eventBus: bus ?? defaultBus(this) }) }
  }

  /** Migrates the database on each deploy: after what the migration needs, and before what must not run on the old schema. */
  private addMigration(
    around: FunctionSurroundings,
    functions: EachFunction,
    { before, after }: { before: IDependable[]; after: Construct[] },
  ): void {
    const { migrate, ...others } = functions
    const { deploy } = new Migration(this, 'Migration', {
      ...around,
      migrate,
      after: before,
      before: [...Object.values(others), ...after],
    })
    if (around.options.refreshOnDeploy)
      new RefreshOnDeploy(this, 'RefreshOnDeploy', {
        machine: this.stateMachine,
        deploy,
        functions,
        after,
      })
  }

  private addSchedules(options: ValidProps, scheduledViews: ScheduledView[]): Schedules {
    const { send, prune } = this.functions
    const schedules = new Schedules(this, 'Schedules', {
      physicalName: options.physicalName,
      send,
      batches: this.stateMachine,
      prune,
      monitorEveryMinutes: options.monitorEveryMinutes,
      hasEvents: options.eventBus !== false,
      concurrency: options.batchConcurrency,
      deadLetters: this.deadLetters,
    })
    const { nightly, views } = options.schedules
    const batches = [
      ...(nightly ? [nightlyBatch(nightly)] : []),
      ...(views ? batchesOf(scheduledViews, scheduleName) : []),
    ]
    for (const batch of batches) schedules.addBatch(batch)
    watchConcurrency(this, batches)
    return schedules
  }
}

const defaultBus = (scope: Construct): IEventBus => EventBus.fromEventBusName(scope, 'Bus', 'default')

/** An environment of another app: the methods of the construct, on what is said of it, and none of its resources. */
function imported(scope: Construct, id: string, said: ViewkeeperAttributes, bus?: string): IViewkeeper {
  const own: Construct = Reflect.construct(Construct, [scope, id], Viewkeeper)
  const eventBus =
    said.eventBus ?? (bus === undefined ? defaultBus(own) : EventBus.fromEventBusName(own, 'Bus', bus))
  return Object.assign(own as Viewkeeper, {
    environmentName: said.environmentName,
    notices: Topic.fromTopicArn(own, 'Notices', said.noticesTopicArn),
    said: { ...said, eventBus },
  })
}

/** What the command line says of one deploy, and no file remembers: `-c viewMigrations=false` leaves out the migrations of views. */
function saidForThisDeploy({ node }: Construct): Pick<ViewkeeperProps, 'viewMigrations'> {
  const said = node.tryGetContext('viewMigrations')
  const known: Record<string, boolean> = { true: true, false: false }
  // What is neither is refused by the name of the prop.
  return said === undefined ? {} : { viewMigrations: known[String(said)] ?? said }
}

type EachFunction = Record<FunctionName, ViewkeeperFunction>

/** Warns if nothing refreshes the views by the clock, and if nobody is told of what goes wrong. */
function warnOfSilence(
  scope: Construct,
  { schedules: { nightly, views } }: Pick<ValidProps, 'schedules'>,
  {
    definitions,
    scheduled,
    isTold,
  }: { definitions: Definition[]; scheduled: ScheduledView[]; isTold: boolean },
): void {
  const warn = (id: string, text: string) => Annotations.of(scope).addWarningV2(`viewkeeper:${id}`, text)
  const hasOwn = scheduled.length > 0 || definitions.some(({ targetLagSeconds }) => targetLagSeconds !== null)
  if (!nightly && !(views && hasOwn))
    warn(
      'nothing-refreshes',
      `nothing refreshes ${definitions.length === 0 ? 'the views' : count(definitions.length, 'view')}: neither every night nor by ` +
        'schedules of their own. Leave `schedules` out to refresh every view each night, or acknowledge this warning.',
    )
  if (!isTold)
    warn(
      'nobody-told',
      'nobody is told what goes wrong: `alarmEmails` is empty. Name an address, or acknowledge this warning.',
    )
}

/** What the packs of cdk-nag for HIPAA, NIST and PCI DSS find in every environment, and why it stays. */
const reasons: Record<string, string> = {
  IAMNoInlinePolicy:
    'Each role has one policy, which nobody else shares, and which is deleted with the role.',
  LambdaConcurrency:
    'The throttle of the API and the concurrency of batches bound how many functions run at once; reservedConcurrency keeps calls for the functions in which callers wait.',
  LambdaDLQ:
    'Events of schedules become dead letters; every other call has a caller who gets the error, and the next look does what a look left.',
  LambdaInsideVPC:
    'The functions deploy, send and start-batch do not use the database. They call EventBridge, Lambda, SNS and Step Functions, which would cost an endpoint each; allFunctionsInVpc puts them inside.',
}

/** Says to cdk-nag why the findings of the packs for HIPAA, NIST and PCI DSS stay. */
function acknowledgeFindings(scope: Construct): void {
  for (const pack of ['HIPAA.Security', 'NIST.800.53.R5', 'PCI.DSS.321'])
    for (const [rule, reason] of Object.entries(reasons))
      Validations.of(scope).acknowledge({ id: `${pack}-${rule}`, reason })
}
