import { Annotations, Match } from 'aws-cdk-lib/assertions'
import { type CfnVPCEndpoint, GatewayVpcEndpointAwsService, Peer, SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { describe, expect, test } from 'vitest'
import { DatabaseServer } from '../../../infra/database/server.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { secretArn, throwaway } from '../support/environments.ts'
import { instanceIn, ownStack, viewkeeperOn } from '../support/own-app.ts'
import { createStack, everyFunction, functionNames, kinds, outside, Synthesized } from '../support/synth.ts'

const withEndpoint = { created: 2, throwaway: 2, 'imported without NAT': 2 }

test.each(Object.entries(withEndpoint))('%s: without NAT there is an endpoint in %i zones', (kind, zones) => {
  const [, { Properties }] = kinds[kind as keyof typeof kinds].one('AWS::EC2::VPCEndpoint')
  expect(JSON.stringify(Properties.ServiceName)).toMatch(/\.secretsmanager/)
  expect(Properties).toMatchObject({ VpcEndpointType: 'Interface' })
  expect(Properties.SubnetIds).toHaveLength(zones)
})

const kindsWith = Object.keys(withEndpoint) as (keyof typeof withEndpoint)[]
test.each(kindsWith)('%s: through the endpoint this account reads its own secrets alone', (kind) => {
  const [, { Properties }] = kinds[kind].one('AWS::EC2::VPCEndpoint')
  const account = kind.startsWith('imported') ? '123456789012' : { Ref: 'AWS::AccountId' }
  expect(Properties.PolicyDocument.Statement).toEqual([
    {
      Effect: 'Allow',
      Principal: { AWS: '*' },
      Action: 'secretsmanager:GetSecretValue',
      Resource: kind.startsWith('imported') ? secretArn : [expect.anything(), ownSecret(kind)],
      Condition: { StringEquals: { 'aws:PrincipalAccount': account } },
    },
  ])
})

const ownSecret = (kind: keyof typeof kinds) => ({
  Ref: kinds[kind].one('AWS::SecretsManager::Secret')[0],
})

// Private DNS would lead every program of the VPC to an endpoint that lets in nobody but the functions.
test.each(kindsWith)('%s: only the functions know the endpoint, by its own address', (kind) => {
  const [endpoint, { Properties }] = kinds[kind].one('AWS::EC2::VPCEndpoint')
  expect(Properties.PrivateDnsEnabled).toBe(false)
  const first = { 'Fn::Select': [0, { 'Fn::GetAtt': [endpoint, 'DnsEntries'] }] }
  const address = { 'Fn::Join': ['', ['https://', { 'Fn::Select': [1, { 'Fn::Split': [':', first] }] }]] }
  for (const name of functionNames.filter((each) => !outside.includes(each)))
    expect(kinds[kind].fn(name)[1].Properties.Environment.Variables).toMatchObject({
      AWS_ENDPOINT_URL_SECRETS_MANAGER: address,
    })
})

test('with NAT there is no endpoint, and functions reach Secrets Manager by HTTPS', () => {
  expect(kinds.imported.resources('AWS::EC2::VPCEndpoint')).toEqual([])
  expect(kinds.imported.fn('refresh')[1].Properties.Environment.Variables).not.toHaveProperty(
    'AWS_ENDPOINT_URL_SECRETS_MANAGER',
  )
  const [, { Properties }] = kinds.imported.one('AWS::EC2::SecurityGroup')
  expect(Properties.SecurityGroupEgress).toMatchObject([{ CidrIp: '0.0.0.0/0', FromPort: 443, ToPort: 443 }])
})

describe.each(Object.entries(kinds))('%s', (_, stack) => {
  const functions = stack
    .resources('AWS::Lambda::Function')
    .filter(([, { Properties }]) => Properties.VpcConfig)
  const [group] = stack.one('AWS::EC2::SecurityGroup', (p) => /^The functions/.test(p.GroupDescription))

  test('nothing comes in from an address', () => {
    for (const [, { Properties }] of stack.resources('AWS::EC2::SecurityGroup'))
      expect(Properties).not.toHaveProperty('SecurityGroupIngress')
    const rules = stack.properties('AWS::EC2::SecurityGroupIngress')
    expect(rules.length).toBeGreaterThan(0)
    for (const rule of rules) expect(rule.SourceSecurityGroupId).toEqual({ 'Fn::GetAtt': [group, 'GroupId'] })
  })

  test('every function but one is in the network, and they share one security group', () => {
    expect(functions.map(([id]) => id).sort()).toEqual(
      functionNames
        .filter((name) => !outside.includes(name))
        .map((name) => stack.fn(name)[0])
        .sort(),
    )
    for (const [, { Properties }] of functions)
      expect(Properties.VpcConfig.SecurityGroupIds).toEqual([{ 'Fn::GetAtt': [group, 'GroupId'] }])
  })

  test('functions go out to the database and to Secrets Manager only', () => {
    const rules = stack
      .properties('AWS::EC2::SecurityGroupEgress')
      .filter(({ GroupId }) => GroupId['Fn::GetAtt']?.[0] === group)
    const [, { Properties }] = stack.one('AWS::EC2::SecurityGroup', (p) =>
      /^The functions/.test(p.GroupDescription),
    )
    const all = [...rules, ...(Properties.SecurityGroupEgress ?? [])]
    expect(all.map(({ Description }) => Description).sort()).toEqual(['Secrets Manager', 'The database'])
  })
})

eachCase(
  [
    ['203.0.113.7/32', Peer.ipv4('203.0.113.7/32'), { CidrIp: '203.0.113.7/32' }, {}],
    [
      '2001:db8::/64',
      Peer.ipv6('2001:db8::/64'),
      { CidrIpv6: '2001:db8::/64' },
      { Ipv6AllowedForDualStack: true },
    ],
  ],
  { quick: 1 },
)('a server without a security group is reached at %s, and nothing else is', (_, peer, to, vpcConfig) => {
  const { stack, vpc } = ownStack()
  const loginSecret = new Secret(stack, 'Login')
  const database = DatabaseServer.fromAttributes({ host: 'db.example.com', port: 6432, peer })
  viewkeeperOn(stack, { database, vpc }, { loginSecret, addSecretsManagerEndpoint: true })
  const synthesized = new Synthesized(stack)
  const [, { Properties }] = synthesized.one('AWS::EC2::SecurityGroup', (p) =>
    /^The functions/.test(p.GroupDescription),
  )
  expect(Properties.SecurityGroupEgress).toEqual([
    expect.objectContaining({ ...to, FromPort: 6432, ToPort: 6432 }),
  ])
  expect(synthesized.properties('AWS::EC2::SecurityGroupEgress').map(({ FromPort }) => FromPort)).toEqual([
    443,
  ])
  expect(synthesized.fn('refresh')[1].Properties.VpcConfig).toMatchObject(vpcConfig)
})

test('with IAM, functions go out to the database only', () => {
  const { stack, vpc } = ownStack()
  viewkeeperOn(
    stack,
    { database: instanceIn(stack, vpc), vpc },
    { iamAuthentication: true, loginUser: 'views' },
  )
  const [, { Properties }] = new Synthesized(stack).one('AWS::EC2::SecurityGroup', (p) =>
    /^The functions/.test(p.GroupDescription),
  )
  const open = (Properties.SecurityGroupEgress ?? []).filter(
    ({ CidrIp }: { CidrIp: string }) => CidrIp !== '255.255.255.255/32',
  )
  expect(open).toEqual([])
})

describe('with all functions in the network', () => {
  const { stack, vpc } = ownStack()
  const s3 = vpc.addGatewayEndpoint('S3', { service: GatewayVpcEndpointAwsService.S3 })
  const views = viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc }, { allFunctionsInVpc: true })
  const all = new Synthesized(stack)
  const groupsOf = (name: string) => all.fn(name)[1].Properties.VpcConfig.SecurityGroupIds
  const outer = [...outside, 'deploy']

  test.each(outer)('%s is in the network, and its own code may not touch an interface', (name) => {
    expect(all.fn(name)[1].Properties.VpcConfig.SubnetIds).toEqual(
      all.fn('refresh')[1].Properties.VpcConfig.SubnetIds,
    )
    expect(all.permissions(name)).toContainEqual({
      action: 'ec2:CreateNetworkInterface',
      resource: '*',
      condition: { Null: { 'lambda:SourceFunctionArn': 'true' } },
    })
  })

  test('they share a security group, which reaches HTTPS and not the database; nothing comes in', () => {
    const groups = new Set(outer.map((name) => JSON.stringify(groupsOf(name))))
    expect(groups).toEqual(new Set([JSON.stringify([{ 'Fn::GetAtt': [outerGroup()[0], 'GroupId'] }])]))
    expect(groupsOf('refresh')).not.toEqual(groupsOf('send'))
    const { SecurityGroupEgress, SecurityGroupIngress } = outerGroup()[1].Properties
    expect(SecurityGroupEgress).toMatchObject([{ CidrIp: '0.0.0.0/0', FromPort: 443, ToPort: 443 }])
    expect(SecurityGroupIngress).toBeUndefined()
    const rules = all.properties('AWS::EC2::SecurityGroupIngress')
    expect(rules.map(({ SourceSecurityGroupId }) => [SourceSecurityGroupId])).toEqual([groupsOf('refresh')])
  })
  const outerGroup = () =>
    all.one('AWS::EC2::SecurityGroup', ({ GroupDescription }) => /call AWS/.test(GroupDescription))

  test('both groups are the connections of the construct', () => {
    expect(
      stack.resolve(views.connections.securityGroups.map(({ securityGroupId }) => securityGroupId)),
    ).toEqual([groupsOf('refresh'), groupsOf('send')].flat())
  })

  test('CloudFormation is answered through an endpoint that the app adds: migrate is called when it is there', () => {
    const [, call] = all.one('Custom::ViewkeeperMigration')
    expect(call.DependsOn).toContain(stack.resolve((s3.node.defaultChild as CfnVPCEndpoint).ref).Ref)
  })

  test('a security group of the app is that of every function', () => {
    const { stack: own, vpc: ownNetwork } = ownStack()
    const securityGroup = new SecurityGroup(own, 'Shared', { vpc: ownNetwork })
    const database = instanceIn(own, ownNetwork)
    const { securityGroups } = viewkeeperOn(
      own,
      { database, vpc: ownNetwork },
      { allFunctionsInVpc: true, securityGroup },
    )
    expect(securityGroups).toEqual([securityGroup])
    const shared = new Synthesized(own)
    for (const name of everyFunction)
      expect(shared.fn(name)[1].Properties.VpcConfig.SecurityGroupIds).toEqual([
        own.resolve(securityGroup.securityGroupId),
      ])
  })

  test('isolated subnets get a warning that names the endpoints; by default they get none', deep, () => {
    const warnings = (allFunctionsInVpc: boolean) => {
      const isolated = createStack({ ...throwaway, allFunctionsInVpc })
      return Annotations.fromStack(isolated).findWarning(
        '*',
        Match.stringLikeRegexp('SNS, EventBridge and S3'),
      )
    }
    expect(warnings(true)).toHaveLength(1)
    expect(warnings(false)).toEqual([])
  })
})
