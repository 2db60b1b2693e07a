import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { Construct } from 'constructs'
import { describeAlarm } from '../../src/watch/mails/alarm-words.ts'
import type { AlarmName, databaseAlarmNames } from '../../src/watch/plan/alarms.ts'
import type { AlarmTopics } from './topics.ts'

/** What an app changes of an alarm. */
export interface AlarmChange {
  /**
   * The number from which something is wrong; for `silent-monitor`, below which.
   * @default - one, unless the alarm is about a created database
   */
  readonly threshold?: number
  /**
   * Periods of the metric that the alarm looks at.
   * @default - as few as it takes not to miss a number that comes late
   */
  readonly evaluationPeriods?: number
  /**
   * How many of these periods set the alarm off: at most `evaluationPeriods`, which has to be given for more than one.
   * @default - one; for `announce-errors` and `silent-monitor` all of them
   */
  readonly datapointsToAlarm?: number
}

/** What an app changes of the alarms, by their names; `false`: there is no such alarm. */
export type AlarmChanges = Readonly<Partial<Record<AlarmName, AlarmChange | false>>>

/** The environment that an alarm is about, and the topics that it is published to. */
export interface AlarmPlace {
  environmentName: string
  topics: AlarmTopics
  changes?: AlarmChanges | undefined
}

export interface AlarmOptions {
  /** The alarm is named `viewkeeper-<environment>-<name>`. */
  name: AlarmName | (typeof databaseAlarmNames)[number]
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
  /** Whether all of these periods set the alarm off, and not one of them: the trouble is silence or a shortage. Default false. */
  lasting?: boolean
  /** What missing numbers mean. Default: nothing is wrong. */
  missing?: TreatMissingData
  /**
   * When people are told: at the alarm's beginning, at its end, or at both. CloudWatch publishes only when the state of an
   * alarm changes. The topic for programs always gets both. Default `['begin']`.
   */
  mails?: ('begin' | 'end')[]
  /**
   * An alarm of last resort is mailed as CloudWatch writes it, past the functions `notify` and `news`, which it may
   * be about. Default false.
   */
  lastResort?: boolean
  /** Whether the topic for programs gets the alarm. Default true. */
  forPrograms?: boolean
}

/** Adds one alarm, unless the app wants it not. An alarm costs about 0.10 USD a month. */
export function addAlarm(scope: Construct, place: AlarmPlace, options: AlarmOptions): void {
  const { name, mails = ['begin'] } = options
  const change = place.changes?.[name as AlarmName] ?? {}
  if (change === false) return
  const alarm = new Alarm(scope, name, {
    alarmName: `viewkeeper-${place.environmentName}-${name}`,
    alarmDescription: describeAlarm(options.happened, options.first, options.runbook ?? name),
    metric: options.metric,
    comparisonOperator: options.comparison ?? ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    threshold: options.threshold ?? 1,
    evaluationPeriods: options.periods ?? 1,
    ...(options.lasting ? {} : { datapointsToAlarm: 1 }),
    treatMissingData: options.missing ?? TreatMissingData.NOT_BREACHING,
    ...change,
  })
  const { alarms, mail, notices, besides } = place.topics
  const people = options.lastResort ? [mail, notices] : [alarms]
  const programs = besides && (options.forPrograms ?? true) ? [besides] : []
  const actions = (at: 'begin' | 'end') =>
    [...(mails.includes(at) ? people : []), ...programs].map((topic) => new SnsAction(topic))
  for (const action of actions('begin')) alarm.addAlarmAction(action)
  for (const action of actions('end')) alarm.addOkAction(action)
}
