import type { Logger } from '../keeper/terms.ts'
import { problemOf } from '../server/failures.ts'
import { version, versionHeader } from '../version.ts'
import { bodyOfProblem, mayRetry, Problem, type ProblemBody, statusOf, titleOf } from '../words/problem.ts'
import { validate } from './request-fields.ts'
import type { AnyRoute, Served } from './route.ts'
import { fitting } from './size.ts'

/** A request for a route, as a door has matched and parsed it. */
export interface HttpRequest {
  path: Record<string, string | undefined>
  /** Of several with one name, the values with commas between them. */
  query: Record<string, string | undefined>
  /** By names in lower case. */
  headers: Record<string, string | undefined>
  body: string | Uint8Array
  /** The caller, as the door knows it. */
  requestedBy: string
  /** When the request came in (epoch milliseconds). */
  at: number
}

/** An answer, as Lambda gives it to API Gateway. */
export interface HttpAnswer {
  statusCode: number
  headers: Record<string, string>
  body: string
}

/**
 * Answers a request: 200, or 202 with its location while what has begun goes on. Every error becomes a problem, in the answer and
 * in the log. A caller waits for `most` seconds at most.
 */
export async function answerHttp(
  route: AnyRoute,
  request: HttpRequest,
  served: Served,
  most?: number,
): Promise<HttpAnswer> {
  try {
    const { path, query, body } = route.takes ?? {}
    const input = {
      ...(path && (validate(path, request.path, 'path') as object)),
      ...(query && (validate(query, request.query, 'query') as object)),
      ...(body && (validate(body, bodyOf(request.body), 'body') as object)),
    }
    const answer = await route.answer(served, input, {
      trigger: served.trigger ?? 'http',
      requestedBy: request.requestedBy,
      caller: withoutSession(request.requestedBy),
      idempotencyKey: route.key ? idempotencyKeyOf(request) : null,
      waitUntil: waitUntilOf(request, route.waits === 'for the cancel' ? 3 : 0, most),
    })
    const location = route.location?.(answer) ?? null
    return location === null ? json(200, answer) : json(202, answer, { location })
  } catch (thrown) {
    return problemAnswer(isOnRecord(thrown) ? thrown : knownProblem(thrown, served.logger))
  }
}

/** Whether a run or a batch records the failure: its end is logged. */
const isOnRecord = (thrown: unknown): thrown is Problem =>
  thrown instanceof Problem && (thrown.details.runId ?? thrown.details.batchId) !== undefined

/** The most seconds that a caller waits. */
const longestWaitSeconds = 25

/** An answer with a JSON body, cut if Lambda would refuse it for its size. */
export const json = (
  statusCode: number,
  body: unknown,
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
  const [status, title] = [statusOf(code), titleOf(code)]
  const body: ProblemBody = bodyOfProblem({ title, status, detail: message, code, ...details })
  const headers: Record<string, string> = {
    ...(mayRetry(code) && { 'retry-after': '5' }),
    ...(code === 'TooManyRefusals' && { 'retry-after': '60' }),
    ...(code === 'Unauthenticated' && { 'www-authenticate': 'Bearer' }),
  }
  return json(status, body, { 'content-type': 'application/problem+json', ...headers })
}

/** The JSON object in the body; an empty body is an empty object. */
export function bodyOf(body: string | Uint8Array): unknown {
  try {
    const text = typeof body === 'string' ? body : utf8.decode(body)
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

/**
 * The caller that idempotency keys belong to. The session name of a role is left out, because it differs from
 * one task or build to the next: `arn:aws:sts::1:assumed-role/ci/build-7` becomes
 * `arn:aws:sts::1:assumed-role/ci`.
 */
const withoutSession = (arn: string): string =>
  arn.replace(/^(arn:[^:]+:sts:.*:assumed-role\/[^/]+)\/.*$/, '$1')

/**
 * Until when the caller waits (epoch milliseconds), from `Prefer: wait=N` (RFC 7240). The wait is at most 25
 * s from the moment when the request reached the gateway, because the gateway gives up after 30 s.
 */
export function waitUntilOf(
  { headers, at }: Pick<HttpRequest, 'headers' | 'at'>,
  least = 0,
  most = longestWaitSeconds,
): number {
  const wait = /(?:^|[,;\s])wait\s*=\s*"?(\d+)"?/i.exec(headers.prefer ?? '')
  const seconds = Math.min(Number(wait?.[1] ?? 0), most, longestWaitSeconds)
  return at + Math.max(seconds, least) * 1000
}

/** The request's Idempotency-Key; null if it has none. */
export function idempotencyKeyOf({ headers }: Pick<HttpRequest, 'headers'>): string | null {
  const key = headers['idempotency-key']
  if (key === undefined) return null
  const refused = (message: string) =>
    new Problem('InvalidRequest', `Idempotency-Key must ${message}.`, { field: 'Idempotency-Key' })
  if (key === '' || key.length > 255) throw refused('have 1 to 255 characters')
  if (!key.isWellFormed()) throw refused('not contain half of a surrogate pair')
  return key
}

/**
 * Returns a Problem as it is. Anything else is a defect of ours: its details stay in the log, and
 * InternalError is returned. A mistake of the caller is logged as `info`. A Problem with status 500 or more
 * is logged as `error`, and so is every Problem that fails an event; `failedEvent` then holds the fields that
 * name the event.
 */
export function knownProblem(thrown: unknown, logger: Logger, failedEvent?: object): Problem {
  const problem = problemOf(thrown)
  if (problem instanceof Problem) {
    const isError = failedEvent !== undefined || statusOf(problem.code) >= 500
    logger[isError ? 'error' : 'info']('refused', {
      code: problem.code,
      problem: problem.message,
      ...problem.details,
      ...failedEvent,
    })
    return problem
  }
  logger.error('unexpected error', { ...safeError(thrown), ...failedEvent })
  return new Problem('InternalError', 'Something went wrong inside Viewkeeper; its log has the details.')
}

/**
 * The name, the code and the places of an error, and nothing else: a server's message may quote row data, and its error object holds the
 * parameters of the query. With the version, `npm run stack` finds the places of a bundle in the sources.
 */
export const safeError = (thrown: unknown) =>
  thrown instanceof Error
    ? {
        errorName: thrown.name,
        errorCode: (thrown as { code?: string }).code,
        stack: thrown.stack?.split('\n').filter((line) => /^\s+at /.test(line)),
        version,
      }
    : { errorName: typeof thrown, version }
