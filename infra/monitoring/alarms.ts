import { Duration } from 'aws-cdk-lib'
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  Metric,
  type MetricOptions,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import {
  metricDimensions,
  metricNames,
  metricNamespace,
  perViewDimensions,
} from '../../src/api/lambda/aws-names.ts'
import {
  type AlarmName,
  describeAlarm,
  incidentsOpen,
  silentMonitor,
  unsent,
} from '../../src/watch/plan/alarms.ts'
import { command } from '../../src/words/commands.ts'
import { mayWaitSeconds } from '../../src/words/event.ts'
import type { Api } from '../functions/api.ts'
import type { MonitorTimes } from '../monitor-times.ts'
import type { AlarmTopics } from './topics.ts'

/** The environment that an alarm is about, and the topics that it is published to. */
interface AlarmPlace {
  environmentName: string
  physicalName: string
  topics: AlarmTopics
}

interface AlarmOptions {
  /** The alarm is named `viewkeeper-<physical name>-<name>`. */
  name: AlarmName
  metric: IMetric
  /** The number from which something is wrong. Default 1. */
  threshold?: number
  /** Which side of the threshold is wrong. Default: the threshold and what is above. */
  comparison?: ComparisonOperator
  /** What happened, one sentence. */
  happened: string
  /** What to do first, one sentence. */
  first: string
  /** The heading of the runbook. Default: the name of the alarm. */
  runbook?: string
  /** Periods of the metric that the alarm looks at. Default 1. */
  periods?: number
  /** Whether all of these periods set the alarm off, and not one of them: what is wrong is silence or a shortage. Default false. */
  lasting?: boolean
  /** What missing numbers mean. Default: nothing is wrong. */
  missing?: TreatMissingData
  /**
   * When it is mailed, as CloudWatch writes it, past the functions and the database, which it may be about: at its beginning, at its
   * end, or at both; never: to pagers alone. Default `['begin']`.
   */
  mails?: ('begin' | 'end')[]
}

/** Adds one alarm, which costs about 0.10 USD a month. */
function addAlarm(scope: Construct, place: AlarmPlace, options: AlarmOptions): void {
  const { name, mails = ['begin'] } = options
  const alarm = new Alarm(scope, name, {
    alarmName: `viewkeeper-${place.physicalName}-${name}`,
    alarmDescription: describeAlarm(options.happened, options.first, options.runbook ?? name),
    metric: options.metric,
    comparisonOperator: options.comparison ?? ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    threshold: options.threshold ?? 1,
    evaluationPeriods: options.periods ?? 1,
    ...(options.lasting ? {} : { datapointsToAlarm: 1 }),
    treatMissingData: options.missing ?? TreatMissingData.NOT_BREACHING,
  })
  const { pager, mail, notices } = place.topics
  const at = (moment: 'begin' | 'end') =>
    [pager ?? [], mails.includes(moment) ? [mail, notices] : []].flat().map((topic) => new SnsAction(topic))
  alarm.addAlarmAction(...at('begin'))
  alarm.addOkAction(...at('end'))
}

interface AlarmsProps extends AlarmPlace {
  /** Undefined if there is no API. */
  api: Api | undefined
  machine: IStateMachine
  deadLetters: IQueue
  /** Null if nothing calls the monitor: then there are no alarms about what it publishes. */
  monitor: MonitorTimes | null
  /** The time between two looks at what waits to be sent; undefined if nothing is sent. */
  looks: Duration | undefined
}

/**
 * The alarms of one environment. A function that fails or is throttled has no alarm of its own. What it leaves undone is
 * told by one of these: docs/monitoring.md has the table.
 */
export class Alarms extends Construct {
  /** Each by its name, without the environment: `failed-runs`. */
  readonly all: Partial<Record<AlarmName, Alarm>>

  constructor(
    scope: Construct,
    id: string,
    { api, machine, deadLetters, monitor, looks, ...place }: AlarmsProps,
  ) {
    super(scope, id)
    if (monitor) addMonitorAlarms(this, place, monitor)
    // To the monitor it is an incident; a batch that nobody could open is a dead letter.
    else
      addAlarm(this, place, {
        name: 'failed-batches',
        metric: machine.metricFailed({ period }),
        happened: 'A batch failed, or could not be opened or advanced for an hour.',
        first: `${command(['batches'], place.environmentName)} names the batch.`,
      })
    addDeadLetters(this, place, deadLetters)
    if (looks) addUnsent(this, place, looks, monitor === null)
    // A function that answers 5xx has not failed, so its own metrics do not show it.
    if (api)
      addAlarm(this, place, {
        name: 'api-errors',
        metric: api.metricServerError({ period }),
        happened: 'The HTTP API answered at least one request with 5xx.',
        first: `${routesOf(api)}The log of a route's function has the reason.`,
      })
    const added = this.node.children.filter((child) => child instanceof Alarm)
    this.all = Object.fromEntries(added.map((alarm) => [alarm.node.id, alarm])) as typeof this.all
  }
}

