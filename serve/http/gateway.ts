import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import {
  answerProblem,
  asksForPage,
  forbidden,
  formTooLarge,
  isFromHere,
  pageFor,
  protect,
  refusalOf,
  serverOf,
  takeForm,
  tokenOf,
} from '../../page/serve.ts'
import type { Served } from '../../src/api/route.ts'
import { type ProblemCode, titleOf } from '../../src/words/problem.ts'
import { LocalProblem, type ProcessLogger } from '../process.ts'
import type { Doorkeeper } from '../tokens.ts'
import type { LocalEvents } from './events.ts'
import { answerOf, answerRoutes, indented } from './routes.ts'

/** What a process tells of itself and of its database, beside the API. */
export interface ProcessState {
  /** Why it is not ready; null: it is. */
  whyNotReady(): Promise<ProblemCode | null>
  /** The answer for Prometheus. */
  metrics(): Promise<{ contentType: string; body: string }>
}

/** Answers `/healthz` and `/readyz`, which need no token and so tell nothing of the database but a code. False: another path. */
async function answerHealth(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  { whyNotReady }: ProcessState,
): Promise<boolean> {
  const path = url!.split('?')[0]
  if (method !== 'GET' || (path !== '/healthz' && path !== '/readyz')) return false
  const code = path === '/readyz' ? await whyNotReady() : null
  const detail = 'The log of the process says more, and so does: viewkeeper doctor'
  if (code !== null) answerProblem(response, { status: 503, code, title: titleOf(code), detail })
  else response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-store' }).end('ok\n')
  return true
}

/** Answers with the metrics of the process, for Prometheus. Throws the Problem of a caller who may not read them. */
async function answerMetrics(
  { headersDistinct, socket }: IncomingMessage,
  response: ServerResponse,
  { metrics }: ProcessState,
  doorkeeper: Doorkeeper | undefined,
): Promise<void> {
  // Without the database there are no numbers of views to keep from anybody; that it is away has to be told.
  await doorkeeper?.authorize(headersDistinct.authorization, 'read', socket.remoteAddress ?? '', true)
  const { contentType, body } = await metrics()
  response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' }).end(body)
}

interface GatewayOptions {
  /** Default: 127.0.0.1. */
  host?: string
  port: number
  /** Default: all. */
  routes?: object
  /** What the routes work with. */
  served: Served & { logger: ProcessLogger }
  /** The name of the environment. Default: it has none. */
  environment?: string | null | undefined
  /** What `GET /events` streams. Default: nothing, there is no such route. */
  events?: LocalEvents | undefined
  /** What is told of the process. Default: nothing, there are no such routes. */
  watched?: ProcessState | undefined
  /** Lets requests in by their tokens. Default: every request from this machine is let in. */
  doorkeeper?: Doorkeeper | undefined
  /** Whether the doorkeeper lets requests in that a program of this machine sends, as far as one can tell. Default: false. */
  trustsMachine?: boolean
  /** How long `close` waits for answers that have begun. Default: 0. */
  drainMs?: number
  /** How long `close` goes on taking requests if somebody asks for `/readyz`, which then says 503. Default: 0. */
  lingerMs?: number
}

export interface Gateway {
  url: string
  close(): Promise<void>
}

/**
 * So many requests may be open at once; above that they are refused before their bodies are read. Two kinds count not at all, so that nobody
 * is kept out by those whom nobody knows: health, and a form that a stranger is still sending.
 */
const mostOpen = 400

/** A stranger sends no more: the form with a token. */
const mostOfStranger = 4096

/** Whether the page knows who sends this request. */
const isKnown = async (request: IncomingMessage, doorkeeper: Doorkeeper): Promise<boolean> => {
  const token = tokenOf(request)
  if (token === undefined) return false
  return doorkeeper.authorize([`Bearer ${token}`], 'read', request.socket.remoteAddress ?? '').then(
    () => true,
    () => false,
  )
}

/** Longer than a proxy keeps an idle connection, which otherwise ends under a request that the proxy is just sending. */
const keepAliveMs = 125_000

