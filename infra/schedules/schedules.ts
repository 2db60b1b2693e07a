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
import { LambdaInvoke, StepFunctionsStartExecution } from 'aws-cdk-lib/aws-scheduler-targets'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import type { ScheduledBatch } from '../../src/catalog/plan/scheduled.ts'
import { eventBridgeCron } from './cron.ts'
import { scheduleRole } from './schedule-role.ts'

/** Minutes between two looks for what no alarm has told. */
const noticesEveryMinutes = 5

export interface SchedulesProps {
  environmentName: string
  monitor: IFunction
  /** The state machine that opens and advances a batch. */
  batches: IStateMachine
  prune: IFunction
  /** The function that tells people what is new, also what no alarm has told. */
  notify: IFunction
  /** Minutes between two calls of the monitor; false if there are none. */
  monitorEveryMinutes: number | false
  /** Views that a scheduled batch refreshes at once. */
  concurrency: number
  /** The queue for events that could not be delivered. */
  deadLetters: IQueue
}

/**
 * The schedules of one environment: a group of EventBridge Scheduler, with one schedule for `prune` and, unless
 * nothing calls the monitor, one each for `monitor` and `notify`.
 */
export class Schedules extends Construct {
  private readonly props: SchedulesProps
  private readonly group: ScheduleGroup
  /** The schedule that calls the monitor, if there is one. */
  readonly monitor: Schedule | undefined
  /** The schedules of one target share a role. */
  private readonly roles = new Map<IFunction | IStateMachine, IRole>()

  constructor(scope: Construct, id: string, props: SchedulesProps) {
    super(scope, id)
    this.props = props
    this.group = new ScheduleGroup(this, 'Group', {
      scheduleGroupName: `viewkeeper-${props.environmentName}`,
      // A group that remains after the stack would make the next deploy of this environment fail: the name is
      // taken.
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const { monitorEveryMinutes } = props
    if (monitorEveryMinutes !== false) {
      this.monitor = this.addMonitor(monitorEveryMinutes)
      this.addNotices(Math.max(noticesEveryMinutes, monitorEveryMinutes))
    }
    this.addPrune()
  }

  /**
   * Begins a batch by the clock. Scheduler may deliver an event twice. Executions with the same name of a schedule and the same
   * scheduled time open one batch.
   */
  addBatch({ name, schedule, timeZone, selection }: ScheduledBatch): void {
    this.add(name, ScheduleExpression.expression(eventBridgeCron(schedule), TimeZone.of(timeZone)), {
      description:
        'all' in selection
          ? 'Refreshes every view'
          : 'Refreshes the views that have this schedule in their definitions',
      target: this.props.batches,
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

  /** Calls the monitor. A call that is late by a whole interval becomes a dead letter: the next call does its work. */
  private addMonitor(minutes: number): Schedule {
    const rate = `rate(${minutes} minute${minutes === 1 ? '' : 's'})`
    return this.add('monitor', ScheduleExpression.expression(rate, TimeZone.ETC_UTC), {
      description: 'Closes lost runs and publishes ended ones',
      target: this.props.monitor,
      input: {},
      retryAttempts: 3,
      maxEventAge: Duration.minutes(minutes),
    })
  }

  /**
   * Has `notify` look for what no alarm has told. CloudWatch publishes an alarm only when its state changes, so what
   * goes wrong while the alarm is on would not be told; nor would an alarm that got lost on its way.
   */
  private addNotices(minutes: number) {
    this.add('notices', ScheduleExpression.expression(`rate(${minutes} minutes)`, TimeZone.ETC_UTC), {
      description: 'Tells people what no alarm has told',
      target: this.props.notify,
      input: {},
      retryAttempts: 3,
      maxEventAge: Duration.minutes(minutes),
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

  private add(name: string, expression: ScheduleExpression, options: ScheduleOptions): Schedule {
    const { target, description, ...delivery } = options
    const props = {
      ...delivery,
      input: ScheduleTargetInput.fromObject({ trigger: 'schedule', schedule: name, ...options.input }),
      deadLetterQueue: this.props.deadLetters,
      role: this.roleFor(target),
    }
    return new Schedule(this, name, {
      // CloudFormation tells schedules apart by their names alone, whatever their groups are.
      scheduleName: `${this.props.environmentName}-${name}`,
      scheduleGroup: this.group,
      description,
      schedule: expression,
      target: isMachine(target)
        ? new StepFunctionsStartExecution(target, props)
        : new LambdaInvoke(target, props),
    })
  }

  private roleFor(target: IFunction | IStateMachine): IRole {
    const { group } = this
    const { deadLetters, monitor, notify } = this.props
    const [id, may] = isMachine(target)
      ? ['batches-role', { action: 'states:StartExecution', targetArn: target.stateMachineArn } as const]
      : [
          target === monitor ? 'monitor-role' : target === notify ? 'notices-role' : 'prune-role',
          { action: 'lambda:InvokeFunction', targetArn: target.functionArn } as const,
        ]
    const role = this.roles.get(target) ?? scheduleRole(this, id, { group, ...may, deadLetters })
    this.roles.set(target, role)
    return role
  }
}

const isMachine = (target: IFunction | IStateMachine): target is IStateMachine => 'stateMachineArn' in target

interface ScheduleOptions {
  description: string
  target: IFunction | IStateMachine
  input: Record<string, unknown>
  /** Retries of the delivery. Scheduler does not retry a function or an execution that fails. */
  retryAttempts: number
  /** The age at which an undelivered event becomes a dead letter. */
  maxEventAge: Duration
}
