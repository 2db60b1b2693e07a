import { CfnParameter, Stack } from 'aws-cdk-lib'
import { EventBus } from 'aws-cdk-lib/aws-events'
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets'
import { Queue } from 'aws-cdk-lib/aws-sqs'
import { expect, test } from 'vitest'
import { Viewkeeper } from '../../../infra/viewkeeper.ts'
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

test.each([
  ['onViewFailed', ['ViewFailed']],
  ['onBatchEnded', ['BatchEnded']],
  ['onIncidentOpened', ['IncidentOpened']],
  ['onIncidentChanged', ['IncidentChanged']],
  ['onIncidentResolved', ['IncidentResolved']],
  [
    'onEvent',
    ['ViewRefreshed', 'ViewFailed', 'BatchEnded', 'IncidentOpened', 'IncidentChanged', 'IncidentResolved'],
  ],
] as const)('%s takes %j of every view', (name, types) => {
  const { stack, views } = make()
  views[name]('Rule', { eventPattern: { detail: { kinds: ['stale'] } } })
  expect(patternOf(new Synthesized(stack)).EventPattern).toEqual({
    source: ['viewkeeper'],
    'detail-type': types,
    detail: { environment: ['test'], kinds: ['stale'] },
  })
})

test('nothing is sent before the rules of the construct are there, so a first deploy loses them no event', () => {
  const { stack, views } = make()
  const elsewhere = new Stack(stack.node.root, 'Elsewhere')
  views.onEvent('Early', { target: new SqsQueue(new Queue(stack, 'Exports')) })
  views.onEvent('Other', { crossStackScope: elsewhere })
  const own = new Synthesized(stack)
  const [rule] = own.one('AWS::Events::Rule')
  const policy = own.resources('AWS::SQS::QueuePolicy').find(([id]) => id.startsWith('Exports'))![0]
  for (const [, { DependsOn }] of filtersOf(own, 'send'))
    expect(DependsOn).toEqual(expect.arrayContaining([rule, policy]))
  expect(new Synthesized(elsewhere).resources('AWS::Events::Rule')).toHaveLength(1)
})

test('a target in another stack, which needs the stack of the views, makes no circle', () => {
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
  for (const [, { DependsOn }] of filtersOf(own, 'send'))
    expect(DependsOn).toEqual(expect.arrayContaining([rule]))
  expect(new Synthesized(elsewhere).resources('AWS::SQS::QueuePolicy')).toHaveLength(1)
})

test('another bus gets the events; another app finds it by the parameter of the environment', () => {
  const { stack, vpc } = ownStack()
  const bus = new EventBus(stack, 'Bus')
  const views = viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc }, { eventBus: bus.eventBusName })
  views.onEvent('All')
  const own = new Synthesized(stack)
  const [busId] = own.one('AWS::Events::EventBus')
  expect(patternOf(own).EventBusName).toEqual({ Ref: busId })
  expect(own.fn('send')[1].Properties.Environment.Variables.EVENT_BUS).toEqual({ Ref: busId })
  expect(JSON.stringify(own.permissions('send'))).toContain(busId)

  const elsewhere = new Stack()
  Viewkeeper.fromEnvironmentName(elsewhere, 'Views', 'test').onViewRefreshed('Export')
  expect(JSON.stringify(patternOf(new Synthesized(elsewhere)).EventBusName)).toContain('eventBus')
})

test('a bus of the app may be named by its ARN; what may be a name or an ARN is refused', () => {
  const { stack, vpc } = ownStack()
  const bus = new EventBus(stack, 'Bus')
  const database = { database: instanceIn(stack, vpc), vpc }
  viewkeeperOn(stack, database, { eventBus: bus.eventBusArn }).onEvent('All')
  const own = new Synthesized(stack)
  const [busId] = own.one('AWS::Events::EventBus')
  const put = own.permissions('send').find(({ action }) => action === 'events:PutEvents')
  expect(put).toMatchObject({ resource: { 'Fn::GetAtt': [busId, 'Arn'] } })

  const other = ownStack()
  const parameter = new CfnParameter(other.stack, 'Which')
  const unknown = { eventBus: parameter.valueAsString }
  expect(() =>
    viewkeeperOn(other.stack, { database: instanceIn(other.stack, other.vpc), vpc: other.vpc }, unknown),
  ).toThrow(/eventBus: nobody knows before the deploy whether this is a name or an ARN/)
})

test('a rule may have any id', () => {
  const { stack, views } = make()
  for (const id of ['Notices', 'Functions', 'Events']) views.onEvent(id)
  expect(new Synthesized(stack).resources('AWS::Events::Rule')).toHaveLength(3)
})

