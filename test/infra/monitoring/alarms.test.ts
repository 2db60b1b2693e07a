import { readFileSync } from 'node:fs'
import { Duration } from 'aws-cdk-lib'
import { describe, expect, test } from 'vitest'
import { metricDimensions, metricNames, metricNamespace } from '../../../src/api/lambda/aws-names.ts'
import { tellingOf } from '../../../src/watch/plan/hearers.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { alarmsOf, everyAlarm, nameOf, withEveryAlarm, withPager } from '../support/alarms.ts'
import { imported } from '../support/environments.ts'
import { createStack, functionNames, kinds, Synthesized } from '../support/synth.ts'

const stack = withEveryAlarm
const namesOf = (from: Synthesized) => alarmsOf(from).map(nameOf)
const alarm = (name: string, from: Synthesized = stack) =>
  from.one('AWS::CloudWatch::Alarm', ({ AlarmName }) => AlarmName === `viewkeeper-test-${name}`)[1].Properties
const docs = (page: string) => readFileSync(new URL(`../../../docs/${page}.md`, import.meta.url), 'utf8')
const all = everyAlarm()
/** An environment whose alarms go to a pager, too. */
const { paged, pager } = withPager()
const topic = (name: string, from: Synthesized = stack) =>
  from.one('AWS::SNS::Topic', ({ TopicName }) => TopicName === `viewkeeper-test-${name}`)[0]
/** To people, past every function. */
const toPeople = (from: Synthesized = stack) =>
  ['mail', 'notices'].map((name) => ({ Ref: topic(name, from) }))
const every = (minutes: number | false) =>
  new Synthesized(
    createStack({
      ...imported,
      ...(minutes === false ? { monitor: false } : { monitorInterval: Duration.minutes(minutes) }),
    }),
  )

const moments = ['api-errors', 'new-dead-letters']

test.each(all)('$AlarmName says what happened and what to do first', (properties) => {
  expect(properties).not.toHaveProperty('InsufficientDataActions')
  expect(properties.AlarmDescription).toMatch(
    /^[A-Z].+\. First: .+\. More: node_modules\/viewkeeper\/docs\/runbook\.md#[a-z-]+\.$/,
  )
  // CloudWatch's limit.
  expect(properties.AlarmDescription.length).toBeLessThanOrEqual(1024)
})

test.each(alarmsOf(stack))('$AlarmName is mailed past every function', (properties) => {
  const name = nameOf(properties)
  // Another alarm mails each dead letter.
  expect(properties.AlarmActions).toEqual(name === 'dead-letters' ? undefined : toPeople())
  expect(properties.OKActions).toEqual(moments.includes(name) ? undefined : toPeople())
})

describe('a pager', () => {
  test.each(alarmsOf(paged))('gets the begin and the end of $AlarmName', ({ AlarmActions, OKActions }) => {
    expect(AlarmActions).toContainEqual(pager)
    expect(OKActions).toContainEqual(pager)
  })

  test('gets one alarm for all incidents, which the monitor mails; it is there for pagers alone', () => {
    expect(alarm('incidents', paged)).toMatchObject({
      Namespace: metricNamespace,
      MetricName: metricNames.incidents,
      Statistic: 'Maximum',
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 1,
      // A silent monitor ends nothing.
      TreatMissingData: 'ignore',
      AlarmActions: [pager],
      OKActions: [pager],
    })
    const dimensions = alarm('incidents', paged).Dimensions as { Name: string; Value: string }[]
    expect(Object.fromEntries(dimensions.map(({ Name, Value }) => [Name, Value]))).toEqual(
      metricDimensions('test'),
    )
    const lasting = namesOf(paged).filter((name) => name !== 'incidents')
    expect(namesOf(stack)).toEqual(expect.arrayContaining(lasting))
    expect(namesOf(stack)).not.toContain('incidents')
  })
})

test.each(all)('$AlarmName has its place in the runbook', ({ AlarmDescription }) => {
  const place = /runbook\.md#(.+)\.$/.exec(AlarmDescription)?.[1]
  const headings = docs('runbook')
    .split('\n')
    .filter((line) => line.startsWith('### '))
  expect(
    headings.some((heading) => heading.slice(4).split(', ').includes(place!)),
    place,
  ).toBe(true)
})

test('no alarm asks for a metric that no look publishes', () => {
  const watched = all.filter(({ Namespace }) => Namespace === metricNamespace)
  const { incidents, waitingSeconds, viewsSetAside } = metricNames
  expect(new Set(watched.map(({ MetricName }) => MetricName))).toEqual(
    new Set([incidents, waitingSeconds, viewsSetAside]),
  )
})

