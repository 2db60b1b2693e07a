import { Duration, RemovalPolicy, Stack, TimeZone } from 'aws-cdk-lib'
import { type IRole, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import {
  ContextAttribute,
  Schedule,
  ScheduleExpression,
  ScheduleGroup,
  type ScheduleProps,
  ScheduleTargetInput,
} from 'aws-cdk-lib/aws-scheduler'
import { LambdaInvoke, StepFunctionsStartExecution } from 'aws-cdk-lib/aws-scheduler-targets'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import type { ScheduledBatch } from '../../src/catalog/plan/scheduled.ts'
import { eventBridgeCron } from './cron.ts'

export interface SchedulesProps {
  environmentName: string
  monitor: IFunction
  /** The state machine that opens and advances a batch. */
  batches: IStateMachine
  prune: IFunction
  /** Minutes between two calls of the monitor; false if there are none. */
  monitorEveryMinutes: number | false
  /** Views that a scheduled batch refreshes at once. */
  concurrency: number
  /** The queue for events that could not be delivered. */
  deadLetters: IQueue
}

/**
 * The schedules of one environment: a group of EventBridge Scheduler, with one schedule for `prune` and, unless
 * nothing calls the monitor, one for `monitor`.
 */
export class Schedules extends Construct {
  private readonly props: SchedulesProps
  private readonly group: ScheduleGroup
  /** The schedule that calls the monitor, if there is one. */
  readonly monitor: Schedule | undefined
  /** The role of all batches. */
  private batchesRole: IRole | undefined

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
    if (monitorEveryMinutes !== false)
      // A call that is late by a whole interval becomes a dead letter: the next call does its work.
      this.monitor = this.addCall('monitor', props.monitor, {
        description: 'Closes lost runs and publishes ended ones',
        schedule: rateOf(monitorEveryMinutes),
        maxEventAge: Duration.minutes(monitorEveryMinutes),
      })
    // At a time when hardly any nightly batch begins.
    this.addCall('prune', props.prune, {
      description: 'Removes old history',
      schedule: ScheduleExpression.expression(eventBridgeCron('17 3 * * *'), TimeZone.ETC_UTC),
      maxEventAge: Duration.hours(1),
    })
  }

  /**
   * Begins a batch by the clock. Scheduler may deliver an event twice. Executions with the same name of a schedule and the same
   * scheduled time open one batch.
   */
  addBatch({ name, schedule, timeZone, selection }: ScheduledBatch): void {
    const { batches, concurrency } = this.props
    this.batchesRole ??= this.roleFor('batches', 'states:StartExecution', batches.stateMachineArn)
    this.add(name, {
      description:
        'all' in selection
          ? 'Refreshes every view'
          : 'Refreshes the views that have this schedule in their definitions',
      schedule: ScheduleExpression.expression(eventBridgeCron(schedule), TimeZone.of(timeZone)),
      target: new StepFunctionsStartExecution(batches, {
        ...this.delivery(name, { scheduledTime: ContextAttribute.scheduledTime, ...selection, concurrency }),
        role: this.batchesRole,
        // After an hour the event becomes a dead letter: the next scheduled batch refreshes the views.
        retryAttempts: 10,
        maxEventAge: Duration.hours(1),
      }),
    })
  }

  private addCall(
    name: string,
    lambda: IFunction,
    { maxEventAge, ...times }: Pick<ScheduleProps, 'description' | 'schedule'> & { maxEventAge: Duration },
  ): Schedule {
    return this.add(name, {
      ...times,
      target: new LambdaInvoke(lambda, {
        ...this.delivery(name),
        role: this.roleFor(name, 'lambda:InvokeFunction', lambda.functionArn),
        retryAttempts: 3,
        maxEventAge,
      }),
    })
  }

  private add(name: string, props: ScheduleProps): Schedule {
    return new Schedule(this, name, {
      // CloudFormation tells schedules apart by their names alone, whatever their groups are.
      scheduleName: `${this.props.environmentName}-${name}`,
      scheduleGroup: this.group,
      ...props,
    })
  }

  /** Scheduler retries the delivery, and not a function or an execution that fails. */
  private delivery(name: string, input: Record<string, unknown> = {}) {
    return {
      input: ScheduleTargetInput.fromObject({ trigger: 'schedule', schedule: name, ...input }),
      deadLetterQueue: this.props.deadLetters,
    }
  }

  /**
   * A role that may invoke its function, or start executions of its state machine, and send undelivered events to the dead-letter
   * queue. CDK's own role could also invoke every version of the function, by a wildcard; so CDK may add no statement to this role.
   */
  private roleFor(name: string, action: string, targetArn: string): IRole {
    const allow = (action: string, resource: string) =>
      new PolicyStatement({ actions: [action], resources: [resource] })
    return new Role(this, `${name}-role`, {
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: {
          StringEquals: {
            'aws:SourceAccount': Stack.of(this).account,
            'aws:SourceArn': this.group.scheduleGroupArn,
          },
        },
      }),
      inlinePolicies: {
        deliver: new PolicyDocument({
          statements: [allow(action, targetArn), allow('sqs:SendMessage', this.props.deadLetters.queueArn)],
        }),
      },
    }).withoutPolicyUpdates()
  }
}

const rateOf = (minutes: number): ScheduleExpression =>
  ScheduleExpression.expression(`rate(${minutes} minute${minutes === 1 ? '' : 's'})`, TimeZone.ETC_UTC)
