import { Duration, TimeZone } from 'aws-cdk-lib'
import { Annotations, Match } from 'aws-cdk-lib/assertions'
import { describe, expect, test } from 'vitest'
import type { ViewkeeperProps } from '../../../infra/props.ts'
import { scheduleName } from '../../../infra/schedules/schedules.ts'
import {
  batchesOf,
  everyDay,
  type ScheduledView,
  type ViewTimes,
} from '../../../src/catalog/plan/scheduled.ts'
import { defaults } from '../../../src/config/options.ts'
import { deep } from '../../support/deep.ts'
import { imported, scheduledViews } from '../support/environments.ts'
import { createStack, kinds, Synthesized } from '../support/synth.ts'

const schedule = (stack: Synthesized, name: string) =>
  stack.one('AWS::Scheduler::Schedule', ({ Name }) => Name === `test-${name}`)[1].Properties
const names = (stack: Synthesized) =>
  stack
    .resources('AWS::Scheduler::Schedule')
    .map(([, { Properties }]) => Properties.Name.replace(/^test-/, '') as string)
const withSchedules = (said: Partial<ViewkeeperProps>) =>
  new Synthesized(createStack({ ...imported, ...said }, [], { scheduledViews }))

describe.each(Object.entries(kinds))('%s', (_, stack) => {
  const schedules = stack.properties('AWS::Scheduler::Schedule')

  test('every schedule states zone, retries and dead-letter queue, in the group of its environment', () => {
    const [queue] = stack.one('AWS::SQS::Queue')
    for (const properties of schedules)
      expect(properties).toMatchObject({
        GroupName: 'viewkeeper-test',
        ScheduleExpressionTimezone: expect.stringMatching(/^\w+\/\w+$/),
        FlexibleTimeWindow: { Mode: 'OFF' },
        Target: {
          DeadLetterConfig: { Arn: { 'Fn::GetAtt': [queue, 'Arn'] } },
          RetryPolicy: {
            MaximumRetryAttempts: expect.any(Number),
            MaximumEventAgeInSeconds: expect.any(Number),
          },
        },
      })
  })

  test('send, which has the monitor look, is called every minute', () => {
    const { ScheduleExpression, Target } = schedule(stack, 'send')
    expect(ScheduleExpression).toBe('rate(1 minute)')
    expect(Target.Arn).toEqual({ 'Fn::GetAtt': [stack.fn('send')[0], 'Arn'] })
    expect(JSON.parse(Target.Input)).toEqual({ trigger: 'schedule', schedule: 'send', look: true })
  })

  test('the role of the schedules may call their targets and write their dead letters, for this group only', () => {
    const [{ DeadLetterConfig, RoleArn }] = schedules.map(({ Target }) => Target)
    const [, role] = stack.one('AWS::IAM::Role', ({ Policies }) => Policies?.[0].PolicyName === 'deliver')
    const [{ Condition }] = role.Properties.AssumeRolePolicyDocument.Statement
    const [group] = stack.one('AWS::Scheduler::ScheduleGroup')
    expect(Condition.StringEquals['aws:SourceArn']['Fn::GetAtt'][0]).toBe(group)
    const allowed = role.Properties.Policies[0].PolicyDocument.Statement as Record<string, unknown>[]
    expect(allowed.map(({ Action }) => Action)).toEqual([
      'lambda:InvokeFunction',
      'states:StartExecution',
      'sqs:SendMessage',
    ])
    const targets = schedules.map(({ Target }) => JSON.stringify(Target.Arn))
    const [functions, machines, queue] = allowed.map(({ Resource }) => [Resource].flat())
    expect(new Set([functions, machines].flat().map((arn) => JSON.stringify(arn)))).toEqual(new Set(targets))
    expect(queue).toEqual([DeadLetterConfig.Arn])
    for (const { Target } of schedules) expect(Target.RoleArn).toEqual(RoleArn)
  })
})