describe('every failure reaches somebody', () => {
  const { created } = kinds
  const [queue] = created.one('AWS::SQS::Queue')
  const machineText = JSON.stringify(created.one('AWS::StepFunctions::StateMachine')[1].Properties)
  const isCalledByMachine = (name: string) => machineText.includes(created.fn(name)[0])
  const isCalledByApi = (name: string) =>
    created
      .resources('AWS::ApiGatewayV2::Integration')
      .some(([, { Properties }]) => JSON.stringify(Properties.IntegrationUri).includes(created.fn(name)[0]))
  const writesDeadLetters = (name: string) =>
    created
      .resources('AWS::Lambda::EventInvokeConfig')
      .some(
        ([, { Properties }]) =>
          Properties.FunctionName.Ref === created.fn(name)[0] &&
          Properties.DestinationConfig?.OnFailure.Destination['Fn::GetAtt'][0] === queue,
      )
  const isCalledBy = (caller: string, name: string) =>
    JSON.stringify(
      created.permissions(caller).filter(({ action }) => action === 'lambda:InvokeFunction'),
    ).includes(created.fn(name)[0])

  /** How somebody learns that a function fails, or is throttled, so often that its work is left undone. */
  const noticed: Record<string, [how: string, holds: (name: string) => boolean, alarm: string][]> = {
    create: [
      ['the API answers 5xx', isCalledByApi, 'api-errors'],
      ['its event becomes a dead letter', writesDeadLetters, 'new-dead-letters'],
    ],
    api: [['the API answers 5xx', isCalledByApi, 'api-errors']],
    batch: [
      ['the state machine gives up', isCalledByMachine, 'new-dead-letters'],
      ['start-batch answers 5xx', (name) => isCalledBy('start-batch', name), 'api-errors'],
    ],
    monitor: [['nothing is published', () => true, 'silent-monitor']],
    // What is refused waits, and the next call sends it: a dead letter for each minute would help nobody.
    send: [
      ['what waits becomes old', (name) => !writesDeadLetters(name), 'unsent-messages'],
      ['nobody calls the monitor', () => isCalledBy('send', 'monitor'), 'silent-monitor'],
    ],
    prune: [['its event becomes a dead letter', writesDeadLetters, 'new-dead-letters']],
  }
  noticed.refresh = noticed.drop = noticed.create!
  noticed['start-batch'] = noticed.api!
  const cases = Object.entries(noticed).flatMap(([name, ways]) => ways.map((way) => [name, ...way] as const))

  test.each(cases)('%s fails: %s', (name, _, holds, alarmName) => {
    expect(holds(name)).toBe(true)
    expect(alarm(alarmName, created).AlarmActions).toHaveLength(2)
  })

  test('no function is left out; who deploys, or calls migrate, sees that migrate fails', () => {
    expect([...Object.keys(noticed), 'migrate'].sort()).toEqual(functionNames)
    expect(isCalledByApi('migrate')).toBe(false)
  })

  test('each event of a schedule that cannot be delivered becomes a dead letter', () => {
    for (const [, { Properties }] of created.resources('AWS::Scheduler::Schedule'))
      expect(Properties.Target.DeadLetterConfig.Arn['Fn::GetAtt'][0]).toBe(queue)
  })
})

