import { Duration } from 'aws-cdk-lib'
import { Alarm, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import { command } from '../../src/sql/commands.ts'
import type { AlarmName } from '../../src/watch/plan/alarms.ts'
import type { MonitorTimes } from '../environment/monitor-times.ts'
import type { Api } from '../functions/api.ts'
import { type AlarmPlace, addAlarm } from './alarm.ts'
import { addMonitorAlarms } from './monitor-alarms.ts'
import { metricPeriod as period } from './own-metric.ts'

export interface AlarmsProps extends AlarmPlace {
  api: Api
  machine: IStateMachine
  deadLetters: IQueue
  /** Null if nothing calls the monitor: then there are no alarms about what it publishes. */
  monitor: MonitorTimes | null
  /** The function that sends what waits to people and programs. */
  send: IFunction
  /** The function that changes the password of Viewkeeper's role, if the environment has one. */
  rotate: IFunction | undefined
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
    { api, machine, deadLetters, monitor, send, rotate, ...place }: AlarmsProps,
  ) {
    super(scope, id)
    if (monitor) addMonitorAlarms(this, place, monitor)
    addAlarm(this, place, {
      name: 'failed-batches',
      metric: machine.metricFailed({ period }),
      happened: 'A batch failed, or could not be opened or advanced for an hour.',
      first: `${command(['batches'], place.environmentName)} names the batch.`,
      mails: monitor ? [] : ['begin'],
    })
    addDeadLetters(this, place, deadLetters)
    addSendErrors(this, place, send, monitor)
    // Only Secrets Manager calls it, which tells nobody.
    if (rotate)
      addAlarm(this, place, {
        name: 'rotate-errors',
        metric: rotate.metricErrors({ period }),
        happened: "The password of Viewkeeper's role could not be changed; Secrets Manager tries again.",
        first: `aws logs tail /viewkeeper/${place.environmentName}/rotate --since 1d shows why.`,
      })
    // A function that answers 5xx has not failed, so its own metrics do not show it.
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
  const read = `Read what came: aws sqs receive-message --max-number-of-messages 10 --queue-url $(aws sqs get-queue-url --queue-name viewkeeper-${place.environmentName}-dead-letters --query QueueUrl --output text). Delete the messages when you are done.`
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

/** A topic or a bus that refuses for a moment is no news: the monitor calls again at its next look. */
function addSendErrors(
  scope: Construct,
  place: AlarmPlace,
  send: IFunction,
  monitor: MonitorTimes | null,
): void {
  // At least one look is in each period, however late Scheduler calls the monitor: what always refuses is a steady alarm.
  const minutes = Math.max(period.toMinutes(), 2 * (monitor?.interval.toMinutes() ?? 0))
  addAlarm(scope, place, {
    name: 'send-errors',
    metric: send.metricErrors({ period: Duration.minutes(minutes) }),
    // Without a monitor nothing calls it again but the end of a run.
    periods: monitor ? 2 : 1,
    lasting: true,
    mails: ['begin', 'end'],
    happened: 'Messages do not reach people, or events their bus; they wait in the database.',
    first: `aws logs tail /viewkeeper/${place.environmentName}/send --since 1h shows what was refused.`,
  })
}

const routesOf = ({ logGroupName }: Api): string =>
  `aws logs filter-log-events --log-group-name ${logGroupName} --filter-pattern '{ $.status = "5*" }' shows the routes. `
