import type { APIGatewayProxyEventV2WithIAMAuthorizer, APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import { mayRetry, Problem, statusOf, titleOf } from '../problem.ts'
import { version, versionHeader } from '../version.ts'
import type { ProblemBody } from './schemas/answers.ts'
import { fitting } from './size.ts'

export type HttpEvent = APIGatewayProxyEventV2WithIAMAuthorizer
export type HttpAnswer = APIGatewayProxyStructuredResultV2

const longestWaitSeconds = 25

/** A body before JSON has written its moments as texts. */
type Unwritten<Body> = Body extends string
  ? Body | Date
  : Body extends readonly (infer Each)[]
    ? Unwritten<Each>[]
    : Body extends object
      ? { [Field in keyof Body]: Unwritten<Body[Field]> }
      : Body

/**
 * An answer with a JSON body, cut if Lambda would refuse it for its size. `Body` is the answer as the schemas state it: what
 * lacks a field of it, or has one of another type, does not compile.
 */
export const json = <Body>(
  statusCode: number,
  body: Unwritten<Body>,
  headers: Record<string, string> = {},
): HttpAnswer => ({
  statusCode,
  headers: {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    [versionHeader]: version,
    ...headers,
  },
  body: JSON.stringify(fitting(body)),
})

/**
 * The answer for a Problem, by RFC 9457. It holds the message and the details of the Problem, and no cause or
 * stack.
 */
export function problemAnswer({ code, message, details }: Problem): HttpAnswer {
  const body = {
    type: `urn:viewkeeper:problem:${code}`,
    title: titleOf(code),
    status: statusOf(code),
    detail: message,
    code,
    ...details,
  }
  const headers: Record<string, string> = {
    ...(mayRetry(code) && { 'retry-after': '5' }),
    ...(code === 'TooManyRefusals' && { 'retry-after': '60' }),
    ...(code === 'Unauthenticated' && { 'www-authenticate': 'Bearer' }),
  }
  return json<ProblemBody>(statusOf(code), body, { 'content-type': 'application/problem+json', ...headers })
}

/** The JSON object in the body; an empty body is an empty object. */
export function bodyOf(event: HttpEvent): unknown {
  try {
    const text = event.isBase64Encoded
      ? utf8.decode(Buffer.from(event.body ?? '', 'base64'))
      : (event.body ?? '')
    return text.trim() === '' ? {} : JSON.parse(text)
  } catch {
    throw new Problem(
      'InvalidRequest',
      'body: it is not valid JSON in UTF-8. Send a JSON object, such as {}, or no body at all.',
      { field: 'body' },
    )
  }
}

/** Refuses what is not UTF-8, instead of reading another name out of it. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The caller, as IAM knows it; the local gateway gives the user of the operating system. */
export const callerOf = (event: HttpEvent): string => event.requestContext.authorizer?.iam?.userArn ?? ''

/**
 * The caller that idempotency keys belong to. The session name of a role is left out, because it differs from
 * one task or build to the next: `arn:aws:sts::1:assumed-role/ci/build-7` becomes
 * `arn:aws:sts::1:assumed-role/ci`.
 */
export const withoutSession = (arn: string): string =>
  arn.replace(/^(arn:[^:]+:sts:.*:assumed-role\/[^/]+)\/.*$/, '$1')

/**
 * Until when the caller waits (epoch milliseconds), from `Prefer: wait=N` (RFC 7240). The wait is at most 25
 * s from the moment when the request reached the gateway, because the gateway gives up after 30 s.
 */
export function waitUntilOf(event: HttpEvent, most = longestWaitSeconds): number {
  const wait = /(?:^|[,;\s])wait\s*=\s*"?(\d+)"?/i.exec(event.headers.prefer ?? '')
  const seconds = Math.min(Number(wait?.[1] ?? 0), most, longestWaitSeconds)
  return event.requestContext.timeEpoch + seconds * 1000
}

/** The request's Idempotency-Key; null if it has none. */
export function idempotencyKeyOf(event: HttpEvent): string | null {
  const key = event.headers['idempotency-key']
  if (key === undefined) return null
  if (key === '' || key.length > 255) {
    throw new Problem('InvalidRequest', 'Idempotency-Key must have 1 to 255 characters.', {
      field: 'Idempotency-Key',
    })
  }
  if (!key.isWellFormed()) {
    throw new Problem('InvalidRequest', 'Idempotency-Key must not contain half of a surrogate pair.', {
      field: 'Idempotency-Key',
    })
  }
  return key
}