function addDeadLetters(scope: Construct, place: AlarmPlace, queue: IQueue): void {
  const read = `Read what came: aws sqs receive-message --max-number-of-messages 10 --queue-url $(aws sqs get-queue-url --queue-name viewkeeper-${place.physicalName}-dead-letters --query QueueUrl --output text). Delete the messages when you are done.`
  addAlarm(scope, place, {
    name: 'dead-letters',
    metric: queue.metricApproximateNumberOfMessagesVisible({ statistic: Stats.MAXIMUM, period }),
    // A queue that nobody uses for six hours publishes nothing.
    missing: TreatMissingData.IGNORE,
    // The alarm below tells of each new one.
    mails: ['end'],
    happened: 'Dead letters wait in the queue; if this says OK, the queue is empty again.',
    first: read,
  })
  addAlarm(scope, place, {
    name: 'new-dead-letters',
    runbook: 'dead-letters',
    // Scheduler and Lambda send their dead letters; so each is counted when it comes.
    metric: queue.metricNumberOfMessagesSent({ period }),
    // The numbers of a queue that was idle for hours may come 15 minutes late.
    // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-monitoring-using-cloudwatch.html
    periods: 4,
    happened:
      'An event became a dead letter: it could not be delivered, its function failed with every retry, or no batch could be opened for it.',
    first: read,
  })
}

/**
 * CloudWatch mails this by itself: what it is about are the messages. It holds wherever they are stuck. The smallest number of a period
 * counts, so what a first look after an outage finds, and sends, is no alarm. Without a monitor no other alarm hears that nobody looks.
 */
function addUnsent(scope: Construct, place: AlarmPlace, looks: Duration, isAlone: boolean): void {
  addAlarm(scope, place, {
    name: 'unsent-messages',
    metric: ownMetric(place.environmentName, metricNames.waitingSeconds, Stats.MINIMUM, {
      // At least one look is in each period, however late Scheduler calls.
      period: Duration.minutes(Math.max(period.toMinutes(), 2 * looks.toMinutes())),
    }),
    threshold: mayWaitSeconds,
    ...(isAlone && { missing: TreatMissingData.BREACHING, periods: 2, lasting: true }),
    ...unsent(place.physicalName),
    mails: ['begin', 'end'],
  })
}

const routesOf = ({ logGroupName }: Api): string =>
  `aws logs filter-log-events --log-group-name ${logGroupName} --filter-pattern '{ $.status = "5*" }' shows the routes. `

/** The alarm about what the monitor finds, for pagers, and the one about a monitor that is silent. */
function addMonitorAlarms(scope: Construct, place: AlarmPlace, times: MonitorTimes): void {
  const { environmentName } = place
  const metric = (name: string, statistic: string, period = times.interval) =>
    ownMetric(environmentName, name, statistic, { period })
  // It lasts as long as one incident is open. While the monitor is silent, nobody knows whether it is, so missing numbers change nothing.
  if (place.topics.pager)
    addAlarm(scope, place, {
      name: 'incidents',
      ...incidentsOpen(environmentName),
      metric: metric(metricNames.incidents, Stats.MAXIMUM),
      missing: TreatMissingData.IGNORE,
      mails: [],
    })
  addAlarm(scope, place, {
    name: 'silent-monitor',
    ...silentMonitor(place.physicalName),
    // A number that only a look publishes. Its count is 1 or missing.
    metric: metric(metricNames.viewsSetAside, Stats.SAMPLE_COUNT, times.silence),
    comparison: ComparisonOperator.LESS_THAN_THRESHOLD,
    missing: TreatMissingData.BREACHING,
    periods: 2,
    lasting: true,
    mails: ['begin', 'end'],
  })
}

/** The period of graphs, and of alarms about what other services than the monitor publish. */
const period = Duration.minutes(5)

/** A metric of the monitor, with the dimensions of `publish.ts`; of one view, if it is named. */
export const ownMetric = (
  environmentName: string,
  metricName: string,
  statistic: string,
  options: MetricOptions = {},
  view?: string,
): Metric =>
  new Metric({
    statistic,
    period: period,
    ...options,
    namespace: metricNamespace,
    metricName,
    dimensionsMap:
      view === undefined ? metricDimensions(environmentName) : perViewDimensions(environmentName, view),
  })
