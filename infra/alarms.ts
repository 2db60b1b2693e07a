import { Duration } from 'aws-cdk-lib'
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { metricDimensions, metricNames, metricNamespace } from '../src/edge/metric-names.ts'
import type { FunctionName } from './functions.ts'
import type { OperationFunction } from './operation-function.ts'

const period = Duration.minutes(5)

export interface AlarmsProps {
  environmentName: string
  topic: ITopic
  functions: Record<FunctionName, OperationFunction>
  deadLetters: IQueue
}

/** Everything that tells somebody. An alarm costs about 0.10 USD a month. */
export class Alarms extends Construct {
  private readonly environmentName: string
  private readonly topic: ITopic

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id)
    this.environmentName = props.environmentName
    this.topic = props.topic
    this.addRunAlarms()
    this.addDeadLetterAlarm(props.deadLetters)
    for (const name of Object.keys(props.functions) as FunctionName[])
      this.addFunctionAlarms(name, props.functions[name])
  }

  private addRunAlarms() {
    const metric = (metricName: string) =>
      new Metric({
        namespace: metricNamespace,
        metricName,
        dimensionsMap: metricDimensions(this.environmentName),
        statistic: Stats.SUM,
        period,
      })
    this.add('failed-runs', {
      metric: metric(metricNames.runsFailed),
      happened: 'At least one run failed; readers still see the data of the last success.',
      first: 'GET /runs?status=failed names the view and its error.',
    })
    this.add('lost-runs', {
      metric: metric(metricNames.runsLost),
      happened: 'A run lost its database backend (restart, failover, terminated) and was undone.',
      first: 'Look at the events of the database; GET /runs?status=failed names the view. Then refresh it.',
    })
  }

  private addDeadLetterAlarm(queue: IQueue) {
    this.add('dead-letters', {
      metric: queue.metricApproximateNumberOfMessagesVisible({ statistic: Stats.MAXIMUM, period }),
      happened: 'An event was given up: it could not be delivered, or its function failed with every retry.',
      first: `Read the messages of ${this.environmentName}'s queue viewkeeper-${this.environmentName}-dead-letters: each holds the event and its error. Delete them when done.`,
    })
  }

  private addFunctionAlarms(name: FunctionName, { lambda }: OperationFunction) {
    const logs = `Read the log group /viewkeeper/${this.environmentName}/${name}.`
    this.add(`${name}-errors`, {
      metric: lambda.metricErrors({ period }),
      ...(name === 'monitor' ? silentMonitor : { happened: `The function ${name} failed or timed out.` }),
      first: logs,
    })
    this.add(`${name}-throttles`, {
      metric: lambda.metricThrottles({ period }),
      happened: `Lambda refused to run the function ${name}: no concurrency was left.`,
      first: "Look at the account's concurrent executions in this region, and at who uses them.",
      runbook: 'throttles',
    })
  }

  private add(name: string, options: AlarmOptions) {
    const alarm = new Alarm(this, name, {
      alarmName: `viewkeeper-${this.environmentName}-${name}`,
      alarmDescription: `${options.happened} First: ${options.first} More: docs/runbook.md, ${options.runbook ?? name}.`,
      metric: options.metric,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      threshold: 1,
      evaluationPeriods: options.periods ?? 1,
      treatMissingData: options.missing ?? TreatMissingData.NOT_BREACHING,
    })
    alarm.addAlarmAction(new SnsAction(this.topic))
  }
}

/**
 * A monitor that is not called reports no errors either: its silence has to count as one. Two periods, because the
 * first one of a new environment begins before its first minute.
 */
const silentMonitor = {
  happened: 'The function monitor failed, or was not called: lost runs stay open and no run is published.',
  missing: TreatMissingData.BREACHING,
  periods: 2,
}

interface AlarmOptions {
  /** Reaches 1 when something is wrong. */
  metric: IMetric
  /** What happened, one sentence. */
  happened: string
  /** What to do first, one sentence. */
  first: string
  /** Where the runbook has more. Default: under the alarm's name. */
  runbook?: string
  /** Periods of 5 minutes in a row that have to be bad. Default 1. */
  periods?: number
  /** What no data means. Default: nothing is wrong. */
  missing?: TreatMissingData
}
