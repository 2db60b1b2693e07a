import { Stack } from 'aws-cdk-lib'
import { Annotations, Match } from 'aws-cdk-lib/assertions'
import { type IVpc, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2'
import { DatabaseInstance, type IDatabaseInstance } from 'aws-cdk-lib/aws-rds'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { describe, expect, test } from 'vitest'
import { FleetNetwork } from '../../../infra/functions/fleet-network.ts'
import { FleetDashboard } from '../../../infra/monitoring/fleet-dashboard.ts'
import { FleetTopics } from '../../../infra/monitoring/topics.ts'
import { watchQuotas } from '../../../infra/quotas.ts'
import { Viewkeeper } from '../../../infra/viewkeeper.ts'
import { instanceIn, ownApp, ownStack, ownVpc, viewkeeperOn } from '../support/own-app.ts'
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
  return { shared: new Synthesized(shared), stacks: stacks.map((stack) => new Synthesized(stack)) }
}

const { shared, stacks } = createFleet()

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
  for (const stack of stacks) {
    const resources = Object.keys(stack.template.toJSON().Resources as object)
    expect(resources.length).toBeLessThan(500 / 2)
    expect(stack.stack.dependencies.map(({ node }) => node.id)).toEqual(['Shared'])
  }
})

describe('with one network for all', () => {
  type ServerOf = (stack: Stack, vpc: IVpc) => IDatabaseInstance

  /** Three tenants, and what stands beside them. */
  function create(serverOf: (shared: Stack, vpc: IVpc) => ServerOf) {
    const root = ownApp()
    const beside = new Stack(root, 'Shared')
    const vpc = ownVpc(beside)
    const network = new FleetNetwork(beside, 'Network', { vpc })
    const server = serverOf(beside, vpc)
    const all = tenants.slice(0, 3).map((environmentName) => {
      const stack = new Stack(root, environmentName)
      const adminSecret = Secret.fromSecretNameV2(stack, 'Admin', 'shop')
      const more = { environmentName, adminSecret, network, dashboard: false }
      viewkeeperOn(stack, { database: server(stack, vpc), vpc }, more)
      return stack
    })
    return { shared: new Synthesized(beside), all: all.map((stack) => new Synthesized(stack)) }
  }

  const importedIn: ServerOf = (stack) =>
    DatabaseInstance.fromDatabaseInstanceAttributes(stack, 'Db', {
      instanceIdentifier: 'shop',
      instanceEndpointAddress: 'shop.example.com',
      port: 6432,
      securityGroups: [SecurityGroup.fromSecurityGroupId(stack, 'DbGroup', 'sg-0123456789abcdef0')],
      instanceResourceId: 'db-ABCDEFGHIJKL01234',
    })
  const rulesOf = (stack: Synthesized) => stack.resources('AWS::EC2::SecurityGroupIngress')

  test('functions of all tenants have one security group, from which two ports go out', () => {
    const { shared, all } = create(() => instanceIn)
    const [id, { Properties }] = shared.one('AWS::EC2::SecurityGroup')
    expect(Properties.SecurityGroupEgress.map(({ FromPort }: { FromPort: number }) => FromPort)).toEqual([
      5432, 443,
    ])
    for (const stack of all) {
      const groups = stack.resources('AWS::Lambda::Function').flatMap(([, each]) => {
        const { VpcConfig } = each.Properties
        return VpcConfig ? [JSON.stringify(VpcConfig.SecurityGroupIds)] : []
      })
      expect(new Set(groups).size).toBe(1)
      expect(groups[0]).toContain(id)
      // The one of the server.
      expect(stack.resources('AWS::EC2::SecurityGroup')).toHaveLength(1)
      const [[rule]] = rulesOf(stack) as [[string, unknown]]
      expect(rulesOf(stack)).toHaveLength(1)
      expect(stack.one('Custom::ViewkeeperMigration')[1].DependsOn).toContain(rule)
      expect(stack.resources('AWS::EC2::SecurityGroupEgress')).toEqual([])
    }
  })

  test('a server that all of them use has one rule, in its own stack', () => {
    const { shared, all } = create((beside, vpc) => {
      const server = instanceIn(beside, vpc)
      return () => server
    })
    expect(rulesOf(shared)).toHaveLength(1)
    for (const stack of all) expect(rulesOf(stack)).toEqual([])
  })

  test('a server that each of them imports has one rule, in the stack of the network, and its own port', () => {
    const { shared, all } = create(() => importedIn)
    expect(rulesOf(shared)).toMatchObject([
      [expect.anything(), { Properties: { GroupId: 'sg-0123456789abcdef0', FromPort: 6432 } }],
    ])
    expect(
      shared
        .one('AWS::EC2::SecurityGroup')[1]
        .Properties.SecurityGroupEgress.map(({ FromPort }: { FromPort: number }) => FromPort),
    ).toEqual([5432, 443, 6432])
    for (const stack of all) expect(rulesOf(stack)).toEqual([])
  })

  test('an endpoint of a tenant lets the group of all in', () => {
    const { stack, vpc } = ownStack()
    const network = new FleetNetwork(stack, 'Network', { vpc })
    viewkeeperOn(
      stack,
      { database: instanceIn(stack, vpc), vpc },
      { network, addSecretsManagerEndpoint: true },
    )
    const made = new Synthesized(stack)
    expect(rulesOf(made)).toHaveLength(2)
    expect(made.resources('AWS::EC2::SecurityGroupEgress')).toEqual([])
  })

  test('a network in another VPC is refused', () => {
    const stack = new Stack(ownApp(), 'Own')
    const vpcOf = (id: string) =>
      Vpc.fromVpcAttributes(stack, id, {
        vpcId: id,
        availabilityZones: ['us-east-1a'],
        privateSubnetIds: ['subnet-0'],
        privateSubnetRouteTableIds: ['rtb-0'],
      })
    const network = new FleetNetwork(stack, 'Network', { vpc: vpcOf('vpc-1') })
    const vpc = vpcOf('vpc-2')
    expect(() => viewkeeperOn(stack, { database: importedIn(stack, vpc), vpc }, { network })).toThrow(
      'network: must be in the VPC of the functions, vpc-2, and is in vpc-1',
    )
  })

  test('a network that stands above the stack of a server is refused, with the names of the stacks', () => {
    const refused = (
      vpcIn: 'Server' | 'Net' | 'Vpc',
      say: (net: Stack, server: Stack) => void = () => {},
    ) => {
      const app = ownApp()
      const stacks = {
        Net: new Stack(app, 'Net'),
        Server: new Stack(app, 'Server'),
        Vpc: new Stack(app, 'Vpc'),
      }
      const vpc = ownVpc(stacks[vpcIn])
      const database = instanceIn(stacks.Server, vpc)
      say(stacks.Net, stacks.Server)
      const network = new FleetNetwork(stacks.Net, 'Network', { vpc })
      return () => viewkeeperOn(new Stack(app, 'Own'), { database, vpc }, { network })
    }
    const words =
      /network: Net\/Network is in stack Net, which needs stack Server of the server; .+ Make the FleetNetwork in Server, or/
    expect(refused('Server')).toThrow(words)
    const between = (net: Stack, server: Stack) => {
      const middle = new Stack(net.node.root, 'Middle')
      middle.addStackDependency(server)
      net.addStackDependency(middle)
    }
    expect(refused('Vpc', between)).toThrow(words)
    expect(refused('Net')).not.toThrow()
  })

  describe('cdk synth warns', () => {
    /** The warnings of an app with so many environments on one server, in two subnets. */
    function warningsOf(count: number, isShared = false): string[] {
      const { stack, vpc } = ownStack()
      const database = instanceIn(stack, vpc)
      const network = isShared ? new FleetNetwork(stack, 'Network', { vpc }) : undefined
      for (let at = 1; at < count; at++) {
        const own = SecurityGroup.fromSecurityGroupId(stack, `Functions${at}`, `sg-${at}`)
        watchQuotas(
          stack,
          { vpc, subnets: vpc.privateSubnets, connections: database.connections },
          network?.securityGroup ?? own,
        )
      }
      viewkeeperOn(stack, { database, vpc }, { network })
      return Annotations.fromStack(stack)
        .findWarning('*', Match.stringLikeRegexp('FleetNetwork'))
        .map(({ entry }) => String(entry.data))
    }

    test("of the rules of a server's group, with their number", () => {
      expect(warningsOf(47)).toEqual([])
      expect(warningsOf(48)).toEqual([expect.stringMatching(/by 48 rules.+ A group takes 60, unless/)])
    })

    test('of the network interfaces of a VPC, with their number, and not if they are shared', () => {
      expect(warningsOf(100)).toEqual([
        expect.stringMatching(/by 100 rules/),
        expect.stringMatching(/use 200 network interfaces in .+ takes 500 in a VPC, and 250 in older/),
      ])
      expect(warningsOf(100, true)).toEqual([])
    })
  })
})
