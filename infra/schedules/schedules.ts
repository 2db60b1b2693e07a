import { Duration, RemovalPolicy, TimeZone } from 'aws-cdk-lib'
import type { IRole } from 'aws-cdk-lib/aws-iam'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import {
  ContextAttribute,
  Schedule,
  ScheduleExpression,
  ScheduleGroup,
  ScheduleTargetInput,
} from 'aws-cdk-lib/aws-scheduler'
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import type { ViewTimes } from '../../src/plan/views/scheduled.ts'
import { eventBridgeCron } from './cron.ts'
import { scheduleRole } from './schedule-role.ts'
import { scheduleName } from './scheduled-views.ts'

export interface SchedulesProps {
  environmentName: string
  monitor: IFunction
  startBatch: IFunction
  prune: IFunction
  /** Minutes between two calls of the monitor. */
  monitorEveryMinutes: number
  /** Views that a scheduled batch refreshes at once. */
  concurrency: number
  /** The queue for events that could not be delivered. */
  deadLetters: IQueue
}

/**
 * The schedules of one environment: a group of EventBridge Scheduler, with one schedule for `monitor` and one
 * for `prune`.
 */
export class Schedules extends Construct {
  private readonly props: SchedulesProps
  private readonly group: ScheduleGroup
  /** The schedule that calls the monitor. */
  readonly monitor: Schedule
  /** The schedules of one function share a role. */
  private readonly roles = new Map<IFunction, IRole>()

  constructor(scope: Construct, id: string, props: SchedulesProps) {
    super(scope, id)
    this.props = props
    this.group = new ScheduleGroup(this, 'Group', {
      scheduleGroupName: `viewkeeper-${props.environmentName}`,
      // A group that remains after the stack would make the next deploy of this environment fail: the name is
      // taken.
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.monitor = this.addMonitor()
    this.addPrune()
  }

  /** Refreshes every view once a day. */
  addNightly({ at, timeZone }: { at: string; timeZone: string }): void {
    const [hour, minute] = at.split(':').map(Number)
    const schedule = eventBridgeCron(`${minute} ${hour} * * *`)
    this.addBatch('nightly', ScheduleExpression.expression(schedule, TimeZone.of(timeZone)), {
      description: 'Refreshes every view',
      selection: { all: true },
    })
  }

  /** Refreshes, in one batch, all views that have this schedule and time zone in their definitions. */
  addViews({ schedule, timeZone }: ViewTimes): void {
    const expression = ScheduleExpression.expression(eventBridgeCron(schedule), TimeZone.of(timeZone))
    this.addBatch(scheduleName({ schedule, timeZone }), expression, {
      description: 'Refreshes the views that have this schedule in their definitions',
      selection: { scheduled: { schedule, timeZone } },
    })
  }

  /**
   * Calls the monitor every minute, or every few minutes. A late call becomes a dead letter: the next call
   * does its work.
   */
  private addMonitor(): Schedule {
    const minutes = this.props.monitorEveryMinutes
    const rate = `rate(${minutes} minute${minutes === 1 ? '' : 's'})`
    return this.add('monitor', ScheduleExpression.expression(rate, TimeZone.ETC_UTC), {
      description: 'Closes lost runs and publishes ended ones',
      target: this.props.monitor,
      input: {},
      retryAttempts: 0,
      maxEventAge: Duration.minutes(1),
    })
  }

  /** Prunes the history once a day, at a time when hardly any nightly batch begins. */
  private addPrune() {
    this.add('prune', ScheduleExpression.expression(eventBridgeCron('17 3 * * *'), TimeZone.ETC_UTC), {
      description: 'Removes old history',
      target: this.props.prune,
      input: {},
      retryAttempts: 3,
      maxEventAge: Duration.hours(1),
    })
  }

  /** Scheduler may deliver an event twice. Events with the same name and scheduled time start one batch. */
  private addBatch(
    name: string,
    expression: ScheduleExpression,
    { description, selection }: { description: string; selection: object },
  ) {
    this.add(name, expression, {
      description,
      target: this.props.startBatch,
      input: {
        scheduledTime: ContextAttribute.scheduledTime,
        ...selection,
        concurrency: this.props.concurrency,
      },
      // After an hour the event becomes a dead letter: the next scheduled batch refreshes the views.
      retryAttempts: 10,
      maxEventAge: Duration.hours(1),
    })
  }

  private add(name: string, expression: ScheduleExpression, options: ScheduleOptions): Schedule {
    const { target, description, input, ...delivery } = options
    return new Schedule(this, name, {
      scheduleName: name,
      scheduleGroup: this.group,
      description,
      schedule: expression,
      target: new LambdaInvoke(target, {
        input: ScheduleTargetInput.fromObject({ trigger: 'schedule', schedule: name, ...input }),
        deadLetterQueue: this.props.deadLetters,
        ...delivery,
        role: this.roleFor(target),
      }),
    })
  }

  private roleFor(target: IFunction): IRole {
    const { group } = this
    const { deadLetters } = this.props
    const { monitor, prune } = this.props
    const id = target === monitor ? 'monitor-role' : target === prune ? 'prune-role' : 'start-batch-role'
    const role = this.roles.get(target) ?? scheduleRole(this, id, { group, target, deadLetters })
    this.roles.set(target, role)
    return role
  }
}

interface ScheduleOptions {
  description: string
  target: IFunction
  input: Record<string, unknown>
  /** Retries of the delivery. Scheduler does not retry a function that fails. */
  retryAttempts: number
  /** The age at which an undelivered event becomes a dead letter. */
  maxEventAge: Duration
}
