import type { APIGatewayProxyEventV2WithIAMAuthorizer, APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import { mayRetry, Problem, statusOf, titleOf } from '../../problem.ts'

export type HttpEvent = APIGatewayProxyEventV2WithIAMAuthorizer
export type HttpAnswer = APIGatewayProxyStructuredResultV2

const longestWaitSeconds = 25

/** An answer with a JSON body. */
export const json = (
  statusCode: number,
  body: unknown,
  headers: Record<string, string> = {},
): HttpAnswer => ({
  statusCode,
  headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  body: JSON.stringify(body),
})

/** The answer that tells of a Problem, as RFC 9457 has it. Only what the Problem says gets out: no cause, no stack. */
export function problemAnswer({ code, message, details }: Problem): HttpAnswer {
  const body = {
    type: `urn:viewkeeper:problem:${code}`,
    title: titleOf(code),
    status: statusOf(code),
    detail: message,
    code,
    ...details,
  }
  const retry: Record<string, string> = mayRetry(code) ? { 'retry-after': '5' } : {}
  return json(statusOf(code), body, { 'content-type': 'application/problem+json', ...retry })
}

/** The JSON object in the body; an empty body is an empty object. */
export function bodyOf(event: HttpEvent): unknown {
  const text = event.isBase64Encoded
    ? Buffer.from(event.body ?? '', 'base64').toString('utf8')
    : (event.body ?? '')
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    throw new Problem('InvalidRequest', 'body: it is not JSON.', { field: 'body' })
  }
}

/** Who calls, as IAM knows them; the local gateway puts a name of its own there. */
export const callerOf = (event: HttpEvent): string => event.requestContext.authorizer?.iam?.userArn ?? ''

/**
 * Whose idempotency keys these are: a role's session name differs from one task or build to the next, and is left out.
 * `arn:aws:sts::1:assumed-role/ci/build-7` is `arn:aws:sts::1:assumed-role/ci`.
 */
export const withoutSession = (arn: string): string =>
  arn.replace(/^(arn:[^:]+:sts:.*:assumed-role\/[^/]+)\/.*$/, '$1')

/**
 * Until when the caller waits (epoch milliseconds), from `Prefer: wait=N` (RFC 7240): at most 25 s, counted from when
 * the request reached the gateway, which itself gives up after 30.
 */
export function waitUntilOf(event: HttpEvent): number {
  const wait = /(?:^|[,;\s])wait\s*=\s*"?(\d+)"?/i.exec(event.headers.prefer ?? '')
  const seconds = Math.min(Number(wait?.[1] ?? 0), longestWaitSeconds)
  return event.requestContext.timeEpoch + seconds * 1000
}

/** The caller's Idempotency-Key, null without one. */
export function idempotencyKeyOf(event: HttpEvent): string | null {
  const key = event.headers['idempotency-key']
  if (key === undefined) return null
  if (key === '' || key.length > 255) {
    throw new Problem('InvalidRequest', 'Idempotency-Key: it must have 1 to 255 characters.', {
      field: 'Idempotency-Key',
    })
  }
  if (!key.isWellFormed()) {
    throw new Problem('InvalidRequest', 'Idempotency-Key: it must not contain half of a surrogate pair.', {
      field: 'Idempotency-Key',
    })
  }
  return key
}
