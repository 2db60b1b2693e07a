import { App } from 'aws-cdk-lib'
import { describe, expect, test } from 'vitest'
import { DatabaseStack } from '../../../infra/database/created-database.ts'
import type { ValidCreatedDatabase } from '../../../infra/options.ts'
import type { EnvironmentOptions } from '../../../src/config/options.ts'
import { created, imported, parse } from '../support/environments.ts'
import { createStack, databases, kinds, type Resource, Synthesized } from '../support/synth.ts'

const both = ['created', 'throwaway'] as const

test('a created database has a stack of its own, which is deployed first', () => {
  for (const kind of both) {
    expect(databases[kind].stack.stackName).toBe('viewkeeper-test-database')
    expect(kinds[kind].stack.dependencies).toEqual([databases[kind].stack])
    expect(databases[kind].stack.dependencies).toEqual([])
  }
})

test('an imported database has no such stack', () => {
  expect(createStack(imported).databaseStack).toBeUndefined()
  expect(kinds.imported.stack.dependencies).toEqual([])
})

test('nobody removes the stack of a protected database by mistake', () => {
  expect(databases.created.stack.terminationProtection).toBe(true)
  expect(databases.throwaway.stack.terminationProtection).toBe(false)
})

describe.each(both)('%s', (kind) => {
  test('database and network are in that stack, and in no other', () => {
    for (const type of ['RDS::DBInstance', 'RDS::DBParameterGroup', 'EC2::VPC']) {
      expect(databases[kind].resources(`AWS::${type}`), type).toHaveLength(1)
      expect(kinds[kind].resources(`AWS::${type}`), type).toEqual([])
    }
  })

  test('the rule that lets the functions in is in the stack of the functions', () => {
    expect(databases[kind].resources('AWS::EC2::SecurityGroupIngress')).toEqual([])
    const [group] = databases[kind].one('AWS::EC2::SecurityGroup')
    const [, rule] = kinds[kind].one('AWS::EC2::SecurityGroupIngress', (p) => p.FromPort === 5432)
    expect(JSON.stringify(rule.Properties.GroupId)).toContain(group)
  })

  test('the server is made last: nothing of its stack can fail after it', () => {
    const resources = databases[kind].template.toJSON().Resources as Record<string, Resource>
    const [server] = databases[kind].one('AWS::RDS::DBInstance')
    const needed = new Set<string>()
    const follow = (id: string) => {
      if (needed.has(id) || !(id in resources)) return
      needed.add(id)
      const text = JSON.stringify(resources[id]?.Properties ?? {})
      for (const [, other] of text.matchAll(/"(?:Ref|Fn::GetAtt)":\[?"([^"]+)"/g)) follow(other!)
      for (const other of [resources[id]?.DependsOn ?? []].flat()) follow(other)
    }
    follow(server)
    expect([...needed].sort()).toEqual(Object.keys(resources).sort())
  })
})

const databaseStack = (options: EnvironmentOptions, majorUpgrade = false) => {
  const environment = parse(options)
  const props = { environmentName: 'test', environment, options: environment.database, majorUpgrade }
  return new Synthesized(
    new DatabaseStack(new App(), props as typeof props & { options: ValidCreatedDatabase }),
  )
}

const change = (options: EnvironmentOptions, changes: object): EnvironmentOptions =>
  ({ ...options, database: { ...options.database, ...changes } }) as EnvironmentOptions

const exportsOf = ({ template }: Synthesized) =>
  Object.values(template.findOutputs('*')).flatMap(({ Export }) => Export?.Name ?? [])

const importsOf = ({ template }: Synthesized) => [
  ...new Set(
    [...JSON.stringify(template.toJSON()).matchAll(/"Fn::ImportValue":"([^"]+)"/g)].map(([, name]) => name),
  ),
]

describe('what one stack reads from the other', () => {
  test('is exported whether it is read or not, so that no deploy waits for the other stack', () => {
    const alone = exportsOf(databaseStack(created))
    expect(alone.toSorted()).toEqual(exportsOf(databases.created).toSorted())
    expect(alone).toEqual(expect.arrayContaining(importsOf(kinds.created)))
  })

  test('does not change with the options', () => {
    const names = exportsOf(databaseStack(created)).toSorted()
    for (const changes of [
      { protect: false },
      { instanceType: 'm7g.large', storageGiB: 200, maxStorageGiB: 400 },
      { postgresVersion: '17' },
      { authentication: 'iam' },
    ])
      expect(exportsOf(databaseStack(change(created, changes))).toSorted(), JSON.stringify(changes)).toEqual(
        names,
      )
  })
})

test('people find the network, the security group and the secret of the master user in the outputs', () => {
  const outputs = databases.created.template.findOutputs('*')
  const value = (name: string) => outputs[name]?.Value
  const id = (type: string) => databases.created.one(type)[0]
  expect(value('NetworkId')).toEqual({ Ref: id('AWS::EC2::VPC') })
  expect(value('DatabaseSecurityGroup')).toEqual({ 'Fn::GetAtt': [id('AWS::EC2::SecurityGroup'), 'GroupId'] })
  expect(value('MasterSecret')).toEqual({
    'Fn::GetAtt': [id('AWS::RDS::DBInstance'), 'MasterUserSecret.SecretArn'],
  })
  const subnets = databases.created.resources('AWS::EC2::Subnet').map(([name]) => ({ Ref: name }))
  expect(value('SubnetIds')['Fn::Join'][1].filter((part: unknown) => part !== ',')).toEqual(subnets)
  const tables = databases.created.resources('AWS::EC2::RouteTable').map(([name]) => ({ Ref: name }))
  expect(value('RouteTableIds')['Fn::Join'][1].filter((part: unknown) => part !== ',')).toEqual(tables)
})

describe('a major upgrade', () => {
  const groupOf = (stack: Synthesized) => stack.one('AWS::RDS::DBParameterGroup')

  test('is refused by RDS unless the deploy says so', () => {
    const allowed = (stack: Synthesized) =>
      stack.one('AWS::RDS::DBInstance')[1].Properties.AllowMajorVersionUpgrade
    expect(allowed(databaseStack(created))).toBe(false)
    expect(allowed(databaseStack(created, true))).toBe(true)
    const context = { viewMigrations: true, majorUpgrade: true }
    expect(allowed(new Synthesized(createStack(created, [], { context }).databaseStack!))).toBe(true)
  })

  test('has its own parameter group, which is made while the old one is still in use', () => {
    const [old, oldGroup] = groupOf(databaseStack(change(created, { postgresVersion: '17' })))
    const [fresh, freshGroup] = groupOf(databaseStack(created))
    // Another logical id: CloudFormation makes the new group, upgrades the server, and removes the old group in the end.
    expect(fresh).not.toBe(old)
    expect([oldGroup.Properties.Family, freshGroup.Properties.Family]).toEqual(['postgres17', 'postgres18'])
    // A name that is fixed would be taken.
    for (const { Properties } of [oldGroup, freshGroup])
      expect(Properties).not.toHaveProperty('DBParameterGroupName')
    const [, server] = databaseStack(created).one('AWS::RDS::DBInstance')
    expect(server.Properties).toMatchObject({
      EngineVersion: '18',
      DBParameterGroupName: { Ref: fresh },
      AutoMinorVersionUpgrade: true,
    })
  })
})

describe('the server', () => {
  const server = (options: EnvironmentOptions) =>
    databaseStack(options).one('AWS::RDS::DBInstance')[1].Properties

  test('has a fixed name, so that CloudFormation never replaces it by an empty one', () => {
    expect(server(created).DBInstanceIdentifier).toBe('viewkeeper-test')
  })

  test('sends its logs into groups that are there before it, and whose lines expire', () => {
    expect(server(created).EnableCloudwatchLogsExports).toEqual(['postgresql', 'upgrade'])
    const stack = databaseStack(created)
    const [, { DependsOn }] = stack.one('AWS::RDS::DBInstance')
    for (const name of ['postgresql', 'upgrade']) {
      const [id, { Properties, DeletionPolicy }] = stack.one(
        'AWS::Logs::LogGroup',
        (p) => p.LogGroupName === `/aws/rds/instance/viewkeeper-test/${name}`,
      )
      expect([Properties.RetentionInDays, DeletionPolicy]).toEqual([90, 'Delete'])
      expect(DependsOn).toContain(id)
    }
    expect(stack.resources('Custom::LogRetention')).toEqual([])
  })

  test('has the mode of Database Insights that costs nothing', () => {
    expect(server(created)).toMatchObject({
      DatabaseInsightsMode: 'standard',
      EnablePerformanceInsights: true,
      PerformanceInsightsRetentionPeriod: 7,
    })
  })
})

describe('the network', () => {
  const subnets = (options: EnvironmentOptions) =>
    databaseStack(options)
      .resources('AWS::EC2::Subnet')
      .map(([, { Properties }]) => [Properties.CidrBlock, Properties.AvailabilityZone])

  test('has a subnet in each of two zones', () => {
    const first = (index: number) => ({ 'Fn::Select': [index, { 'Fn::GetAZs': '' }] })
    expect(databaseStack(created).one('AWS::EC2::VPC')[1].Properties.CidrBlock).toBe('10.0.0.0/16')
    expect(subnets(created)).toEqual([
      ['10.0.0.0/24', first(0)],
      ['10.0.1.0/24', first(1)],
    ])
  })
})
