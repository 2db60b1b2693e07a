import { createHash } from 'node:crypto'
import { Annotations, Duration, RemovalPolicy, Stack, TimeZone } from 'aws-cdk-lib'
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
import { Cron, CronPattern } from 'croner'
import { scheduleFault } from '../../src/authored/schedule.ts'
import type { Definition } from '../../src/catalog/plan/definition.ts'
import type { ScheduledBatch, ViewTimes } from '../../src/catalog/plan/scheduled.ts'
import { readFrozenMigrationsSync } from '../../src/migrate/frozen-migrations.ts'
import { frozenState } from '../../src/migrate/plan/frozen.ts'
import { Problem } from '../../src/words/problem.ts'

const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

/**
 * Turns the schedule of a view, cron with five fields, into EventBridge Scheduler's cron with six fields.
 * EventBridge numbers weekdays differently, and counts differently after `*` and a slash. So every field is
 * written as a list of values, with names for months and weekdays: both kinds of cron read such a list in the
 * same way. Refuses what authoring refuses.
 */
export function eventBridgeCron(schedule: string): string {
  const fault = scheduleFault(schedule)
  if (fault !== null)
    throw new Problem('InvalidRequest', `schedule ${JSON.stringify(schedule)} ${fault}`, {
      field: 'schedule',
    })
  const { minute, hour, day, month, dayOfWeek } = new CronPattern(schedule, undefined, { mode: '5-part' })
  const everyDay = dayOfWeek.every(Boolean)
  const fields = [
    field(minute, String),
    field(hour, String),
    everyDay ? field(day, (at) => String(at + 1)) : '?',
    field(month, (at) => months[at] as string),
    everyDay ? '?' : field(dayOfWeek, (at) => weekdays[at] as string),
  ]
  return `cron(${fields.join(' ')} *)`
}

/**
 * `*` for all values, else a list. Three or more values in a row are a range: an expression has at most 256
 * characters.
 */
function field(chosen: number[], name: (at: number) => string): string {
  if (chosen.every(Boolean)) return '*'
  const items: string[] = []
  for (let at = 0; at < chosen.length; at++) {
    if (!chosen[at]) continue
    const start = at
    while (chosen[at + 1]) at++
    const range = Array.from({ length: at - start + 1 }, (_, offset) => name(start + offset))
    items.push(...(range.length < 3 ? range : [`${range[0]}-${range.at(-1)}`]))
  }
  return items.join(',')
}

/**
 * The definitions of views after the migrations of a folder are applied, and the number of the newest one. Refuses a folder with a gap, a number that is taken
 * twice or an edited file: such a folder would fail in the middle of a deploy.
 */
export function readFrozenDefinitions(folder: URL): { definitions: Definition[]; newest: number } {
  const migrations = readFrozenMigrationsSync(folder)
  return { definitions: [...frozenState(migrations).values()], newest: migrations.at(-1)?.number ?? 0 }
}

/** A name of EventBridge Scheduler has at most 64 characters, of which that of an environment takes 20 and a hyphen. */
const maxLength = 64 - 21
const hashLength = 10

/**
 * The name of the schedule of all views with these times: legible text, and a hash of the times, so that two
 * of them never share a name. `0 6 * * 1-5` in Europe/Berlin has `0_6_x_x_1-5_Europe_Berlin-` and its hash.
 */
export function scheduleName({ schedule, timeZone }: ViewTimes): string {
  const times = `${schedule} ${timeZone}`
  const hash = createHash('sha256').update(times).digest('hex').slice(0, hashLength)
  const legible = times.replaceAll('*', 'x').replaceAll(/[^A-Za-z0-9.-]/g, '_')
  return `${legible.slice(0, maxLength - hashLength - 1)}-${hash}`
}

/** 1,000 once AWS has raised it. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const functionsAtOnce = 10

/** Warns if so many batches begin at one moment that a new account has no function left for the monitor and a caller. */
export function watchConcurrency(scope: Construct, batches: readonly ViewTimes[]): void {
  const { count, at } = mostAtOnce(batches)
  if (at === null || count < functionsAtOnce - 2) return
  Annotations.of(scope).addWarningV2(
    'viewkeeper:many-batches',
    `${count} schedules begin a batch at one moment (${at.toISOString().slice(11, 16)} UTC), and each batch holds a function. ` +
      `An account runs ${functionsAtOnce} at once until AWS raises that: the others wait, and are tried again for an hour. ` +
      'Give views the same schedule, which is one batch, or other minutes; or acknowledge this warning if the account runs more.',
  )
}

/** Any week: the answer may not depend on the day of the synthesis. A Monday. */
const weekFrom = Date.UTC(2026, 0, 5)
const weekUntil = weekFrom + 7 * 24 * 3_600_000