const machine = { Ref: kinds.created.one('AWS::StepFunctions::StateMachine')[0] }

test('the nightly batch is an execution for every view, told by name and scheduled time', () => {
  const { ScheduleExpression, ScheduleExpressionTimezone, Target } = schedule(kinds.created, 'nightly')
  expect([ScheduleExpression, ScheduleExpressionTimezone]).toEqual(['cron(30 2 * * ? *)', 'Europe/Berlin'])
  expect(Target.Arn).toEqual(machine)
  expect(JSON.parse(Target.Input)).toEqual({
    trigger: 'schedule',
    schedule: 'nightly',
    scheduledTime: '<aws.scheduler.scheduled-time>',
    all: true,
    concurrency: 3,
  })
})

test('views with the same schedule and time zone share one schedule, which names both', () => {
  const name = scheduleName({ schedule: '0 6 * * 1-5', timeZone: 'Europe/Berlin' })
  const { ScheduleExpression, ScheduleExpressionTimezone, Target } = schedule(kinds.created, name)
  expect([ScheduleExpression, ScheduleExpressionTimezone]).toEqual([
    'cron(0 6 ? * MON-FRI *)',
    'Europe/Berlin',
  ])
  expect(Target.Arn).toEqual(machine)
  expect(JSON.parse(Target.Input)).toEqual({
    trigger: 'schedule',
    schedule: name,
    scheduledTime: '<aws.scheduler.scheduled-time>',
    scheduled: { schedule: '0 6 * * 1-5', timeZone: 'Europe/Berlin' },
    concurrency: 3,
  })
})

test('another view with a schedule that is there already changes nothing in the template', deep, () => {
  const of = (views: ScheduledView[]) =>
    new Synthesized(createStack(imported, [], { scheduledViews: views })).template.toJSON()
  const another = { ...scheduledViews[0]!, view: 'public.another' }
  expect(of([...scheduledViews, another])).toEqual(of(scheduledViews))
})

test('the schedules of batches share a role, and Scheduler tries for an hour to start an execution', () => {
  const batches = names(kinds.created)
    .filter((name) => !['prune', 'send'].includes(name))
    .map((name) => schedule(kinds.created, name).Target)
  expect(batches.length).toBeGreaterThan(1)
  expect(new Set(batches.map(({ RoleArn }) => JSON.stringify(RoleArn))).size).toBe(1)
  for (const { RetryPolicy } of batches)
    expect(RetryPolicy).toEqual({ MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 10 })
})

test('where nothing is said of schedules, every view is refreshed each night, within the hour after the local batch', () => {
  for (const stack of [kinds.throwaway, kinds.imported, withSchedules({})]) {
    expect(names(stack)).toContain('nightly')
    expect(schedule(stack, 'nightly')).toMatchObject({
      ScheduleExpression: 'cron(38 2 * * ? *)',
      ScheduleExpressionTimezone: 'Etc/UTC',
    })
  }
  expect(everyDay(defaults.schedules.nightly)).toEqual({ schedule: '0 2 * * *', timeZone: 'Etc/UTC' })
})

test(
  'a fleet is spread over that hour, each environment at its own minute; a time that the app says is kept',
  deep,
  () => {
    const expressionOf = (environmentName: string, said: Partial<ViewkeeperProps>) => {
      const stack = new Synthesized(createStack({ ...imported, environmentName, ...said }))
      return stack.one('AWS::Scheduler::Schedule', ({ Name }) => Name === `${environmentName}-nightly`)[1]
        .Properties.ScheduleExpression as string
    }
    const tenants = ['tenant-1', 'tenant-2', 'tenant-3', 'tenant-4']
    const inBerlin = () =>
      tenants.map((tenant) => expressionOf(tenant, { nightlyTimeZone: TimeZone.EUROPE_BERLIN }))
    const all = inBerlin()
    for (const each of all) expect(each).toMatch(/^cron\([0-5]?\d 2 \* \* \? \*\)$/)
    expect(new Set(all).size).toBeGreaterThan(1)
    expect(inBerlin()).toEqual(all)
    expect(expressionOf('tenant-1', { nightlyAt: '02:00' })).toBe('cron(0 2 * * ? *)')
  },
)