/**
 * Serves the page at `/`, events at `/events`, and the routes of `src/api/routes.ts`. Without a doorkeeper, on loopback, requests need no token: only this machine
 * can connect, and `Host` and `Origin` are checked.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { served, environment, events, host = '127.0.0.1', drainMs = 0, lingerMs = 0 } = options
  let open = 0
  let port = 0
  let url = ''
  let isProbed = false
  let isClosing = false
  const watched = options.watched && {
    ...options.watched,
    async whyNotReady() {
      isProbed = true
      return isClosing ? ('FunctionUnavailable' as const) : options.watched!.whyNotReady()
    },
  }
  // Whoever shows a token is who it says, and may what it may, on this machine, too.
  const doorkeeperOf = (request: IncomingMessage) =>
    options.trustsMachine && isFromHere(request, port) && request.headers.authorization === undefined
      ? undefined
      : options.doorkeeper
  const { answer, apiOf } = answerRoutes({ routes: options.routes, served, doorkeeperOf, hint: events?.hint })
  const page = pageFor({
    target: () => ({
      name: environment ?? url,
      environment: environment ?? null,
      url,
      typed: served.typed,
      events: events && true,
    }),
    apiOf,
    signsIn: options.doorkeeper !== undefined,
    onDefect: (error) => answerOf(error, served.logger),
  })
  const server = serverOf(
    async (request, response) => {
      // Node sends no body, whatever is written: it has seen the method.
      if (request.method === 'HEAD') request.method = 'GET'
      if (isClosing) response.setHeader('connection', 'close')
      // A client keeps the connection of an answer that had begun before.
      response.on('finish', () => isClosing && request.socket.destroySoon())
      const doorkeeper = doorkeeperOf(request)
      const refusal = refusalOf(request, doorkeeper ? null : port)
      protect(response)
      if (refusal) return answerProblem(response, forbidden(refusal))
      if (watched && (await answerHealth(request, response, watched))) return
      const isForm = request.method === 'POST' && asksForPage(request)
      if (
        isForm &&
        doorkeeper &&
        !(await isKnown(request, doorkeeper)) &&
        !(await takeForm(request, mostOfStranger))
      )
        return answerProblem(response, formTooLarge('Before you have signed in, a form has at most 4 kB.'))
      if (response.destroyed) return
      if (open >= mostOpen) return refuseMore(response)
      open++
      response.on('close', () => open--)
      await handle(request, response, { events, watched, doorkeeper, page, answer })
    },
    (error) => {
      const { statusCode, headers, body } = answerOf(error, served.logger)
      return (response) => response.writeHead(statusCode, headers).end(indented(body))
    },
  )
  server.keepAliveTimeout = keepAliveMs
  try {
    server.listen(options.port, host)
    await once(server, 'listening')
  } catch (cause) {
    throw new LocalProblem(whyNot(cause as NodeJS.ErrnoException, options.port), { cause })
  }
  port = (server.address() as AddressInfo).port
  url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  return {
    url,
    async close() {
      isClosing = true
      // Whoever asks whether we are ready sends requests until the answer is no.
      if (isProbed) await pause(lingerMs)
      const closed = once(server, 'close')
      server.close()
      const timer = setTimeout(() => server.closeAllConnections(), drainMs)
      await closed
      clearTimeout(timer)
    },
  }
}

function refuseMore(response: ServerResponse): void {
  response.setHeader('retry-after', '5')
  response.setHeader('connection', 'close')
  const detail = `${mostOpen} requests are open already. Nothing was begun: try again in some seconds, with fewer at once.`
  answerProblem(response, {
    status: 503,
    code: 'TooManyRequests',
    title: 'Too many requests at once',
    detail,
  })
}

interface Handling extends Pick<GatewayOptions, 'events' | 'watched' | 'doorkeeper'> {
  page: ReturnType<typeof pageFor>
  answer: ReturnType<typeof answerRoutes>['answer']
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  { events, watched, doorkeeper, page, answer }: Handling,
): Promise<void> {
  if (asksForPage(request)) return page(request, response)
  const path = request.url!.split('?')[0] as string
  // The address of another server, as a proxy is asked for it.
  if (!path.startsWith('/'))
    return answerProblem(response, {
      status: 404,
      code: 'UnknownRoute',
      title: 'No such route',
      detail: `There is no ${path}.`,
    })
  if (watched && request.method === 'GET' && path === '/metrics')
    return answerMetrics(request, response, watched, doorkeeper)
  if (events && request.method === 'GET' && path === '/events') return events.add(request, response)
  return answer(request, response)
}

function whyNot({ code, message }: NodeJS.ErrnoException, port: number): string {
  if (code === 'EADDRINUSE') return `port ${port} is taken: set PORT to another one`
  if (code === 'EACCES') return `port ${port} may not be used by this user: set PORT to one above 1023`
  return `cannot listen on port ${port}: ${message}`
}
