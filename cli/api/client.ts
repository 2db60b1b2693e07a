import { setTimeout as pause } from 'node:timers/promises'
import { findGateway } from '../../serve/process.ts'
import { type SendOptions, withQuery } from '../../src/api/ask.ts'
import type { Problem } from '../../src/words/problem.ts'
import { type Api, type ApiRequest, ApiUnavailable, type Client, isOfGateway, problemOf } from './api.ts'

/** API Gateway gives up after 30 s; so does the local gateway. */
const longestMs = 35_000
const mostTries = 3
const firstPauseMs = 500
const longestPauseMs = 5000

/** A request with its whole address. */
export interface AddressedRequest extends Omit<ApiRequest, 'path'> {
  url: URL
}

interface ClientOptions extends Pick<Api, 'name' | 'environment' | 'url' | 'policyFor'> {
  /** Sends a request that is addressed to the API. Default: as it is, without a signature. */
  deliver?: (request: AddressedRequest) => Promise<Response>
}

/** The API at an address. */
export function clientOf({ deliver = fetchOnce, ...target }: ClientOptions): Client {
  const bearer: Record<string, string> =
    target.environment === null && process.env.VIEWKEEPER_TOKEN
      ? { authorization: `Bearer ${process.env.VIEWKEEPER_TOKEN}` }
      : {}
  const forward = async ({ path, ...request }: ApiRequest) => {
    try {
      return await whole(
        await deliver({
          ...request,
          headers: { ...bearer, ...request.headers },
          url: addressOf(target.url, path),
        }),
      )
    } catch (error) {
      throw whyUnavailable(error as Error, target)
    }
  }
  return {
    ...target,
    forward,
    async send<Body>(method: 'GET' | 'POST', path: string, options: SendOptions = {}) {
      const request = requestOf(method, path, options)
      for (let tries = 1; ; tries++) {
        const tried = await forward(request).catch((error: Problem) => error)
        const pauseMs = tries < mostTries ? pauseBeforeRetry(request, tried, tries) : undefined
        if (pauseMs !== undefined) {
          await pause(pauseMs)
          continue
        }
        if (tried instanceof Error) throw tried
        if (!tried.ok) throw await problemOf(tried, { ...request, api: target })
        return { status: tried.status, body: await bodyOf<Body>(tried, target) }
      }
    },
  }
}

/**
 * Sends a request once. No redirect is followed, because a signature is for one host, and an answer that takes too long
 * is an error.
 */
export const fetchOnce = ({ url, method, headers, body }: AddressedRequest): Promise<Response> =>
  fetch(url, {
    method,
    headers,
    // A buffer of its own: TypeScript's `fetch` refuses a view of memory that may be shared.
    ...(body && body.length > 0 ? { body: new Uint8Array(body) } : {}),
    redirect: 'manual',
    signal: AbortSignal.timeout(longestMs),
  })

/** An answer whose body has arrived: a connection that breaks halfway is an error of the request, not of who reads. */
async function whole(answer: Response): Promise<Response> {
  const body = await answer.arrayBuffer()
  const { status, headers } = answer
  return new Response(body.byteLength === 0 ? null : body, { status, headers })
}

function requestOf(
  method: string,
  path: string,
  { query, body, wait, idempotencyKey }: SendOptions,
): ApiRequest {
  return {
    method,
    path: withQuery(path, query),
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(wait !== undefined && { prefer: `wait=${wait}` }),
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
    },
    ...(body && { body: Buffer.from(JSON.stringify(body)) }),
  }
}

/** The address of a path. URLs drop `.` and `..`, also encoded ones, which would then name another route. */
function addressOf(base: string, path: string): URL {
  const [route = ''] = path.split('?')
  const url = new URL(`${base}${path}`)
  if (!path.startsWith('/') || url.pathname !== `${new URL(`${base}/`).pathname.replace(/\/$/, '')}${route}`)
    throw new ApiUnavailable('NotReached', `${route} is no path of the API: write names percent-encoded.`)
  return url
}

/**
 * How long to wait before the same request is sent again. Undefined: not again, because the answer is final, or because
 * something may have begun.
 */
function pauseBeforeRetry(
  { method, headers }: ApiRequest,
  tried: Response | Problem,
  tries: number,
): number | undefined {
  const repeatable = method === 'GET' || headers['idempotency-key'] !== undefined
  if (tried instanceof Error) return repeatable && wasCutOff(tried) ? firstPauseMs * tries : undefined
  if (tried.status === 429) return firstPauseMs * tries
  const retryAfter = Number(tried.headers.get('retry-after') ?? Number.NaN) * 1000
  // One more try: a person waits, and a database that is away stays away for longer.
  if (method === 'GET' && tried.status === 503 && tries === 1 && retryAfter >= 0)
    return Math.min(retryAfter, longestPauseMs)
  // With its key, a request whose answer is lost gets the same run. A run that has failed is told, not repeated.
  if (repeatable && isOfGateway(tried) && [502, 503, 504].includes(tried.status)) return firstPauseMs * tries
  return undefined
}

const codeOf = (error: unknown): string => {
  const { code, name } = ((error as Error).cause ?? error) as { code?: string; name?: string }
  return code ?? name ?? ''
}

/** Whether the connection broke in the middle of a request. */
const wasCutOff = ({ cause }: Error): boolean =>
  ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(codeOf(cause ?? {}))

function whyUnavailable(error: Error, { name, environment, url }: Omit<Client, 'send' | 'forward'>): Error {
  if (error.name !== 'TypeError' && error.name !== 'TimeoutError') return error
  const code = codeOf(error)
  const { host } = new URL(url)
  if (error.name === 'TimeoutError')
    return new ApiUnavailable(
      'NoAnswer',
      `${name} did not answer within ${longestMs / 1000} s. What was asked for may have begun all the same: look before you send it again.`,
      error,
    )
  if (environment !== null)
    return new ApiUnavailable('NotReached', `${name} cannot be reached at ${host} (${code}).`, error)
  const folder = process.env.DATA_DIR || '.viewkeeper'
  const named = findGateway(folder)
  const stale =
    named?.url === url
      ? ` ${folder}/gateway.json names it, of process ${named.pid}: if that is another program by now, remove the file.`
      : ''
  return new ApiUnavailable(
    'NotReached',
    `Nothing answers at ${url} (${code}).${stale} Start \`npx viewkeeper dev\`, or \`npx viewkeeper serve\` on a database. Name one that runs elsewhere with PORT or --url, a deployed environment with --env or VIEWKEEPER_ENV, and a database on which none runs with DATABASE_URL.`,
    error,
  )
}

async function bodyOf<Body>(response: Response, { url }: Pick<Api, 'url'>): Promise<Body> {
  const text = await response.text()
  try {
    return JSON.parse(text) as Body
  } catch (cause) {
    throw new ApiUnavailable(
      'NotReached',
      `${url} answered something that is not JSON. Is it the address of a Viewkeeper API?`,
      cause,
    )
  }
}
