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
    'viewkeeper-test-database-credits',
    'viewkeeper-test-database-storage',
  ])
  for (const alarm of Object.values(alarms))
    expect(alarm).toMatchObject({ ...ofServer, TreatMissingData: 'notBreaching', Period: 300 })
})

test('an imported database has none', () => {
  expect(alarmsOf(kinds.imported)).toEqual({})
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

test('only a class that lives on credits has an alarm about them', () => {
  const burstable = alarmsOf(kinds.created)['viewkeeper-test-database-credits']
  expect(burstable).toMatchObject({ MetricName: 'CPUSurplusCreditsCharged', Threshold: 1 })
  const steady = alarmsOf(new Synthesized(createStack(withDatabase({ instanceType: 'm7g.large' }))))
  expect(Object.keys(steady)).not.toContain('viewkeeper-test-database-credits')
})
