import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { type OwnProblem, readBody, tooLarge } from '../../page/serve.ts'
import { type Api, type SendOptions, withQuery } from '../../src/api/ask.ts'
import { answerHttp, type HttpAnswer, json, knownProblem, problemAnswer } from '../../src/api/http.ts'
import type { AnyRoute, Served } from '../../src/api/route.ts'
import { routes as all } from '../../src/api/routes.ts'
import { inTurn, makeTurns } from '../../src/keeper/advancer.ts'
import type { Logger } from '../../src/keeper/terms.ts'
import { person } from '../../src/terminal/report.ts'
import { bodyOfProblem, Problem, type ProblemBody } from '../../src/words/problem.ts'
import type { ProcessLogger } from '../process.ts'
import type { Doorkeeper } from '../tokens.ts'

/** API Gateway takes no larger body. */
const largestBody = 10 * 1024 * 1024

/** What routes are answered with, and how. */
interface RoutesOptions {
  /** Default: all. */
  routes?: object | undefined
  served: Served & { logger: ProcessLogger }
  /** Lets a request in by its token; undefined: it needs none. */
  doorkeeperOf(request: IncomingMessage): Doorkeeper | undefined
  /** Tells listeners that something changes. */
  hint?: (() => void) | undefined
}

/** What is known of a request: as Node has received it, or as this process makes one for a page that somebody asks for. */
interface Incoming {
  incoming: Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'headersDistinct' | 'socket'>
  /** Default: what the request sends. */
  body?: Buffer
}

/** A request that comes over no connection. Names of headers are in lower case. */
interface OwnRequest {
  url: URL
  method: string
  headers: Record<string, string>
  body?: Uint8Array
}

/**
 * Answers the routes of the API, each by its use case in this process. Hono matches and parses; connections, the deadline and who is
 * let in are ours.
 */
export function answerRoutes({ routes = all, served, doorkeeperOf, hint }: RoutesOptions) {
  const app = appOf<Incoming>(routes, async (matched, { incoming, body }) => {
    const at = Date.now()
    const requestId = randomUUID()
    const { traceparent } = incoming.headers
    const logger = served.logger.with({ requestId, ...(traceparent && { traceparent }) })
    const asked = { incoming: incoming as IncomingMessage, body }
    const work = answerMatched(matched, asked, doorkeeperOf(asked.incoming), { ...served, logger }, at)
    const answer = await (matched.route.method === 'GET' || !hint ? work : whileHinting(work, hint))
    const { method, url } = incoming
    logger.debug('request', { method, url, status: answer.statusCode, ms: Date.now() - at })
    return responseOf({ ...answer, headers: { ...answer.headers, 'x-request-id': requestId } })
  })
  app.notFound(({ req }) => {
    // The host of the address may be none.
    const [path] = req.url.slice(req.url.indexOf('/', 'https://'.length)).split('?')
    const detail = `There is no ${req.method} ${path}. GET /openapi.json lists the routes.`
    return responseOf(ownAnswer({ status: 404, code: 'UnknownRoute', title: 'No such route', detail }))
  })

  /** Answers a request that this process makes itself, as the user of this machine. */
  const answerHere = ({ url, method, headers, body = new Uint8Array() }: OwnRequest): Promise<Response> => {
    const headersDistinct = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, [value]]),
    )
    const incoming = {
      method,
      url: url.href,
      headers,
      headersDistinct,
      socket: {} as IncomingMessage['socket'],
    }
    return Promise.resolve(app.fetch(new Request(url, { method }), { incoming, body: Buffer.from(body) }))
  }

  /** The routes for a page: as whoever asks for it may use them, with the token that they have signed in with, if they have. */
  const apiOf = ({ headers, headersDistinct, socket }: IncomingMessage, token: string | undefined): Api => ({
    async send<Body>(
      method: 'GET' | 'POST',
      path: string,
      { query, body, idempotencyKey }: SendOptions = {},
    ) {
      const url = withQuery(path, query)
      // The path of a view `..` would be that of another route.
      if (new URL(url, 'http://page').pathname !== path)
        throw new Problem('UnknownRoute', `There is no ${method} ${path}.`)
      const own = {
        ...headersDistinct,
        ...(token !== undefined && { authorization: [`Bearer ${token}`] }),
        ...(idempotencyKey !== undefined && { 'idempotency-key': [idempotencyKey] }),
      }
      const response = await app.fetch(new Request(`http://page${url}`, { method }), {
        incoming: { method, url, headers, headersDistinct: own, socket },
        body: Buffer.from(body === undefined ? '' : JSON.stringify(body)),
      })
      const answer = (await response.json()) as Body
      if (response.ok) return { status: response.status, body: answer }
      const { code, detail, ...details } = answer as ProblemBody
      throw new Problem(code, detail, details)
    },
  })
  return { answer: getRequestListener(app.fetch, { overrideGlobalObjects: false }), answerHere, apiOf }
}

