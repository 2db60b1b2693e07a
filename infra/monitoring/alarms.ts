import { Alarm, ComparisonOperator, type IMetric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import type { FunctionName } from '../../src/edge/http/routes.ts'
import { metricNames } from '../../src/edge/metrics/names.ts'
import type { ServedApi } from '../functions/api.ts'
import type { ViewkeeperFunction } from '../functions/viewkeeper-function.ts'
import { ownMetric, metricPeriod as period } from './own-metric.ts'

export interface AlarmsProps {
  environmentName: string
  topic: ITopic
  functions: Record<FunctionName, ViewkeeperFunction>
  api: ServedApi
  machine: IStateMachine
  deadLetters: IQueue
}

/** All alarms of one environment. An alarm costs about 0.10 USD a month. */
export class Alarms extends Construct {
  private readonly environmentName: string
  private readonly topic: ITopic

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id)
    this.environmentName = props.environmentName
    this.topic = props.topic
    this.addRunAlarms()
    this.addStaleAlarm()
    this.addMissingAlarm()
    this.addAsideAlarm()
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
      first: "Look at the dashboard's panel Slow refreshes, or at the log of monitor (slow, usualMs).",
    })
    this.add('lost-runs', {
      metric: metric(metricNames.runsLost),
      happened:
        'A run lost its server process (restart, failover, termination), and the server undid its work.',
      first:
        'Look at the events of the database; GET /runs?status=failed names the view. Then refresh the view.',
    })
  }

  /**
   * Missing numbers count as stale, because they mean that the monitor does not run. Two periods, as for the
   * monitor itself.
   */
  private addStaleAlarm() {
    this.add('stale-views', {
      metric: ownMetric(this.environmentName, metricNames.viewsStale, Stats.MAXIMUM),
      happened: 'The data of at least one view are older than they may be, or the monitor does not run.',
      first: 'GET /views?state=stale names the views.',
      missing: TreatMissingData.BREACHING,
      periods: 2,
    })
  }

  private addMissingAlarm() {
    this.add('missing-views', {
      metric: ownMetric(this.environmentName, metricNames.viewsMissing, Stats.MAXIMUM),
      happened: 'At least one authored view is not in the database: somebody dropped it.',
      first: `GET /views?state=missing names the views; npx viewkeeper migrate up --repair --env ${this.environmentName} makes them again.`,
    })
  }

  private addAsideAlarm() {
    this.add('set-aside-views', {
      metric: ownMetric(this.environmentName, metricNames.viewsSetAside, Stats.MAXIMUM),
      happened: 'Views have been set aside for more than an hour: whoever reads one of them gets an error.',
      first:
        'npx viewkeeper put-back --dry-run, on the DATABASE_URL of this environment, names the views; npx viewkeeper put-back makes them again.',
    })
  }

  private addBatchAlarms(machine: IStateMachine) {
    this.add('lost-batches', {
      metric: ownMetric(this.environmentName, metricNames.batchesLost, Stats.SUM),
      happened: 'Nobody advanced a batch for 20 minutes, and the monitor closed it (BatchLost).',
      first: 'GET /batches?status=failed names the batch. Start a new one: POST /batches.',
    })
    this.add('failed-batches', {
      metric: machine.metricFailed({ period }),
      happened: 'A batch failed or was canceled, or could not be advanced for some 17 minutes.',
      first: 'GET /batches?status=failed (or canceled) names the batch, and GET /batches/{id} its views.',
    })
    this.add('timed-out-batches', {
      metric: machine.metricTimedOut({ period }),
      happened: 'A batch took more than 7 days, and nobody advances it any more.',
      first: 'GET /batches names the batch, and GET /batches/{id} the view that took so long.',
    })
    this.add('aborted-batches', {
      metric: machine.metricAborted({ period }),
      happened: 'Somebody stopped the execution of a batch; nobody advances that batch.',
      first:
        'GET /batches?status=running names the batch. Cancel it, or wait until it is closed (BatchLost); then start a new one.',
    })
  }

  private addDeadLetterAlarm(queue: IQueue) {
    this.add('dead-letters', {
      metric: queue.metricApproximateNumberOfMessagesVisible({ statistic: Stats.MAXIMUM, period }),
      happened:
        'An event became a dead letter: it could not be delivered, or its function failed with every retry.',
      first: `Read the messages of the queue viewkeeper-${this.environmentName}-dead-letters: each holds an event and its error. Delete them when you are done.`,
    })
  }

  /** A function that answers 5xx has not failed, so the alarm of the function stays quiet. */
  private addApiAlarm(api: ServedApi) {
    const route = api.logGroupName === undefined ? '' : `The log group ${api.logGroupName} has the route. `
    this.add('api-errors', {
      metric: api.metricServerError({ period }),
      happened: 'The HTTP API answered at least one request with 5xx.',
      first: `${route}The log of the route's function has the reason.`,
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
      first:
        "Look at the account's concurrent executions in this region, and at the functions that use them.",
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
 * A monitor that is not called reports no errors, so missing numbers count as an error. Two periods, because
 * the first period of a new environment begins before the first call.
 */
const silentMonitor = {
  happened: 'The function monitor failed, or was not called: lost runs stay open, and no run is published.',
  missing: TreatMissingData.BREACHING,
  periods: 2,
}

interface AlarmOptions {
  /** Is 1 or more when something is wrong. */
  metric: IMetric
  /** What happened, one sentence. */
  happened: string
  /** What to do first, one sentence. */
  first: string
  /** The heading of the runbook. Default: the name of the alarm. */
  runbook?: string
  /** Periods of 5 minutes in a row that set the alarm off. Default 1. */
  periods?: number
  /** What missing numbers mean. Default: nothing is wrong. */
  missing?: TreatMissingData
}
