import type { APIGatewayProxyEvent } from 'aws-lambda'
import { beforeEach, expect, test, vi } from 'vitest'
import { type HttpEvent, json } from '../../../src/edge/http/http.ts'
import { answerHttp, eventFunction } from '../../../src/edge/lambda/function.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/aws/lambda.ts'

beforeEach(() => {
  for (const stream of ['log', 'info', 'warn', 'error'] as const) vi.spyOn(console, stream).mockReturnValue()
  return () => vi.restoreAllMocks()
})

/** An event of a REST API, as far as the functions read it. */
const restEvent = (changes: object = {}): APIGatewayProxyEvent =>
  ({
    resource: '/views/{view}/refresh',
    path: '/views/%22Odd%2FName%22/refresh',
    httpMethod: 'POST',
    headers: { Host: 'a.example.com', Prefer: 'wait=20', 'Idempotency-Key': 'Key' },
    multiValueHeaders: {},
    queryStringParameters: { view: 'b' },
    multiValueQueryStringParameters: { view: ['a', 'b'] },
    pathParameters: { view: '%22Odd%2FName%22' },
    stageVariables: null,
    body: '{}',
    isBase64Encoded: false,
    requestContext: {
      stage: 'v1',
      path: '/v1/views/%22Odd%2FName%22/refresh',
      requestTimeEpoch: 1_764_579_600_000,
      identity: { userArn: 'arn:aws:iam::000000000000:user/ci' },
    },
    ...changes,
  }) as unknown as APIGatewayProxyEvent

const seenBy = async (event: object) => {
  let seen: unknown
  await eventFunction<object, unknown>(async (given) => {
    seen = given
  })(event, lambdaContext())
  return seen as HttpEvent
}

test('the event of a private API becomes the one that an HTTP API would send', async () => {
  expect(await seenBy(restEvent())).toEqual({
    routeKey: 'POST /views/{view}/refresh',
    headers: { host: 'a.example.com', prefer: 'wait=20', 'idempotency-key': 'Key' },
    pathParameters: { view: '"Odd/Name"' },
    queryStringParameters: { view: 'a,b' },
    body: '{}',
    isBase64Encoded: false,
    requestContext: {
      timeEpoch: 1_764_579_600_000,
      authorizer: { iam: { userArn: 'arn:aws:iam::000000000000:user/ci' } },
    },
  })
})

test('what a request does not have is left out, and a path that is not encoded correctly stays', async () => {
  const bare = restEvent({
    headers: null,
    multiValueQueryStringParameters: null,
    pathParameters: { view: '100%' },
    body: null,
  })
  expect(await seenBy(bare)).toMatchObject({
    headers: {},
    queryStringParameters: {},
    pathParameters: { view: '100%' },
    body: undefined,
  })
})

test('other events stay as they are', async () => {
  for (const event of [httpEvent('GET /views'), { trigger: 'schedule' }])
    expect(await seenBy(event)).toBe(event)
})

test('a Location has the stage of a private API, and nothing before it otherwise', async () => {
  const handlers = {
    cancelRun: async () => json(202, {}, { location: '/runs/812' }),
    cancelBatch: async () => json(200, {}),
  }
  const started = eventFunction((event: HttpEvent) => answerHttp(handlers, () => ({}) as never, event))
  const call = async (event: object) => parsed(await started(event as HttpEvent, lambdaContext()))
  const rest = (resource: string) => restEvent({ resource, pathParameters: { id: '1' } })
  expect((await call(rest('/runs/{id}/cancel'))).headers?.location).toBe('/v1/runs/812')
  expect((await call(rest('/batches/{id}/cancel'))).headers).not.toHaveProperty('location')
  expect((await call(httpEvent('POST /runs/{id}/cancel'))).headers?.location).toBe('/runs/812')
})

test('a route that the function does not have is refused', async () => {
  const handlers = { cancelRun: async () => json(200, {}) }
  const none = eventFunction((event: HttpEvent) => answerHttp(handlers, () => ({}) as never, event))
  expect(parsed(await none(restEvent() as never, lambdaContext()))).toMatchObject({
    statusCode: 404,
    body: { code: 'UnknownRoute' },
  })
})