/** What a request has that Hono has matched: parameters that it has decoded, and a query with commas between values of one name. */
interface Matched {
  route: AnyRoute
  path: Record<string, string>
  query: Record<string, string>
}

/** The application of these routes: it matches requests, and has them answered. */
function appOf<Bindings extends object>(
  routes: object,
  answer: (matched: Matched, bindings: Bindings) => Promise<Response>,
): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>()
  for (const route of Object.values(routes) as AnyRoute[])
    app.on(route.method, route.path.replace(/\{(\w+)\}/g, ':$1'), (context) => {
      const { req, env } = context
      const query = Object.entries(req.queries()).map(([name, values]) => [name, values.join()])
      return answer({ route, path: req.param(), query: Object.fromEntries(query) }, env)
    })
  return app
}

/** JSON is indented, because people read it in a terminal. */
export const indented = (body: string): string => `${JSON.stringify(JSON.parse(body), null, 2)}\n`

const responseOf = ({ statusCode: status, headers, body }: HttpAnswer): Response =>
  new Response(indented(body), { status, headers })

/** A problem of this process itself. */
const ownAnswer = (problem: OwnProblem): HttpAnswer =>
  json(problem.status, bodyOfProblem(problem), { 'content-type': 'application/problem+json' })

async function answerMatched(
  { route, path, query }: Matched,
  { incoming, body: given }: { incoming: IncomingMessage; body: Buffer | undefined },
  doorkeeper: Doorkeeper | undefined,
  served: Served,
  at: number,
): Promise<HttpAnswer> {
  try {
    const { headersDistinct, socket } = incoming
    const address = socket.remoteAddress ?? ''
    const caller = await doorkeeper?.authorize(headersDistinct.authorization, route.policy, address)
    const body = given ?? (await readBody(incoming, largestBody))
    if (body === undefined) return ownAnswer(tooLarge)
    const headers = Object.fromEntries(
      Object.entries(headersDistinct).map(([name, values]) => [name, values?.join()]),
    )
    const requestedBy = caller ? `token:${caller.name}` : person()
    const answer = () => answerHttp(route, { path, query, headers, body, requestedBy, at }, served)
    const free = { until: AbortSignal.timeout(longestQueueMs), refused: tooMany }
    return await withDeadline(
      inTurn(connections, route.waits === 'for the end', free, answer),
      route.function,
    )
  } catch (error) {
    return answerOf(error, served.logger)
  }
}

/**
 * The most connections that requests and batches open together: 24 here, and 16 to advance batches. A server allows 100 by
 * default, and other clients need some.
 */
export const mostConnections = 40

const connections = { long: makeTurns(20), brief: makeTurns(4) }

const longestQueueMs = 5000

const tooMany = () =>
  new Problem(
    'TooManyConnections',
    `Other requests have held all connections for ${longestQueueMs / 1000} s. Nothing was begun: try again in some seconds, ` +
      'with fewer requests at once.',
  )

/** The answer for an error. Who is not let in, or comes when too many do, is no failure of ours, and is not logged. */
export const answerOf = (error: unknown, logger: Logger): HttpAnswer =>
  problemAnswer(error instanceof Problem ? error : knownProblem(error, logger))

/** What a request changes is there at the end, but a run that the request waits for begins soon. */
const soonMs = 300

async function whileHinting<T>(work: Promise<T>, hint: () => void): Promise<T> {
  const timer = setTimeout(hint, soonMs)
  try {
    return await work
  } finally {
    clearTimeout(timer)
    hint()
  }
}

/** The longest wait of API Gateway for a function, and so of callers here. */
const timeoutSeconds = 30

async function withDeadline(work: Promise<HttpAnswer>, name: string): Promise<HttpAnswer> {
  const { promise, resolve } = Promise.withResolvers<HttpAnswer>()
  const detail = `Function ${name} took more than ${timeoutSeconds} s.`
  const problem = { code: 'GatewayTimeout', status: 503, title: 'No answer in time', detail }
  const timer = setTimeout(() => resolve(ownAnswer(problem)), timeoutSeconds * 1000)
  return Promise.race([work, promise]).finally(() => clearTimeout(timer))
}