describe.each([
  [1, { period: 60, apart: 300, silence: 300 }],
  [2, { period: 120, apart: 300, silence: 300 }],
  [5, { period: 300, apart: 450, silence: 360 }],
  [30, { period: 1800, apart: 2700, silence: 1860 }],
  [60, { period: 3600, apart: 5400, silence: 3660 }],
])('a monitor that looks every %i minutes', (minutes, { period, apart, silence }) => {
  const looking = every(minutes)

  test('is called that often, and a call that is late by that much is given up', () => {
    const [, { Properties }] = looking.one('AWS::Scheduler::Schedule', ({ Name }) => Name === 'test-send')
    expect(Properties.ScheduleExpression).toBe(minutes === 1 ? 'rate(1 minute)' : `rate(${minutes} minutes)`)
    expect(Properties.Target.RetryPolicy.MaximumEventAgeInSeconds).toBe(minutes * 60)
  })

  test('is called again after a failure if the next look is far', () => {
    const send = looking.fn('send')[0]
    const [, config] = looking.one(
      'AWS::Lambda::EventInvokeConfig',
      ({ FunctionName }) => FunctionName.Ref === send,
    )
    expect(config.Properties.MaximumRetryAttempts).toBe(minutes < 5 ? 0 : 2)
  })

  test('tells of several views at once', () => {
    const { Environment } = looking.fn('monitor')[1].Properties
    const { MONITOR_EVERY_MINUTES } = Environment.Variables
    expect(tellingOf(24, JSON.parse(MONITOR_EVERY_MINUTES)).apartSeconds).toBe(apart)
  })

  test('is silent if it has published nothing in two periods, each longer than its interval', () => {
    expect(alarm('silent-monitor', looking)).toMatchObject({
      Namespace: metricNamespace,
      MetricName: metricNames.viewsSetAside,
      Statistic: 'SampleCount',
      ComparisonOperator: 'LessThanThreshold',
      Threshold: 1,
      Period: silence,
      EvaluationPeriods: 2,
      TreatMissingData: 'breaching',
    })
    // Scheduler may be a minute late.
    expect(silence).toBeGreaterThanOrEqual(period + 60)
  })

  test('is not silent before its first look, because the deploy publishes once, and is silent when the looks end', () => {
    const { Period, EvaluationPeriods, Threshold } = alarm('silent-monitor', looking)
    /** Whether the alarm is on at a minute after the migration of the first deploy; missing numbers are none. */
    const isOn = (at: number, published: number[]) =>
      Array.from({ length: EvaluationPeriods }, (_, back) => at - (back * Period) / 60).every(
        (end) => published.filter((each) => each > end - Period / 60 && each <= end).length < Threshold,
      )
    const looks = Array.from({ length: 9 }, (_, at) => (at + 1) * minutes + 1)
    const last = looks.at(-1) as number
    const onAt = (published: number[]) =>
      Array.from({ length: last + 1 }, (_, at) => at).filter((at) => at > 0 && isOn(at, published))
    expect(onAt([0, ...looks])).toEqual([])
    expect(onAt(looks)).toContain(1)
    expect(isOn(last + (2 * Period) / 60, looks)).toBe(true)
  })
})

describe('without a monitor', () => {
  const alone = every(false)

  test('nobody has it look, and there are only the alarms of what AWS publishes, and of events that are not sent', () => {
    const [, { Properties }] = alone.one('AWS::Scheduler::Schedule', ({ Name }) => Name === 'test-send')
    expect(JSON.parse(Properties.Target.Input)).toMatchObject({ look: false })
    expect(namesOf(alone)).toEqual(expect.arrayContaining(['api-errors', 'dead-letters', 'failed-batches']))
    const own = alarmsOf(alone).filter(({ Namespace }) => !Namespace.startsWith('AWS/'))
    expect(own.map(nameOf)).toEqual(['unsent-messages'])
  })

  test('nobody else mails that a batch has failed, so its alarm does', () => {
    expect(alarm('failed-batches', alone).AlarmActions).toEqual(toPeople(alone))
  })

  test('the function is there, and may be called by hand', () => {
    expect(alone.fn('monitor')[1].Properties.Environment.Variables.MONITOR_EVERY_MINUTES).toBe('false')
  })
})

test('the silence of a new monitor is no alarm: the alarm is made after the schedule', () => {
  const [schedule] = stack.one('AWS::Scheduler::Schedule', ({ Name }) => Name === 'test-send')
  const [, silent] = stack.one('AWS::CloudWatch::Alarm', (p) => p.AlarmName.endsWith('silent-monitor'))
  expect(silent.DependsOn).toContain(schedule)
})

test('reminders are a field: once a day, at another interval, or never', deep, () => {
  const remind = (options: object) =>
    new Synthesized(createStack({ ...imported, ...options })).fn('monitor')[1].Properties.Environment
      .Variables.REMIND_EVERY_HOURS
  expect([{}, { reminderInterval: Duration.hours(4) }, { reminders: false }].map(remind)).toEqual([
    '24',
    '4',
    'false',
  ])
})

test('a batch that fails is an alarm, if no monitor finds it', () => {
  const alone = every(false)
  expect(namesOf(stack)).not.toContain('failed-batches')
  expect(alarm('failed-batches', alone)).toMatchObject({
    Namespace: 'AWS/States',
    MetricName: 'ExecutionsFailed',
    Dimensions: [
      { Name: 'StateMachineArn', Value: { Ref: alone.one('AWS::StepFunctions::StateMachine')[0] } },
    ],
    Statistic: 'Sum',
    Period: 300,
    EvaluationPeriods: 1,
    Threshold: 1,
    TreatMissingData: 'notBreaching',
  })
})

