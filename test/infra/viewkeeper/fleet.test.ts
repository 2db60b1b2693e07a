import { type App, Stack } from 'aws-cdk-lib'
import { type IVpc, SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import { DatabaseInstance, type IDatabaseInstance } from 'aws-cdk-lib/aws-rds'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { describe, expect, test } from 'vitest'
import { addFleet } from '../../../docs/examples/fleet.ts'
import { eachCase } from '../../support/deep.ts'
import { instanceIn, ownApp, ownStack, ownVpc, viewkeeperOn } from '../support/own-app.ts'
import { everyFunction, Synthesized } from '../support/synth.ts'

const tenants = Array.from({ length: 20 }, (_, at) => `tenant-${at + 1}`)

/** What docs/cdk.md shows: each tenant in a stack of its own; security group, topics and dashboard are shared. */
function createFleet(names: string[], serverIn: Parameters<typeof addFleet>[2] = instanceIn) {
  const app = ownApp()
  addFleet(app, names, serverIn)
  const [shared, ...stacks] = app.node.children.filter((each) => Stack.isStack(each))
  return { shared: new Synthesized(shared!), stacks: stacks.map((stack) => new Synthesized(stack)) }
}

const { shared, stacks } = createFleet(tenants)

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
    const [, { Properties }] = stack.fn('send', name)
    const { MAIL_TOPIC_ARN, NOTICES_TOPIC_ARN } = Properties.Environment.Variables
    return JSON.stringify([MAIL_TOPIC_ARN, NOTICES_TOPIC_ARN])
  })
  expect(new Set(published).size).toBe(1)
  for (const stack of stacks) expect(stack.resources('AWS::SNS::Topic')).toEqual([])
  // The policy that AWS gives a topic lets alarms of the account publish.
  expect(shared.resources('AWS::SNS::TopicPolicy')).toEqual([])
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
    'Looks',
  ])
  for (const { properties } of graphs)
    expect(properties.metrics.map((metric: { label: string }[]) => metric.at(-1)?.label)).toEqual(tenants)
})

test('no tenant is near what CloudFormation takes, and no stack waits for another tenant', () => {
  for (const stack of stacks) {
    const resources = Object.keys(stack.template.toJSON().Resources as object)
    expect(resources.length).toBeLessThan(500 / 2)
    expect(stack.stack.dependencies.map(({ node }) => node.id)).toEqual(['Shared'])
  }
})

describe('with one security group for all', () => {
  const rulesOf = (stack: Synthesized) => stack.resources('AWS::EC2::SecurityGroupIngress')
  const [group] = shared.one('AWS::EC2::SecurityGroup')

  test('functions of all tenants have it, and each server lets it in before migrate is called', () => {
    for (const stack of stacks) {
      const groups = stack.resources('AWS::Lambda::Function').flatMap(([, each]) => {
        const { VpcConfig } = each.Properties
        return VpcConfig ? [JSON.stringify(VpcConfig.SecurityGroupIds)] : []
      })
      expect(new Set(groups).size).toBe(1)
      expect(groups[0]).toContain(group)
      // The one of the server.
      expect(stack.resources('AWS::EC2::SecurityGroup')).toHaveLength(1)
      const [[rule]] = rulesOf(stack) as [[string, unknown]]
      expect(rulesOf(stack)).toHaveLength(1)
      expect(stack.one('Custom::ViewkeeperMigration')[1].DependsOn).toContain(rule)
      expect(stack.resources('AWS::EC2::SecurityGroupEgress')).toEqual([])
    }
  })

  eachCase<[string, (beside: Stack, vpc: IVpc) => IDatabaseInstance, port: unknown]>(
    [
      ['that the app makes', instanceIn, expect.anything()],
      [
        'that the app imports',
        (beside) =>
          DatabaseInstance.fromDatabaseInstanceAttributes(beside, 'Db', {
            instanceIdentifier: 'shop',
            instanceEndpointAddress: 'shop.example.com',
            port: 6432,
            securityGroups: [SecurityGroup.fromSecurityGroupId(beside, 'DbGroup', 'sg-0123456789abcdef0')],
            instanceResourceId: 'db-ABCDEFGHIJKL01234',
          }),
        6432,
      ],
    ],
    { quick: 1 },
  )('a server %s for all of them has one rule, in its own stack', (_, serverIn, port) => {
    const beside = new Stack(ownApp(), 'Beside')
    const vpc = ownVpc(beside)
    const securityGroup = new SecurityGroup(beside, 'Functions', { vpc })
    const database = serverIn(beside, vpc)
    const adminSecret = Secret.fromSecretNameV2(beside, 'Admin', 'shop')
    const stacks = ['tenant-1', 'tenant-2'].map((environmentName) => {
      const stack = new Stack(beside.node.root as App, environmentName)
      viewkeeperOn(stack, { database, vpc }, { environmentName, adminSecret, securityGroup })
      return stack
    })
    for (const stack of stacks) expect(rulesOf(new Synthesized(stack))).toEqual([])
    expect(rulesOf(new Synthesized(beside))).toMatchObject([
      [expect.anything(), { Properties: { FromPort: port } }],
    ])
  })

  test('an endpoint of a tenant lets the group of all in', () => {
    const { stack, vpc } = ownStack()
    const securityGroup = new SecurityGroup(stack, 'Functions', { vpc })
    viewkeeperOn(
      stack,
      { database: instanceIn(stack, vpc), vpc },
      { securityGroup, addSecretsManagerEndpoint: true },
    )
    const made = new Synthesized(stack)
    expect(rulesOf(made)).toHaveLength(2)
    expect(made.resources('AWS::EC2::SecurityGroupEgress')).toEqual([])
  })
})
