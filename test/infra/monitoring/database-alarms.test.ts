import { App } from 'aws-cdk-lib'
import { Annotations, Match } from 'aws-cdk-lib/assertions'
import { expect, test } from 'vitest'
import { ViewkeeperStack } from '../../../infra/viewkeeper-stack.ts'
import { created, parse } from '../support/environments.ts'
import { createStack, kinds, Synthesized } from '../support/synth.ts'

const withDatabase = (changes: object) =>
  ({ ...created, database: { ...created.database, ...changes } }) as never

const alarmsOf = (stack: Synthesized) =>
  Object.fromEntries(
    stack
      .resources('AWS::CloudWatch::Alarm')
      .filter(([, { Properties }]) => Properties.Namespace === 'AWS/RDS')
      .map(([, { Properties }]) => [Properties.AlarmName, Properties]),
  )

const ofServer = { Dimensions: [{ Name: 'DBInstanceIdentifier', Value: 'viewkeeper-test' }] }

test('a created database has alarms, which look at the server by its name', () => {
  const alarms = alarmsOf(kinds.created)
  expect(Object.keys(alarms).sort()).toEqual([
    'viewkeeper-test-database-connections',
    'viewkeeper-test-database-storage',
  ])
  for (const alarm of Object.values(alarms))
    expect(alarm).toMatchObject({ ...ofServer, TreatMissingData: 'notBreaching', Period: 300 })
})

test('RDS mails when less than a tenth of what the server has by now is free', () => {
  const [, { Properties, DependsOn }] = kinds.created.one('AWS::RDS::EventSubscription')
  const [topic] = kinds.created.one(
    'AWS::SNS::Topic',
    ({ TopicName }) => TopicName === 'viewkeeper-test-mail',
  )
  expect(Properties).toMatchObject({
    SnsTopicArn: { Ref: topic },
    SourceType: 'db-instance',
    SourceIds: ['viewkeeper-test'],
    EventCategories: ['low storage'],
  })
  const [policy, { Properties: given }] = kinds.created.one(
    'AWS::SNS::TopicPolicy',
    ({ Topics }) => Topics[0].Ref === topic,
  )
  expect(DependsOn).toContain(policy)
  expect(given.PolicyDocument.Statement).toContainEqual({
    Sid: 'RdsPublishes',
    Effect: 'Allow',
    Principal: { Service: 'events.rds.amazonaws.com' },
    Action: 'sns:Publish',
    Resource: { Ref: topic },
    Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
  })
})

test('an imported database has none', () => {
  expect(alarmsOf(kinds.imported)).toEqual({})
  expect(kinds.imported.resources('AWS::RDS::EventSubscription')).toEqual([])
})

test('less than a tenth of the storage is an alarm, if RDS does not grow it within half an hour', () => {
  const ofStorage = (storageGiB: number) =>
    alarmsOf(new Synthesized(createStack(withDatabase({ storageGiB, maxStorageGiB: 1000 }))))[
      'viewkeeper-test-database-storage'
    ]
  expect(ofStorage(20)).toMatchObject({
    MetricName: 'FreeStorageSpace',
    Statistic: 'Minimum',
    Threshold: 2 * 2 ** 30,
    ComparisonOperator: 'LessThanOrEqualToThreshold',
    EvaluationPeriods: 6,
  })
  expect(ofStorage(500).Threshold).toBe(50 * 2 ** 30)
})

test('the alarm of connections follows the memory of the class, and goes off before nobody gets in', () => {
  const ofClass = (instanceType: string) =>
    alarmsOf(new Synthesized(createStack(withDatabase({ instanceType }))))[
      'viewkeeper-test-database-connections'
    ]
  expect(ofClass('t4g.micro')).toMatchObject({
    MetricName: 'DatabaseConnections',
    Statistic: 'Maximum',
    // RDS leaves a server of this class some 80 connections.
    Threshold: 72,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
  })
  expect([ofClass('m7g.large').Threshold, ofClass('r7g.16xlarge').Threshold]).toEqual([585, 3250])
})

test('a class whose memory is unknown has no such alarm, and synth says so', () => {
  const stack = new ViewkeeperStack(new App({ context: { 'aws:cdk:bundling-stacks': [] } }), {
    environmentName: 'test',
    environment: parse(withDatabase({ instanceType: 'm1.small' })),
    scheduledViews: [],
  })
  expect(Object.keys(alarmsOf(new Synthesized(stack)))).not.toContain('viewkeeper-test-database-connections')
  Annotations.fromStack(stack).hasWarning('*', Match.stringLikeRegexp('memory of m1.small is unknown'))
})