test('each new dead letter is an alarm, and the empty queue is a mail', () => {
  const [queue] = stack.one('AWS::SQS::Queue')
  const ofQueue = {
    Namespace: 'AWS/SQS',
    Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [queue, 'QueueName'] } }],
    Period: 300,
    Threshold: 1,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
  }
  expect(alarm('new-dead-letters')).toMatchObject({
    ...ofQueue,
    MetricName: 'NumberOfMessagesSent',
    Statistic: 'Sum',
    // The numbers of a queue that was idle come up to 15 minutes late.
    EvaluationPeriods: 4,
    DatapointsToAlarm: 1,
    TreatMissingData: 'notBreaching',
  })
  expect(alarm('dead-letters')).toMatchObject({
    ...ofQueue,
    MetricName: 'ApproximateNumberOfMessagesVisible',
    Statistic: 'Maximum',
    EvaluationPeriods: 1,
    TreatMissingData: 'ignore',
  })
})

eachCase(
  [
    [1, 300],
    [5, 600],
    [30, 3600],
    [false as const, 300],
  ],
  { quick: 1 },
)(
  'what waits for ten minutes is an alarm that CloudWatch mails, with a monitor that looks every %s minutes',
  (minutes, seconds) => {
    const looking = every(minutes)
    const people = toPeople(looking)
    expect(alarm('unsent-messages', looking)).toMatchObject({
      Namespace: metricNamespace,
      MetricName: 'WaitingSeconds',
      // What a first look after an outage finds, and sends, is no alarm.
      Statistic: 'Minimum',
      Period: seconds,
      // Without a monitor, no other alarm hears that nobody looks any more.
      EvaluationPeriods: minutes ? 1 : 2,
      Threshold: 600,
      TreatMissingData: minutes ? 'notBreaching' : 'breaching',
      AlarmActions: people,
      OKActions: people,
    })
  },
)

test('an answer that is an error of the server is an alarm, though the function that gave it has not failed', () => {
  expect(alarm('api-errors')).toMatchObject({
    Namespace: 'AWS/ApiGateway',
    MetricName: '5xx',
    Dimensions: [{ Name: 'ApiId', Value: { Ref: stack.one('AWS::ApiGatewayV2::Api')[0] } }],
    Statistic: 'Sum',
    Period: 300,
    Threshold: 1,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    TreatMissingData: 'notBreaching',
  })
})

describe('the way of an alarm to people', () => {
  const subscriptions = stack.resources('AWS::SNS::Subscription').map(([, resource]) => resource.Properties)

  test.each(['mail', 'notices'])('alarms may publish to %s, nobody without TLS', (name) => {
    const [id, { Properties }] = stack.one(
      'AWS::SNS::Topic',
      ({ TopicName }) => TopicName === `viewkeeper-test-${name}`,
    )
    // With the key that AWS manages, alarms would not arrive.
    expect(Properties).not.toHaveProperty('KmsMasterKeyId')
    const [, policy] = stack.one('AWS::SNS::TopicPolicy', ({ Topics }) => Topics[0].Ref === id)
    expect(policy.Properties.PolicyDocument.Statement).toContainEqual({
      Sid: 'AlarmsPublish',
      Effect: 'Allow',
      Principal: { Service: 'cloudwatch.amazonaws.com' },
      Action: 'sns:Publish',
      Resource: { Ref: id },
      Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
    })
    expect(policy.Properties.PolicyDocument.Statement).toContainEqual(
      expect.objectContaining({
        Effect: 'Deny',
        Action: 'sns:Publish',
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      }),
    )
  })

  test('the addresses get what is mailed to people, and nothing else', () => {
    const mailed = subscriptions.filter(({ Protocol }) => Protocol === 'email')
    expect(mailed.map(({ Endpoint }) => Endpoint).sort()).toEqual(['one@example.com', 'two@example.com'])
    for (const { TopicArn } of mailed) expect(TopicArn).toEqual({ Ref: topic('mail') })
  })

  test('is there before the first alarm is made', () => {
    const way = ['AWS::SNS::Subscription', 'AWS::SNS::TopicPolicy'].flatMap((type) =>
      stack.resources(type).map(([id]) => id),
    )
    expect(way.length).toBeGreaterThan(2)
    for (const [id, { DependsOn = [] }] of stack.resources('AWS::CloudWatch::Alarm'))
      expect(DependsOn, id).toEqual(expect.arrayContaining(way))
  })
})