/** The most batches that begin at one moment of a week, and the first such moment. */
function mostAtOnce(batches: readonly ViewTimes[]): { count: number; at: Date | null } {
  const begun = new Map<number, number>()
  for (const { schedule, timeZone } of batches) {
    const cron = new Cron(schedule, { timezone: timeZone })
    let next = cron.nextRun(new Date(weekFrom - 1))
    while (next !== null && next.getTime() < weekUntil) {
      begun.set(next.getTime(), (begun.get(next.getTime()) ?? 0) + 1)
      next = cron.nextRun(next)
    }
  }
  const count = Math.max(0, ...new Set(begun.values()))
  const first = Math.min(...[...begun].filter(([, many]) => many === count).map(([at]) => at))
  return { count, at: count === 0 ? null : new Date(first) }
}

interface SchedulesProps {
  physicalName: string
  send: IFunction
  /** The state machine that opens and advances a batch. */
  batches: IStateMachine
  prune: IFunction
  /** Minutes between two looks of the monitor; false if there are none. */
  monitorEveryMinutes: number | false
  /** Whether there are events to send, also without a monitor. */
  hasEvents: boolean
  /** Views that a scheduled batch refreshes at once. */
  concurrency: number
  /** The queue for events that could not be delivered. */
  deadLetters: IQueue
}

/**
 * The schedules of one environment: a group of EventBridge Scheduler, with one schedule for `prune` and, unless
 * there is nothing to look for or to send, one for `send`.
 */
export class Schedules extends Construct {
  private readonly props: SchedulesProps
  private readonly group: ScheduleGroup
  /** The schedule that calls `send`, which calls the monitor, if there is one. */
  readonly send: Schedule | undefined
  private readonly role: IRole

  constructor(scope: Construct, id: string, props: SchedulesProps) {
    super(scope, id)
    this.props = props
    this.group = new ScheduleGroup(this, 'Group', {
      scheduleGroupName: `viewkeeper-${props.physicalName}`,
      // A group that remains after the stack would make the next deploy of this environment fail: the name is
      // taken.
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.role = this.addRole()
    const { monitorEveryMinutes, hasEvents } = props
    const look = monitorEveryMinutes !== false
    const everyMinutes = monitorEveryMinutes || 1
    if (look || hasEvents)
      // A call that is late by a whole interval becomes a dead letter: the next call does its work.
      this.send = this.addCall('send', props.send, {
        description: 'Has the monitor look, and sends what waits',
        schedule: rateOf(everyMinutes),
        maxEventAge: Duration.minutes(everyMinutes),
        input: { look },
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
    this.add(name, {
      description:
        'all' in selection
          ? 'Refreshes every view'
          : 'Refreshes the views that have this schedule in their definitions',
      schedule: ScheduleExpression.expression(eventBridgeCron(schedule), TimeZone.of(timeZone)),
      target: new StepFunctionsStartExecution(batches, {
        ...this.delivery(name, { scheduledTime: ContextAttribute.scheduledTime, ...selection, concurrency }),
        role: this.role,
        // After an hour the event becomes a dead letter: the next scheduled batch refreshes the views.
        retryAttempts: 10,
        maxEventAge: Duration.hours(1),
      }),
    })
  }

  private addCall(
    name: string,
    lambda: IFunction,
    {
      maxEventAge,
      input,
      ...times
    }: Pick<ScheduleProps, 'description' | 'schedule'> & { maxEventAge: Duration; input?: object },
  ): Schedule {
    return this.add(name, {
      ...times,
      target: new LambdaInvoke(lambda, {
        ...this.delivery(name, input),
        role: this.role,
        retryAttempts: 3,
        maxEventAge,
      }),
    })
  }

  private add(name: string, props: ScheduleProps): Schedule {
    return new Schedule(this, name, {
      // CloudFormation tells schedules apart by their names alone, whatever their groups are.
      scheduleName: `${this.props.physicalName}-${name}`,
      scheduleGroup: this.group,
      ...props,
    })
  }

  /** Scheduler retries the delivery, and not a function or an execution that fails. */
  private delivery(name: string, input: object = {}) {
    return {
      input: ScheduleTargetInput.fromObject({ trigger: 'schedule', schedule: name, ...input }),
      deadLetterQueue: this.props.deadLetters,
    }
  }

  /**
   * The role of the group's schedules, which may call what they call, and send undelivered events to the dead-letter queue. CDK's own
   * role could also invoke every version of a function, by a wildcard; so CDK may add no statement to this role.
   */
  private addRole(): IRole {
    const { send, prune, batches, deadLetters } = this.props
    const allow = (action: string, ...resources: string[]) =>
      new PolicyStatement({ actions: [action], resources })
    return new Role(this, 'Role', {
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
          statements: [
            allow('lambda:InvokeFunction', send.functionArn, prune.functionArn),
            allow('states:StartExecution', batches.stateMachineArn),
            allow('sqs:SendMessage', deadLetters.queueArn),
          ],
        }),
      },
    }).withoutPolicyUpdates()
  }
}

const rateOf = (minutes: number): ScheduleExpression =>
  ScheduleExpression.expression(`rate(${minutes} minute${minutes === 1 ? '' : 's'})`, TimeZone.ETC_UTC)
