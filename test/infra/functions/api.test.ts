import { expect, test } from 'vitest'
import { routeKey } from '../../../src/api/route.ts'
import { routes } from '../../../src/api/routes.ts'
import { kinds } from '../support/synth.ts'

const stack = kinds.imported
const deployed = stack.properties('AWS::ApiGatewayV2::Route')

test('the API has the routes of the table and no others', () => {
  expect(deployed.map(({ RouteKey }) => RouteKey).sort()).toEqual(Object.values(routes).map(routeKey).sort())
})

test.each(deployed)('$RouteKey is for callers that sign with IAM', ({ AuthorizationType }) => {
  expect(AuthorizationType).toBe('AWS_IAM')
})

test.each(Object.values(routes))('$method $path is answered by $function', (route) => {
  const { Target } = deployed.find(({ RouteKey }) => RouteKey === routeKey(route))!
  const integration = stack
    .resources('AWS::ApiGatewayV2::Integration')
    .find(([id]) => id === Target['Fn::Join'][1][1].Ref)
  expect(integration?.[1].Properties).toMatchObject({
    IntegrationUri: { 'Fn::GetAtt': [stack.fn(route.function)[0], 'Arn'] },
    PayloadFormatVersion: '2.0',
  })
})

test('the API, and no other API, may call the functions of its routes, each by one permission', () => {
  const answering = [...new Set(Object.values(routes).map((route) => route.function))]
  const permissions = stack
    .properties('AWS::Lambda::Permission')
    // A line of a log calls send.
    .filter(({ Principal }) => Principal !== 'logs.amazonaws.com')
  expect(permissions.map(({ FunctionName }) => FunctionName['Fn::GetAtt'][0]).sort()).toEqual(
    answering.map((name) => stack.fn(name)[0]).sort(),
  )
  for (const { Principal, SourceArn } of permissions) {
    expect(Principal).toBe('apigateway.amazonaws.com')
    expect(JSON.stringify(SourceArn)).toMatch(/ApiHttpApi.+\/\*\/\*\/\*/)
  }
})

test('requests are throttled, and logged with their caller', () => {
  const [, { Properties }] = stack.one('AWS::ApiGatewayV2::Stage')
  expect(Properties.DefaultRouteSettings).toEqual({ ThrottlingRateLimit: 8, ThrottlingBurstLimit: 8 })
  expect(JSON.parse(Properties.AccessLogSettings.Format)).toMatchObject({
    requestId: '$context.requestId',
    caller: '$context.identity.userArn',
  })
})
