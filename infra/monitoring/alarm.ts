import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { Construct } from 'constructs'
import { type AlarmName, type databaseAlarmNames, describeAlarm } from '../../src/watch/plan/alarms.ts'
import type { AlarmTopics } from './topics.ts'

/** The environment that an alarm is about, and the topics that it is published to. */
export interface AlarmPlace {
  environmentName: string
  topics: AlarmTopics
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
  /** Whether all of these periods set the alarm off, and not one of them: what is wrong is silence or a shortage. Default false. */
  lasting?: boolean
  /** What missing numbers mean. Default: nothing is wrong. */
  missing?: TreatMissingData
  /**
   * When it is mailed, as CloudWatch writes it, past the functions and the database, which it may be about: at its beginning, at its
   * end, or at both; never if the monitor tells people of the same. Default `['begin']`.
   */
  mails?: ('begin' | 'end')[]
}

/** Adds one alarm, which costs about 0.10 USD a month. */
export function addAlarm(scope: Construct, place: AlarmPlace, options: AlarmOptions): void {
  const { name, mails = ['begin'] } = options
  const alarm = new Alarm(scope, name, {
    alarmName: `viewkeeper-${place.environmentName}-${name}`,
    alarmDescription: describeAlarm(options.happened, options.first, options.runbook ?? name),
    metric: options.metric,
    comparisonOperator: options.comparison ?? ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    threshold: options.threshold ?? 1,
    evaluationPeriods: options.periods ?? 1,
    ...(options.lasting ? {} : { datapointsToAlarm: 1 }),
    treatMissingData: options.missing ?? TreatMissingData.NOT_BREACHING,
  })
  const { alarms, mail, notices } = place.topics
  const at = (moment: 'begin' | 'end') =>
    [alarms, ...(mails.includes(moment) ? [mail, notices] : [])].map((topic) => new SnsAction(topic))
  alarm.addAlarmAction(...at('begin'))
  alarm.addOkAction(...at('end'))
}