/** The filters for whose lines CloudWatch Logs calls a function. */
const filtersOf = (own: Synthesized, name: string) => {
  const [id] = own.fn(name)
  return own
    .resources('AWS::Logs::SubscriptionFilter')
    .filter(([, { Properties }]) => Properties.DestinationArn['Fn::GetAtt'][0] === id)
}

const both = '{ $.message = "news waits" || $.message = "refreshes are due" }'

test('the log group of the monitor has one filter, so one is left to the user: send has start-batch start what is due', () => {
  const own = new Synthesized(make({ schedules: { views: true } }).stack)
  const ofMonitor = own
    .resources('AWS::Logs::SubscriptionFilter')
    .filter(([, { Properties }]) => JSON.stringify(Properties.LogGroupName).includes('TestMonitor'))
  const [send, { Properties }] = own.fn('send')
  const [startBatch] = own.fn('start-batch')
  expect(ofMonitor.map(([, filter]) => filter.Properties)).toMatchObject([
    { FilterPattern: both, DestinationArn: { 'Fn::GetAtt': [send, 'Arn'] } },
  ])
  expect(Properties.Environment.Variables.START_BATCH_FUNCTION).toEqual({ Ref: startBatch })
  expect(own.permissions('send')).toContainEqual({
    action: 'lambda:InvokeFunction',
    resource: { 'Fn::GetAtt': [startBatch, 'Arn'] },
  })
  for (const name of ['monitor', 'batch'])
    expect(own.fn(name)[1].Properties.Environment.Variables).toMatchObject({
      SCHEDULES: expect.stringContaining('"views":true'),
      MONITOR_EVERY_MINUTES: '1',
      BATCH_CONCURRENCY: '2',
    })
})

test('if no view is refreshed by its definition, nobody starts what is due', () => {
  for (const more of [{ schedules: { views: false } }, { monitorEvery: false }] as const) {
    const without = new Synthesized(make(more).stack)
    const patterns = filtersOf(without, 'send').map(([, { Properties }]) => Properties.FilterPattern)
    expect([...new Set(patterns)]).toEqual(['{ $.message = "news waits" }'])
    expect(without.fn('send')[1].Properties.Environment.Variables).not.toHaveProperty('START_BATCH_FUNCTION')
  }
})

test('a function that sees an end writes a line to its log, for which CloudWatch Logs may call send', () => {
  const { stack } = make()
  const own = new Synthesized(stack)
  const filters = filtersOf(own, 'send')
  const groups = filters.map(
    ([, { Properties }]) => own.template.findResources('AWS::Logs::LogGroup')[Properties.LogGroupName.Ref]!,
  )
  expect(groups.map(({ Properties }) => Properties.LogGroupName.split('/').at(-1)).sort()).toEqual([
    'api',
    'batch',
    'create',
    'drop',
    'migrate',
    'monitor',
    'refresh',
  ])
  const [send] = own.fn('send')
  for (const [, { Properties }] of filters)
    expect(Properties).toMatchObject({
      FilterPattern: JSON.stringify(Properties.LogGroupName).includes('TestMonitor')
        ? both
        : '{ $.message = "news waits" }',
      DestinationArn: { 'Fn::GetAtt': [send, 'Arn'] },
    })
  const [permission, { Properties }] = own.one(
    'AWS::Lambda::Permission',
    ({ Principal, FunctionName }) =>
      Principal === 'logs.amazonaws.com' && FunctionName['Fn::GetAtt'][0] === send,
  )
  expect(JSON.stringify(Properties.SourceArn)).toContain(':log-group:/viewkeeper/test/*')
  for (const [, { DependsOn }] of filters) expect(DependsOn).toContain(permission)
  for (const name of ['batch', 'refresh', 'monitor'])
    expect(own.fn(name)[1].Properties.Environment.Variables.EVENT_BUS).toBe('default')
})

test('without events only the monitor has send called, for people and what is due, and a rule is refused', () => {
  const { stack, views } = make({ schedules: { views: true }, eventBus: false })
  expect(() => views.onViewFailed('Chat')).toThrow(
    /eventBus: is false, so there are no events for the rule Chat/,
  )
  const own = new Synthesized(stack)
  const [ofMonitor, ...others] = filtersOf(own, 'send')
  expect(others).toEqual([])
  const { Properties } = ofMonitor![1]
  expect(Properties.FilterPattern).toBe(both)
  expect(JSON.stringify(Properties.LogGroupName)).toContain('TestMonitor')
  expect(own.permissions('send').filter(({ action }) => action === 'events:PutEvents')).toEqual([])
  expect(own.fn('monitor')[1].Properties.Environment.Variables.EVENT_BUS).toBe('false')
})
