import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import type { Construct } from 'constructs'

/** The environment that an alarm is about, and the topic that mails it. */
export interface AlarmPlace {
  environmentName: string
  topic: ITopic
}

export interface AlarmOptions {
  /** The alarm is named `viewkeeper-<environment>-<name>`. */
  name: string
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
  /** Periods of the metric in a row that set the alarm off. Default 1. */
  periods?: number
  /** What missing numbers mean. Default: nothing is wrong. */
  missing?: TreatMissingData
  /**
   * When the topic mails: at the beginning, at the end, or at both. CloudWatch mails only when the state of an alarm
   * changes. Default `['begin']`.
   */
  mails?: ('begin' | 'end')[]
}

/** Adds one alarm. An alarm costs about 0.10 USD a month. */
export function addAlarm(scope: Construct, place: AlarmPlace, options: AlarmOptions): Alarm {
  const { name, mails = ['begin'] } = options
  const alarm = new Alarm(scope, name, {
    alarmName: `viewkeeper-${place.environmentName}-${name}`,
    alarmDescription: `${options.happened} First: ${options.first} More: docs/runbook.md, ${options.runbook ?? name}.`,
    metric: options.metric,
    comparisonOperator: options.comparison ?? ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    threshold: options.threshold ?? 1,
    evaluationPeriods: options.periods ?? 1,
    treatMissingData: options.missing ?? TreatMissingData.NOT_BREACHING,
  })
  const action = new SnsAction(place.topic)
  if (mails.includes('begin')) alarm.addAlarmAction(action)
  if (mails.includes('end')) alarm.addOkAction(action)
  return alarm
}
