import { describe, expect, test } from 'vitest'
import { routeKey, routes } from '../../../src/edge/http/routes.ts'
import { created, imported, parse } from '../support/environments.ts'
import { createStack, Synthesized } from '../support/synth.ts'

const synth = (options: object) => new Synthesized(createStack({ ...imported, api: 'private', ...options }))
const made = synth({})
const given = synth({ apiEndpointId: 'vpce-0123456789abcdef0' })
const methods = made.resources('AWS::ApiGateway::Method').map(([, { Properties }]) => Properties)

/** The path of each resource of the API, by its logical id. */
function pathOf(id: string | undefined): string {
  const found = made.resources('AWS::ApiGateway::Resource').find(([each]) => each === id)
  if (found === undefined) return ''
  const { ParentId, PathPart } = found[1].Properties
  return `${pathOf(ParentId.Ref)}/${PathPart}`
}

test('a private API has the routes of the table and no others, for callers that sign with IAM', () => {
  const found = methods.map(({ HttpMethod, ResourceId }) => `${HttpMethod} ${pathOf(ResourceId.Ref)}`)
  expect(found.sort()).toEqual(Object.values(routes).map(routeKey).sort())
  for (const { AuthorizationType } of methods) expect(AuthorizationType).toBe('AWS_IAM')
  expect(made.resources('AWS::ApiGatewayV2::Api')).toEqual([])
})

test.each(Object.values(routes))('$method $path is answered by $function', (route) => {
  const { Integration } = methods.find(
    ({ HttpMethod, ResourceId }) => `${HttpMethod} ${pathOf(ResourceId.Ref)}` === routeKey(route),
  )!
  expect(Integration.Type).toBe('AWS_PROXY')
  expect(JSON.stringify(Integration.Uri)).toContain(`"${made.fn(route.function)[0]}"`)
})

test('it may call the functions of its routes, each by one permission', () => {
  const permissions = made
    .resources('AWS::Lambda::Permission')
    .filter(([, { Properties }]) => Properties.Principal === 'apigateway.amazonaws.com')
  expect(permissions.map(([, { Properties }]) => Properties.FunctionName['Fn::GetAtt'][0]).sort()).toEqual(
    [...new Set(Object.values(routes).map((route) => made.fn(route.function)[0]))].sort(),
  )
})

test.each([
  ['the endpoint that the stack makes', made, { Ref: made.one('AWS::EC2::VPCEndpoint')[0] }],
  ['the endpoint of the environment', given, 'vpce-0123456789abcdef0'],
])('the API is reached only through %s, by callers with a policy of their own', (_, stack, endpoint) => {
  const [, { Properties }] = stack.one('AWS::ApiGateway::RestApi')
  expect(Properties.EndpointConfiguration).toEqual({ Types: ['PRIVATE'], VpcEndpointIds: [endpoint] })
  const root = { 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':iam::123456789012:root']] }
  const statement = { Action: 'execute-api:Invoke', Resource: 'execute-api:/*' }
  expect(Properties.Policy.Statement).toEqual([
    {
      ...statement,
      Effect: 'Allow',
      Principal: { AWS: root },
      Condition: { StringEquals: { 'aws:SourceVpce': endpoint } },
    },
    {
      ...statement,
      Effect: 'Deny',
      Principal: { AWS: '*' },
      Condition: { StringNotEquals: { 'aws:SourceVpce': endpoint } },
    },
  ])
})

describe('the endpoint that the stack makes', () => {
  const [, { Properties }] = made.one('AWS::EC2::VPCEndpoint')

  test('is in each zone of the functions, and leaves the names of public APIs alone', () => {
    expect(JSON.stringify(Properties.ServiceName)).toContain('.execute-api')
    expect(Properties.SubnetIds).toEqual(imported.database.vpc.subnetIds)
    expect(Properties.PrivateDnsEnabled).toBe(false)
  })

  test('lets nobody in before somebody adds a rule to its security group, which is an output', () => {
    const [id] = made.one('AWS::EC2::SecurityGroup', (p) => /private API/.test(p.GroupDescription))
    expect(Properties.SecurityGroupIds).toEqual([{ 'Fn::GetAtt': [id, 'GroupId'] }])
    expect(
      made.resources('AWS::EC2::SecurityGroup').find(([each]) => each === id)![1].Properties,
    ).not.toHaveProperty('SecurityGroupIngress')
    expect(made.template.findOutputs('ApiSecurityGroup').ApiSecurityGroup!.Value).toEqual({
      'Fn::GetAtt': [id, 'GroupId'],
    })
    expect(given.template.findOutputs('ApiSecurityGroup')).toEqual({})
    expect(given.resources('AWS::EC2::VPCEndpoint')).toEqual([])
  })

  test('is in as many zones of a created network as the endpoint of Secrets Manager', () => {
    const zones = (multiAz: boolean) =>
      new Synthesized(
        createStack({ ...created, api: 'private', database: { ...created.database, multiAz } as never }),
      )
        .resources('AWS::EC2::VPCEndpoint')
        .map(([, endpoint]) => endpoint.Properties.SubnetIds.length)
    expect(zones(false)).toEqual([1, 1])
    expect(zones(true)).toEqual([2, 2])
  })
})

test('its address names the API and the endpoint, so that callers need no private DNS', () => {
  const [api] = given.one('AWS::ApiGateway::RestApi')
  expect(given.template.findOutputs('ApiUrl').ApiUrl!.Value).toEqual({
    'Fn::Join': [
      '',
      [
        'https://',
        { Ref: api },
        '-vpce-0123456789abcdef0.execute-api.eu-central-1.',
        { Ref: 'AWS::URLSuffix' },
        '/v1/',
      ],
    ],
  })
})

test('requests are throttled, and an alarm and the policies know the API', () => {
  const [api, { Properties: restApi }] = made.one('AWS::ApiGateway::RestApi')
  const [, { Properties: stage }] = made.one('AWS::ApiGateway::Stage')
  expect(stage).toMatchObject({
    StageName: 'v1',
    MethodSettings: [{ HttpMethod: '*', ThrottlingRateLimit: 8, ThrottlingBurstLimit: 8 }],
  })
  const [, alarm] = made.one('AWS::CloudWatch::Alarm', (p) => p.AlarmName === 'viewkeeper-test-api-errors')
  expect(alarm.Properties).toMatchObject({
    MetricName: '5XXError',
    Dimensions: [{ Name: 'ApiName', Value: restApi.Name }],
  })
  expect(alarm.Properties.AlarmDescription).not.toContain('vendedlogs')
  for (const [, policy] of made.resources('AWS::IAM::ManagedPolicy'))
    expect(JSON.stringify(policy.Properties.PolicyDocument)).toContain(`{"Ref":"${api}"},"/v1/GET/views/*"`)
})

test('an environment names an endpoint only for a private API', () => {
  const apiEndpointId = 'vpce-0123456789abcdef0'
  expect(parse(imported).api).toBe('public')
  expect(() => parse({ ...imported, apiEndpointId })).toThrow("apiEndpointId: is only for api: 'private'")
  expect(() => parse({ ...imported, api: 'private', apiEndpointId: 'vpc-1' })).toThrow(
    'apiEndpointId: must look like "vpce-0123456789abcdef0"',
  )
})
