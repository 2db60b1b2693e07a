import { Duration, RemovalPolicy, TimeZone } from 'aws-cdk-lib'
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
import { scheduleRole } from './schedule-role.ts'

export interface SchedulesProps {
  environmentName: string
  /** Where events go that could not be delivered. */
  deadLetters: IQueue
}

/** What a schedule asks the function `refresh` to do. */
export interface ScheduledRefresh {
  /** The view, as SQL writes its name. */
  view: string
  strategy?: string
  rowCountStrategy?: string
  timeoutSeconds?: number
}

/** The schedules of one environment: a group of EventBridge Scheduler. */
export class Schedules extends Construct {
  private readonly group: ScheduleGroup
  private readonly deadLetters: IQueue

  constructor(scope: Construct, id: string, props: SchedulesProps) {
    super(scope, id)
    this.deadLetters = props.deadLetters
    this.group = new ScheduleGroup(this, 'Group', {
      scheduleGroupName: `viewkeeper-${props.environmentName}`,
      // It is kept by default, and its name would stop the next deploy of this environment.
      removalPolicy: RemovalPolicy.DESTROY,
    })
  }

  /**
   * Refreshes a view. Scheduler delivers at least once: name and scheduled time of the event make the duplicates of
   * one time one run.
   */
  addRefresh(
    name: string,
    expression: ScheduleExpression,
    refresh: IFunction,
    request: ScheduledRefresh,
  ): Schedule {
    return this.add(name, expression, refresh, {
      description: `Refreshes ${request.view}`,
      input: { ...request, scheduledTime: ContextAttribute.scheduledTime },
      // A refresh that is an hour late is better left to the next one.
      retryAttempts: 10,
      maxEventAge: Duration.hours(1),
    })
  }

  /** Calls the monitor every minute; a call that comes late is left to the next. */
  addMonitor(monitor: IFunction): Schedule {
    return this.add('monitor', everyMinutes(1), monitor, {
      description: 'Closes lost runs and publishes ended ones',
      input: {},
      retryAttempts: 0,
      maxEventAge: Duration.minutes(1),
    })
  }

  private add(
    name: string,
    expression: ScheduleExpression,
    target: IFunction,
    options: ScheduleOptions,
  ): Schedule {
    return new Schedule(this, name, {
      scheduleName: name,
      scheduleGroup: this.group,
      description: options.description,
      schedule: expression,
      target: new LambdaInvoke(target, {
        input: ScheduleTargetInput.fromObject({ trigger: 'schedule', schedule: name, ...options.input }),
        deadLetterQueue: this.deadLetters,
        retryAttempts: options.retryAttempts,
        maxEventAge: options.maxEventAge,
        role: scheduleRole(this, `${name}-role`, {
          group: this.group,
          target,
          deadLetters: this.deadLetters,
        }),
      }),
    })
  }
}

interface ScheduleOptions {
  description: string
  input: Record<string, unknown>
  /** Retries of the delivery; what the function does with it is not Scheduler's concern. */
  retryAttempts: number
  /** Age at which an event that was not delivered becomes a dead letter. */
  maxEventAge: Duration
}

/** A fixed rate. It has no need of a time zone, but states one like every schedule here. */
export const everyMinutes = (minutes: number): ScheduleExpression =>
  ScheduleExpression.expression(
    minutes === 1 ? 'rate(1 minute)' : `rate(${minutes} minutes)`,
    TimeZone.ETC_UTC,
  )
