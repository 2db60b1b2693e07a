import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { metricDimensions, metricNames, metricNamespace } from '../../../src/edge/metrics/names.ts'
import { functionNames, kinds } from '../support/synth.ts'

const stack = kinds.created
const alarm = (name: string) =>
  stack.one('AWS::CloudWatch::Alarm', ({ AlarmName }) => AlarmName === `viewkeeper-test-${name}`)[1]
    .Properties
const runbook = readFileSync(new URL('../../../docs/runbook.md', import.meta.url), 'utf8')
const all = stack.resources('AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties)

test.each(all)('$AlarmName goes to the topic, and says what happened and what to do first', (properties) => {
  expect(properties.AlarmActions).toEqual([{ Ref: stack.one('AWS::SNS::Topic')[0] }])
  expect(properties.AlarmDescription).toMatch(/^[A-Z].+\. First: .+\. More: docs\/runbook\.md, [a-z-]+\.$/)
})

test.each(all)('$AlarmName has its place in the runbook', ({ AlarmDescription }) => {
  const place = /runbook\.md, (.+)\.$/.exec(AlarmDescription)?.[1]
  const headings = runbook.split('\n').filter((line) => line.startsWith('### '))
  expect(
    headings.some((heading) => heading.slice(4).split(', ').includes(place!)),
    place,
  ).toBe(true)
})

test('each metric that the monitor publishes as bad news has its alarm', () => {
  const watched = all
    .filter(({ Namespace }) => Namespace === metricNamespace)
    .map(({ MetricName }) => MetricName)
  const { runsSucceeded: _, ...bad } = metricNames
  expect(watched.toSorted()).toEqual(Object.values(bad).toSorted())
})

test('views that are stale are an alarm, and so is that nobody looks', () => {
  const { Namespace, MetricName, Statistic, TreatMissingData, EvaluationPeriods } = alarm('stale-views')
  expect({ Namespace, MetricName, Statistic, TreatMissingData, EvaluationPeriods }).toEqual({
    Namespace: metricNamespace,
    MetricName: metricNames.viewsStale,
    Statistic: 'Maximum',
    TreatMissingData: 'breaching',
    EvaluationPeriods: 2,
  })
})

test.each([
  ['failed-runs', metricNames.runsFailed],
  ['lost-runs', metricNames.runsLost],
  ['slow-runs', metricNames.runsSlow],
  ['lost-batches', metricNames.batchesLost],
])('%s looks at the metric that the monitor publishes', (name, metric) => {
  const { Namespace, MetricName, Dimensions, Statistic, Threshold, TreatMissingData } = alarm(name)
  expect({ Namespace, MetricName, Statistic, Threshold, TreatMissingData }).toEqual({
    Namespace: metricNamespace,
    MetricName: metric,
    Statistic: 'Sum',
    Threshold: 1,
    TreatMissingData: 'notBreaching',
  })
  const dimensions = Dimensions.map(({ Name, Value }: { Name: string; Value: string }) => [Name, Value])
  expect(Object.fromEntries(dimensions)).toEqual(metricDimensions('test'))
})

describe.each(functionNames)('%s', (name) => {
  test.each([
    ['errors', 'Errors'],
    ['throttles', 'Throttles'],
  ])('its %s alarm', (kind, metric) => {
    expect(alarm(`${name}-${kind}`)).toMatchObject({
      Namespace: 'AWS/Lambda',
      MetricName: metric,
      Dimensions: [{ Name: 'FunctionName', Value: { Ref: stack.fn(name)[0] } }],
      Statistic: 'Sum',
      Threshold: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    })
  })
})

test('a monitor that is not called at all is an alarm; the silence of another function is not', () => {
  expect(alarm('monitor-errors').TreatMissingData).toBe('breaching')
  expect(alarm('refresh-errors').TreatMissingData).toBe('notBreaching')
  expect([alarm('monitor-errors').EvaluationPeriods, alarm('refresh-errors').EvaluationPeriods]).toEqual([
    2, 1,
  ])
  const [schedule] = stack.one('AWS::Scheduler::Schedule', ({ Name }) => Name === 'monitor')
  expect(
    stack.one('AWS::CloudWatch::Alarm', (p) => p.AlarmName.endsWith('monitor-errors'))[1].DependsOn,
  ).toContain(schedule)
})

test.each([
  ['failed-batches', 'ExecutionsFailed'],
  ['timed-out-batches', 'ExecutionsTimedOut'],
  ['aborted-batches', 'ExecutionsAborted'],
])('%s looks at the executions of batches', (name, metric) => {
  expect(alarm(name)).toMatchObject({
    Namespace: 'AWS/States',
    MetricName: metric,
    Dimensions: [
      { Name: 'StateMachineArn', Value: { Ref: stack.one('AWS::StepFunctions::StateMachine')[0] } },
    ],
    Statistic: 'Sum',
    Threshold: 1,
    TreatMissingData: 'notBreaching',
  })
})

test('a dead letter is an alarm', () => {
  const [queue] = stack.one('AWS::SQS::Queue')
  expect(alarm('dead-letters')).toMatchObject({
    Namespace: 'AWS/SQS',
    MetricName: 'ApproximateNumberOfMessagesVisible',
    Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [queue, 'QueueName'] } }],
    Statistic: 'Maximum',
    Threshold: 1,
  })
})

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

test('alarms may publish to the topic, and every address is subscribed', () => {
  const [topic, { Properties }] = stack.one('AWS::SNS::Topic')
  // With the key that AWS manages, alarms would not arrive.
  expect(Properties).not.toHaveProperty('KmsMasterKeyId')
  const [, policy] = stack.one('AWS::SNS::TopicPolicy')
  expect(policy.Properties.PolicyDocument.Statement).toContainEqual({
    Sid: 'AlarmsPublish',
    Effect: 'Allow',
    Principal: { Service: 'cloudwatch.amazonaws.com' },
    Action: 'sns:Publish',
    Resource: { Ref: topic },
    Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
  })
  const subscribed = stack.resources('AWS::SNS::Subscription').map(([, resource]) => resource.Properties)
  expect(subscribed.map(({ Endpoint, Protocol }) => `${Protocol}:${Endpoint}`).sort()).toEqual([
    'email:one@example.com',
    'email:two@example.com',
  ])
})
