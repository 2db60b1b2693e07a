import { Stack } from 'aws-cdk-lib'
import { EventBus } from 'aws-cdk-lib/aws-events'
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets'
import { Queue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { expect, test } from 'vitest'
import { Viewkeeper } from '../../../infra/viewkeeper.ts'
import { addressKeys } from '../../../src/api/lambda/aws-names.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { instanceIn, ownStack, viewkeeperOn } from '../support/own-app.ts'
import { Synthesized } from '../support/synth.ts'

const make = (more: Parameters<typeof viewkeeperOn>[2] = {}) => {
  const { stack, vpc } = ownStack()
  const views = viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc }, more)
  return { stack, views }
}
const patternOf = (synthesized: Synthesized) => synthesized.one('AWS::Events::Rule')[1].Properties

test('a rule takes the events of this environment, of this type and of these views, however the server quotes them', () => {
  const { stack, views } = make()
  const target = new SqsQueue(new Queue(stack, 'Queue'))
  views.onViewRefreshed('Export', { views: ['Sales', 'app."Odd"'], target })
  const { EventPattern, Targets, EventBusName } = patternOf(new Synthesized(stack))
  expect(EventPattern).toEqual({
    source: ['viewkeeper'],
    'detail-type': ['ViewRefreshed'],
    detail: {
      environment: ['test'],
      view: [
        'public.sales',
        'public."sales"',
        '"public".sales',
        '"public"."sales"',
        'app."Odd"',
        '"app"."Odd"',
      ],
    },
  })
  expect(Targets).toHaveLength(1)
  expect(EventBusName).toBe('default')
})

eachCase(
  [
    ['onViewFailed', ['ViewFailed']],
    ['onBatchEnded', ['BatchEnded']],
    ['onIncidentOpened', ['IncidentOpened']],
    ['onIncidentChanged', ['IncidentChanged']],
    ['onIncidentResolved', ['IncidentResolved']],
    [
      'onEvent',
      ['ViewRefreshed', 'ViewFailed', 'BatchEnded', 'IncidentOpened', 'IncidentChanged', 'IncidentResolved'],
    ],
  ] as const,
  { quick: 1 },
)('%s takes %j of every view', (name, types) => {
  const { stack, views } = make()
  views[name]('Rule', { eventPattern: { detail: { kinds: ['stale'] } } })
  expect(patternOf(new Synthesized(stack)).EventPattern).toEqual({
    source: ['viewkeeper'],
    'detail-type': types,
    detail: { environment: ['test'], kinds: ['stale'] },
  })
})

/** The schedule that has everything sent. */
const scheduleOf = (own: Synthesized) =>
  own.one('AWS::Scheduler::Schedule', ({ Name }) => Name === 'test-send')[1]

test('nothing is sent before the rules of the construct are there, so a first deploy loses them no event', () => {
  const { stack, views } = make()
  const elsewhere = new Stack(stack.node.root, 'Elsewhere')
  views.onEvent('Early', { target: new SqsQueue(new Queue(stack, 'Exports')) })
  views.onEvent('Other', { crossStackScope: elsewhere })
  const own = new Synthesized(stack)
  const [rule] = own.one('AWS::Events::Rule')
  const policy = own.resources('AWS::SQS::QueuePolicy').find(([id]) => id.startsWith('Exports'))![0]
  expect(scheduleOf(own).DependsOn).toEqual(expect.arrayContaining([rule, policy]))
  expect(new Synthesized(elsewhere).resources('AWS::Events::Rule')).toHaveLength(1)
})

test('a target in another stack, which needs the stack of the views, makes no circle', deep, () => {
  const account = '1'.repeat(12)
  const { stack, vpc } = ownStack({ env: { account, region: 'eu-west-1' } })
  const views = viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc })
  const elsewhere = new Stack(stack.node.root, 'Elsewhere', { env: { account, region: 'eu-north-1' } })
  elsewhere.addStackDependency(stack)
  views.onEvent('All', {
    ruleName: 'all',
    target: new SqsQueue(new Queue(elsewhere, 'Exports', { queueName: 'exports' })),
  })
  const own = new Synthesized(stack)
  const rule = own.one('AWS::Events::Rule')[0]
  expect(scheduleOf(own).DependsOn).toEqual(expect.arrayContaining([rule]))
  expect(new Synthesized(elsewhere).resources('AWS::SQS::QueuePolicy')).toHaveLength(1)
})