describe('an environment is loud', () => {
  const warningsOf = (more: object, told: object = {}) =>
    Annotations.fromStack(createStack({ ...imported, ...more }, [], { scheduledViews: [], ...told }))
      .findWarning('*', Match.stringLikeRegexp('^(nothing|nobody) '))
      .map(({ entry }) => String(entry.data).split(':')[0])
      .sort()

  test('if nothing refreshes its views, and if nobody is told', () => {
    expect(warningsOf({})).toEqual([])
    expect(warningsOf({ alarmEmails: [] })).toEqual(['nobody is told what goes wrong'])
    expect(warningsOf({ alarmEmails: [], schedules: false })).toEqual([
      'nobody is told what goes wrong',
      'nothing refreshes the views',
    ])
    for (const said of [{ nightly: false }, { nightly: false, viewSchedules: false }])
      expect(warningsOf(said)).toEqual(['nothing refreshes the views'])
    expect(warningsOf({ nightly: false }, { scheduledViews })).toEqual([])
  })

  test('and has no schedule for a batch where schedules are false', () => {
    const stack = withSchedules({ schedules: false })
    expect(names(stack).sort()).toEqual(['prune', 'send'])
  })
})

test('the nightly batch and the schedules of views are turned off each by itself', () => {
  const views = batchesOf(scheduledViews, scheduleName).map(({ name }) => name)
  expect(views).toHaveLength(2)
  const ours = ['prune', 'send']
  expect(names(withSchedules({ nightly: false })).sort()).toEqual([...ours, ...views].sort())
  expect(names(withSchedules({ viewSchedules: false })).sort()).toEqual([...ours, 'nightly'].sort())
})

test('the history is pruned once a day, and the monitor looks as often as it is told', () => {
  expect(schedule(kinds.created, 'prune')).toMatchObject({
    ScheduleExpression: 'cron(17 3 * * ? *)',
    ScheduleExpressionTimezone: 'Etc/UTC',
  })
  expect(schedule(kinds.created, 'send').ScheduleExpression).toBe('rate(1 minute)')
  const seldom = new Synthesized(createStack({ ...imported, monitorInterval: Duration.minutes(3) }))
  expect(schedule(seldom, 'send').ScheduleExpression).toBe('rate(3 minutes)')
})

describe('schedules that begin many batches at one moment', () => {
  const warningsOf = (times: ViewTimes[]) => {
    const stack = createStack(imported, [], {
      scheduledViews: times.map((each, at) => ({ view: `public.v${at}`, ...each })),
    })
    return Annotations.fromStack(stack)
      .findWarning('*', Match.stringLikeRegexp('begin a batch at one moment'))
      .map(({ entry }) => String(entry.data))
  }
  /** Ten schedules with a turn at 06:00 in Berlin: each has another one, too. */
  const at = (from: number, timeZone = 'Europe/Berlin') =>
    Array.from({ length: 10 }, (_, n) => ({ schedule: `0 ${from},${from + 1 + n} * * *`, timeZone }))

  test('are warned of, with the moment and both ways out', () => {
    expect(warningsOf(at(6))).toEqual([
      expect.stringMatching(
        /^10 schedules begin .*\(05:00 UTC\).*runs 10 at once.*the same schedule.*acknowledge/,
      ),
    ])
  })

  test('are not, if they share a schedule or begin at other moments', deep, () => {
    expect(
      warningsOf(Array.from({ length: 10 }, () => ({ schedule: '0 6 * * *', timeZone: 'Etc/UTC' }))),
    ).toEqual([])
    expect(warningsOf([...at(6).slice(5), ...at(6, 'America/New_York').slice(5)])).toEqual([])
  })
})
