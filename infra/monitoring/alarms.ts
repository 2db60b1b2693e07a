import type { IHttpApi } from 'aws-cdk-lib/aws-apigatewayv2'
import { Alarm, ComparisonOperator, type IMetric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import type { FunctionName } from '../../src/edge/http/routes.ts'
import { metricNames } from '../../src/edge/metrics/names.ts'
import type { ViewkeeperFunction } from '../functions/viewkeeper-function.ts'
import { ownMetric, metricPeriod as period } from './own-metric.ts'

export interface AlarmsProps {
  environmentName: string
  topic: ITopic
  functions: Record<FunctionName, ViewkeeperFunction>
  api: IHttpApi
  machine: IStateMachine
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
    this.addStaleAlarm()
    this.addBatchAlarms(props.machine)
    this.addDeadLetterAlarm(props.deadLetters)
    this.addApiAlarm(props.api)
    for (const name of Object.keys(props.functions) as FunctionName[])
      this.addFunctionAlarms(name, props.functions[name])
  }

  private addRunAlarms() {
    const metric = (metricName: string) => ownMetric(this.environmentName, metricName, Stats.SUM)
    this.add('failed-runs', {
      metric: metric(metricNames.runsFailed),
      happened: 'At least one run failed; readers still see the data of the last success.',
      first: 'GET /runs?status=failed names the view and its error.',
    })
    this.add('slow-runs', {
      metric: metric(metricNames.runsSlow),
      happened: 'A refresh took more than twice as long as its view usually does.',
      first: "The log group of monitor has it (slow, usualMs), the dashboard's panel Slow refreshes too.",
    })
    this.add('lost-runs', {
      metric: metric(metricNames.runsLost),
      happened: 'A run lost its database backend (restart, failover, terminated) and was undone.',
      first: 'Look at the events of the database; GET /runs?status=failed names the view. Then refresh it.',
    })
  }

  /** Missing numbers count as stale: whoever judges it is silent. Two periods, as for the monitor itself. */
  private addStaleAlarm() {
    this.add('stale-views', {
      metric: ownMetric(this.environmentName, metricNames.viewsStale, Stats.MAXIMUM),
      happened:
        'At least one view has had no success for longer than its data may be old, or nobody looks any more.',
      first: 'GET /views?state=stale names them.',
      missing: TreatMissingData.BREACHING,
      periods: 2,
    })
  }

  private addBatchAlarms(machine: IStateMachine) {
    this.add('lost-batches', {
      metric: ownMetric(this.environmentName, metricNames.batchesLost, Stats.SUM),
      happened: 'Nobody advanced a batch for 20 minutes; it was closed (BatchLost).',
      first: 'GET /batches?status=failed names it. Ask for it again: POST /batches.',
    })
    this.add('failed-batches', {
      metric: machine.metricFailed({ period }),
      happened: 'A batch failed or was canceled, or could not be advanced for some 17 minutes.',
      first: 'GET /batches?status=failed names the views.',
    })
    this.add('timed-out-batches', {
      metric: machine.metricTimedOut({ period }),
      happened: 'A batch took more than 7 days, and is not advanced any more.',
      first: 'GET /batches names it, and GET /batches/{id} the view that took so long.',
    })
    this.add('aborted-batches', {
      metric: machine.metricAborted({ period }),
      happened: 'Somebody stopped the execution of a batch; nobody advances that batch.',
      first:
        'GET /batches?status=running names it, until it is closed (BatchLost) or canceled. Ask for a new one then.',
    })
  }

  private addDeadLetterAlarm(queue: IQueue) {
    this.add('dead-letters', {
      metric: queue.metricApproximateNumberOfMessagesVisible({ statistic: Stats.MAXIMUM, period }),
      happened: 'An event was given up: it could not be delivered, or its function failed with every retry.',
      first: `Read the messages of ${this.environmentName}'s queue viewkeeper-${this.environmentName}-dead-letters: each holds the event and its error. Delete them when done.`,
    })
  }

  /** A function that answers 5xx has not failed: its own alarm stays quiet. */
  private addApiAlarm(api: IHttpApi) {
    this.add('api-errors', {
      metric: api.metricServerError({ period }),
      happened: 'The HTTP API answered at least one request with 5xx.',
      first: `The log group /aws/vendedlogs/viewkeeper/${this.environmentName}/api has its route, the log of that route's function the reason.`,
    })
  }

  private addFunctionAlarms(name: FunctionName, { lambda }: ViewkeeperFunction) {
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