test('another bus gets the events; another app finds it by the parameter of the environment', () => {
  const { stack, vpc } = ownStack()
  const bus = new EventBus(stack, 'Bus')
  const views = viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc }, { eventBus: bus })
  views.onEvent('All')
  const own = new Synthesized(stack)
  const [busId] = own.one('AWS::Events::EventBus')
  expect(patternOf(own).EventBusName).toEqual({ Ref: busId })
  const arn = { 'Fn::GetAtt': [busId, 'Arn'] }
  expect(own.fn('send')[1].Properties.Environment.Variables.EVENT_BUS).toEqual(arn)
  const put = own.permissions('send').find(({ action }) => action === 'events:PutEvents')
  expect(put).toMatchObject({ resource: arn })

  const elsewhere = new Stack()
  Viewkeeper.fromEnvironmentName(elsewhere, 'Views', 'test').onViewRefreshed('Export')
  expect(patternOf(new Synthesized(elsewhere)).EventBusName).toEqual({
    'Fn::Select': [addressKeys.indexOf('eventBus'), { Ref: expect.stringContaining('SsmParameterValue') }],
  })
})

test('a bus of another account may be given; without events none may', () => {
  const { stack, vpc } = ownStack()
  const arn = 'arn:aws:events:eu-central-1:210987654321:event-bus/all'
  const eventBus = EventBus.fromEventBusArn(stack, 'Bus', arn)
  const database = { database: instanceIn(stack, vpc), vpc }
  expect(() => viewkeeperOn(stack, database, { eventBus, events: false })).toThrow(
    'eventBus: must be left out with events: false',
  )
  viewkeeperOn(new Construct(stack, 'Views'), database, { eventBus })
  const own = new Synthesized(stack)
  expect(own.fn('send')[1].Properties.Environment.Variables.EVENT_BUS).toBe(arn)
})

test('a rule may have any id', () => {
  const { stack, views } = make()
  for (const id of ['Notices', 'Functions', 'Events']) views.onEvent(id)
  expect(new Synthesized(stack).resources('AWS::Events::Rule')).toHaveLength(3)
})

test('the schedule calls send, which calls the monitor and, for what is due, start-batch: no log leads to a function', () => {
  const own = new Synthesized(make().stack)
  const [send, { Properties }] = own.fn('send')
  const { Variables } = Properties.Environment
  for (const [name, variable] of [
    ['monitor', 'MONITOR_FUNCTION'],
    ['start-batch', 'START_BATCH_FUNCTION'],
  ] as const) {
    const [called] = own.fn(name)
    expect(Variables[variable]).toEqual({ Ref: called })
    expect(own.permissions('send')).toContainEqual({
      action: 'lambda:InvokeFunction',
      resource: { 'Fn::GetAtt': [called, 'Arn'] },
    })
  }
  const { Target } = scheduleOf(own).Properties
  expect(Target.Arn).toEqual({ 'Fn::GetAtt': [send, 'Arn'] })
  expect(JSON.parse(Target.Input)).toMatchObject({ look: true })
  expect(own.resources('AWS::Logs::SubscriptionFilter')).toEqual([])
  const callers = own.resources('AWS::Lambda::Permission').map(([, each]) => each.Properties.Principal)
  expect(callers).not.toContain('logs.amazonaws.com')
  for (const name of ['monitor', 'batch'])
    expect(own.fn(name)[1].Properties.Environment.Variables).toMatchObject({
      SCHEDULES: expect.stringContaining('"views":true'),
      MONITOR_EVERY_MINUTES: '1',
      BATCH_CONCURRENCY: '2',
    })
})

test('if no view is refreshed by its definition, nobody starts what is due', deep, () => {
  for (const more of [{ viewSchedules: false }, { monitor: false }] as const) {
    const { Variables } = new Synthesized(make(more).stack).fn('send')[1].Properties.Environment
    expect(Variables).not.toHaveProperty('START_BATCH_FUNCTION')
  }
})

test(
  'without a monitor events are sent each minute all the same; without events, too, nothing is called',
  deep,
  () => {
    const calls = (more: object) =>
      new Synthesized(make({ monitor: false, ...more }).stack)
        .resources('AWS::Scheduler::Schedule')
        .filter(([, { Properties }]) => Properties.Name === 'test-send')
        .map(([, { Properties }]) => [
          Properties.ScheduleExpression,
          JSON.parse(Properties.Target.Input).look,
        ])
    expect(calls({})).toEqual([['rate(1 minute)', false]])
    expect(calls({ events: false })).toEqual([])
  },
)

test('without events no bus is written, and a rule is refused', () => {
  const { stack, views } = make({ events: false })
  expect(() => views.onViewFailed('Chat')).toThrow(/events: is false, so there are none for the rule Chat/)
  const own = new Synthesized(stack)
  expect(own.permissions('send').filter(({ action }) => action === 'events:PutEvents')).toEqual([])
  expect(own.fn('monitor')[1].Properties.Environment.Variables.EVENT_BUS).toBe('false')
})
