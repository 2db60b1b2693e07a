import { Stack } from 'aws-cdk-lib'
import { expect, test } from 'vitest'
import { limits, synthesizeWithinLimits } from '../../../infra/limits.ts'
import { FleetDashboard } from '../../../infra/monitoring/fleet-dashboard.ts'
import { FleetTopics } from '../../../infra/monitoring/topics.ts'
import { Viewkeeper } from '../../../infra/viewkeeper.ts'
import { instanceIn, ownApp, ownVpc } from '../support/own-app.ts'
import { everyFunction, Synthesized } from '../support/synth.ts'

const tenants = Array.from({ length: 20 }, (_, at) => `tenant-${at + 1}`)

/** What docs/cdk.md shows: each tenant in a stack of its own; network, topics and dashboard are shared. */
function createFleet() {
  const app = ownApp()
  const shared = new Stack(app, 'Shared')
  const vpc = ownVpc(shared)
  const topics = new FleetTopics(shared, 'Topics', { alarmEmails: ['ops@example.com'] })
  new FleetDashboard(shared, 'Dashboard', { environmentNames: tenants, dashboardName: 'fleet' })
  const stacks = tenants.map((tenant) => {
    const stack = new Stack(app, tenant)
    new Viewkeeper(stack, 'Views', {
      environmentName: tenant,
      database: instanceIn(stack, vpc),
      databaseName: 'shop',
      vpc,
      topics,
      dashboard: false,
      schedules: {},
      scheduledViews: [],
    })
    return stack
  })
  return { app, shared: new Synthesized(shared), stacks: stacks.map((stack) => new Synthesized(stack)) }
}

const { app, shared, stacks } = createFleet()

test('every tenant has functions, a parameter and secrets of its own, and no dashboard', () => {
  for (const [at, stack] of stacks.entries()) {
    expect(stack.functions(tenants[at])).toEqual(everyFunction)
    expect(stack.one('AWS::SSM::Parameter')[1].Properties.Name).toBe(`/viewkeeper/${tenants[at]}`)
    expect(stack.resources('AWS::SecretsManager::Secret')).toHaveLength(2)
    expect(stack.resources('AWS::CloudWatch::Dashboard')).toEqual([])
    expect(stack.resources('AWS::EC2::VPCEndpoint')).toEqual([])
  }
})

test('people confirm once: every tenant publishes to the same two topics', () => {
  expect(shared.resources('AWS::SNS::Subscription')).toHaveLength(1)
  const published = stacks.map((stack) => {
    const name = stack.one('AWS::SSM::Parameter')[1].Properties.Name.split('/').at(-1)
    const [, { Properties }] = stack.fn('notify', name)
    const { MAIL_TOPIC_ARN, NOTICES_TOPIC_ARN } = Properties.Environment.Variables
    return JSON.stringify([MAIL_TOPIC_ARN, NOTICES_TOPIC_ARN])
  })
  expect(new Set(published).size).toBe(1)
  for (const stack of stacks) expect(stack.resources('AWS::SNS::Topic')).toHaveLength(1)
  for (const [, { Properties }] of shared.resources('AWS::SNS::TopicPolicy')) {
    const allowed = Properties.PolicyDocument.Statement.filter(
      ({ Effect }: { Effect: string }) => Effect === 'Allow',
    )
    expect(allowed).toMatchObject([
      { Principal: { Service: 'cloudwatch.amazonaws.com' }, Action: 'sns:Publish' },
    ])
  }
})

test('one dashboard shows each metric of all tenants', () => {
  const [, { Properties }] = shared.one('AWS::CloudWatch::Dashboard')
  const body = JSON.parse(
    shared.stack
      .resolve(Properties.DashboardBody)
      ['Fn::Join'][1].map((part: unknown) => (typeof part === 'string' ? part : 'region'))
      .join(''),
  )
  const graphs = body.widgets.filter(({ type }: { type: string }) => type === 'metric')
  expect(graphs.map(({ properties }: { properties: { title: string } }) => properties.title)).toEqual([
    'Stale views',
    'Failed runs',
    'Missing views',
    'Looks of the monitor',
  ])
  for (const { properties } of graphs)
    expect(properties.metrics.map((metric: { label: string }[]) => metric.at(-1)?.label)).toEqual(tenants)
})

test('no tenant is near what CloudFormation takes, and no stack waits for another tenant', () => {
  expect(() => synthesizeWithinLimits(app)).not.toThrow()
  for (const stack of stacks) {
    const resources = Object.keys(stack.template.toJSON().Resources as object)
    expect(resources.length).toBeLessThan(limits.resources / 2)
    expect(stack.stack.dependencies.map(({ node }) => node.id)).toEqual(['Shared'])
  }
})
