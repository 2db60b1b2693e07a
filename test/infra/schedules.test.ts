import { describe, expect, test } from 'vitest'
import { kinds, type Synthesized } from './synth.ts'

const schedule = (stack: Synthesized, name: string) =>
  stack.one('AWS::Scheduler::Schedule', ({ Name }) => Name === name)[1].Properties

describe.each(Object.entries(kinds))('%s', (_, stack) => {
  const schedules = stack.resources('AWS::Scheduler::Schedule').map(([, { Properties }]) => Properties)

  test('every schedule states zone, retries and dead-letter queue, in the group of its environment', () => {
    const [queue] = stack.one('AWS::SQS::Queue')
    for (const properties of schedules)
      expect(properties).toMatchObject({
        GroupName: 'viewkeeper-test',
        ScheduleExpressionTimezone: 'Etc/UTC',
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

  test('the monitor is called every minute', () => {
    const { ScheduleExpression, Target } = schedule(stack, 'monitor')
    expect(ScheduleExpression).toBe('rate(1 minute)')
    expect(Target.Arn).toEqual({ 'Fn::GetAtt': [stack.fn('monitor')[0], 'Arn'] })
    expect(JSON.parse(Target.Input)).toEqual({ trigger: 'schedule', schedule: 'monitor' })
  })

  test('the role of a schedule may call its function and write its dead letters, for this group only', () => {
    for (const { Target } of schedules) {
      const [, role] = stack
        .resources('AWS::IAM::Role')
        .find(([id]) => id === Target.RoleArn['Fn::GetAtt'][0])!
      const [{ Condition }] = role.Properties.AssumeRolePolicyDocument.Statement
      expect(Condition.StringEquals['aws:SourceArn']['Fn::GetAtt'][0]).toMatch(/^SchedulesGroup/)
      const [{ PolicyDocument }] = role.Properties.Policies
      expect(PolicyDocument.Statement).toMatchObject([
        { Action: 'lambda:InvokeFunction', Resource: Target.Arn },
        { Action: 'sqs:SendMessage', Resource: Target.DeadLetterConfig.Arn },
      ])
    }
  })
})

test('a trial schedule refreshes its view, told by name and scheduled time', () => {
  const { ScheduleExpression, Target } = schedule(kinds.throwaway, 'trial')
  expect(ScheduleExpression).toBe('rate(5 minutes)')
  expect(Target.Arn).toEqual({ 'Fn::GetAtt': [kinds.throwaway.fn('refresh')[0], 'Arn'] })
  expect(JSON.parse(Target.Input)).toEqual({
    trigger: 'schedule',
    schedule: 'trial',
    scheduledTime: '<aws.scheduler.scheduled-time>',
    view: 'public.sales',
    rowCountStrategy: 'exact',
  })
  expect(kinds.throwaway.template.findOutputs('TrialSchedule')).not.toEqual({})
})

test('without one, nothing is refreshed by schedule', () => {
  expect(kinds.created.resources('AWS::Scheduler::Schedule')).toHaveLength(1)
  expect(kinds.created.template.findOutputs('TrialSchedule')).toEqual({})
})
