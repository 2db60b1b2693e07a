import { Peer } from 'aws-cdk-lib/aws-ec2'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { describe, expect, test } from 'vitest'
import { secretArn } from '../support/environments.ts'
import { instanceIn, ownStack, viewkeeperOn } from '../support/own-app.ts'
import { functionNames, kinds, outside, Synthesized } from '../support/synth.ts'

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

test.each([
  ['203.0.113.7/32', Peer.ipv4('203.0.113.7/32'), { CidrIp: '203.0.113.7/32' }, {}],
  [
    '2001:db8::/64',
    Peer.ipv6('2001:db8::/64'),
    { CidrIpv6: '2001:db8::/64' },
    { Ipv6AllowedForDualStack: true },
  ],
])('a server without a security group is reached at %s, and nothing else is', (_, peer, to, vpcConfig) => {
  const { stack, vpc } = ownStack()
  const loginSecret = new Secret(stack, 'Login')
  const database = { host: 'db.example.com', port: 6432, peer }
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
    { authentication: 'iam', loginUser: 'views' },
  )
  const [, { Properties }] = new Synthesized(stack).one('AWS::EC2::SecurityGroup', (p) =>
    /^The functions/.test(p.GroupDescription),
  )
  const open = (Properties.SecurityGroupEgress ?? []).filter(
    ({ CidrIp }: { CidrIp: string }) => CidrIp !== '255.255.255.255/32',
  )
  expect(open).toEqual([])
})
