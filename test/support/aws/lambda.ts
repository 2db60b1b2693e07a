import type { Context } from 'aws-lambda'
import { afterAll, beforeAll, beforeEach, vi } from 'vitest'
import type { HttpAnswer } from '../../../src/api/http.ts'
import type { HttpEvent } from '../../../src/api/lambda/function.ts'
import { muteConsole } from '../console.ts'

/** What Lambda hands to a function beside the event. */
export const lambdaContext = (changes: Partial<Context> = {}): Context =>
  ({
    awsRequestId: 'request-1',
    functionName: 'test',
    functionVersion: '1',
    memoryLimitInMB: '256',
    getRemainingTimeInMillis: () => 40_000,
    ...changes,
  }) as Context

/** An event of API Gateway's HTTP API, payload 2.0, as far as the functions read it. */
export function httpEvent(
  routeKey: string,
  {
    path = {},
    query,
    headers = {},
    body,
    caller = 'arn:aws:iam::000000000000:user/ci',
  }: {
    path?: Record<string, string>
    query?: Record<string, string>
    headers?: Record<string, string>
    body?: string | object
    caller?: string
  } = {},
): HttpEvent {
  return {
    version: '2.0',
    routeKey,
    headers,
    pathParameters: path,
    ...(query && { queryStringParameters: query }),
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    isBase64Encoded: false,
    requestContext: { routeKey, timeEpoch: Date.now(), authorizer: { iam: { userArn: caller } } },
  } as unknown as HttpEvent
}

/** The answer with its body parsed. */
export const parsed = (answer: HttpAnswer) => ({ ...answer, body: JSON.parse(answer.body ?? 'null') })

/** Lets the functions work on the database at `url` while a file's tests run, and keeps their log lines off the screen. */
export function quietFunctionsOn(url: string): void {
  beforeAll(() => {
    process.env.DATABASE_URL = url
  })
  afterAll(() => {
    delete process.env.DATABASE_URL
  })
  beforeEach(() => {
    muteConsole()
    return () => vi.restoreAllMocks()
  })
}
