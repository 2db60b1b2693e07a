import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { answerProblem, forbidden, protect, tooLarge } from '../../page/serve/answers.ts'
import { readBody } from '../../page/serve/body.ts'
import type { PageFiles } from '../../page/serve/files.ts'
import { isFromHere, refusalOf } from '../../page/serve/guard.ts'
import { pageFor } from '../../page/serve/page.ts'
import { asksForPage, servePage } from '../../page/serve/serve.ts'
import { problemAnswer } from '../../src/api/http.ts'
import { matchRoute } from '../../src/api/match.ts'
import { type HttpFunctionName, routes } from '../../src/api/routes.ts'
import { Problem } from '../../src/problem.ts'
import type { CommandTarget } from '../../src/sql/commands.ts'
import { LocalProblem } from '../process/problem.ts'
import type { Doorkeeper } from '../tokens/doorkeeper.ts'
import { answer } from './answer.ts'
import { splitTarget, toEvent } from './event.ts'
import type { LocalEvents } from './events.ts'
import { type Handler, invoke } from './invoke.ts'
import { answerHealth, answerMetrics, asksForText, type Watched } from './watched.ts'

/** The longest wait of API Gateway for a function. */
const timeoutSeconds = 30

type LoadFunction = (name: HttpFunctionName) => Promise<Handler>

interface GatewayOptions {
  /** Default: 127.0.0.1. */
  host?: string
  port: number
  functions: LoadFunction
  /** The name of the environment. Default: it has none. */
  environment?: string | undefined
  /** What `GET /events` streams. Default: nothing, there is no such route. */
  events?: LocalEvents | undefined
  /** What is told of the process. Default: nothing, there are no such routes. */
  watched?: Watched | undefined
  /** Lets requests in by their tokens. Default: every request from this machine is let in. */
  doorkeeper?: Doorkeeper | undefined
  /** Whether the doorkeeper lets requests in that a program of this machine sends, as far as one can tell. Default: false. */
  trustsMachine?: boolean
  /** How long `close` waits for answers that have begun. Default: 0. */
  drainMs?: number
  /** How long `close` goes on taking requests if somebody asks for `/readyz`, which then says 503. Default: 0. */
  lingerMs?: number
  /** How commands that people copy from the page name the gateway at this address. Default: not at all. */
  typed?: (url: string) => CommandTarget
}

export interface Gateway {
  url: string
  close(): Promise<void>
}

/** So many requests may be open at once; above that they are refused before their bodies are read. */
const mostOpen = 400

/** Longer than a proxy keeps an idle connection, which otherwise ends under a request that the proxy is just sending. */
const keepAliveMs = 125_000

/**
 * Serves the page at `/`, events at `/events`, and the routes of `src/api/routes.ts`. Calls the functions'
 * handlers as API Gateway's HTTP API and Lambda do. Without a doorkeeper, on loopback, requests need no token: only this machine
 * can connect, and `Host` and `Origin` are checked.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { functions, environment, events, typed, host = '127.0.0.1', drainMs = 0, lingerMs = 0 } = options
  let open = 0
  let port = 0
  let isProbed = false
  let isClosing = false
  const watched = options.watched && {
    ...options.watched,
    async whyNotReady() {
      isProbed = true
      return isClosing ? ('FunctionUnavailable' as const) : options.watched!.whyNotReady()
    },
  }
  const server = createServer((request, response) => {
    open++
    response.on('close', () => open--)
    // Node sends no body, whatever is written: it has seen the method.
    if (request.method === 'HEAD') request.method = 'GET'
    if (isClosing) response.setHeader('connection', 'close')
    if (open > mostOpen) return refuseMore(response)
    const doorkeeper = options.trustsMachine && isFromHere(request, port) ? undefined : options.doorkeeper
    handle(request, response, { port, functions, events, watched, doorkeeper, page: () => page() }).catch(
      (error) => {
        if (response.destroyed) return // the client has left, or npm start is stopping
        if (error instanceof Problem) return answer(response, problemAnswer(error))
        console.error(error)
        if (response.headersSent) response.destroy()
        else
          answerProblem(response, {
            status: 500,
            code: 'InternalError',
            title: 'Something went wrong',
            detail: 'The function failed; its error is in the terminal.',
          })
      },
    )
  })
  server.keepAliveTimeout = keepAliveMs
  try {
    server.listen(options.port, host)
    await once(server, 'listening')
  } catch (cause) {
    throw new LocalProblem(whyNot(cause as NodeJS.ErrnoException, options.port), { cause })
  }
  port = (server.address() as AddressInfo).port
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  const page = pageFor(() => ({
    name: environment ?? url,
    environment: environment ?? null,
    url,
    typed: typed?.(url) ?? undefined,
    events: events && true,
  }))
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

interface Served extends Pick<GatewayOptions, 'functions' | 'events' | 'watched' | 'doorkeeper'> {
  port: number
  page: () => Promise<PageFiles>
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  { port, functions, events, watched, doorkeeper, page }: Served,
): Promise<void> {
  const refusal = refusalOf(request, doorkeeper ? null : port)
  protect(response)
  if (refusal) return answerProblem(response, forbidden(refusal))
  if (asksForPage(request)) return void servePage(request, response, await page())
  const { path } = splitTarget(request.url!)
  if (watched && request.method === 'GET' && (await answerHealth(path, response, watched))) return
  if (events && request.method === 'GET' && path === '/events') return events.add(request, response)
  const match = matchRoute(request.method!, path)
  if (!match) {
    const detail = `There is no ${request.method} ${path}. GET /openapi.json lists the routes.`
    return answerProblem(response, { status: 404, code: 'UnknownRoute', title: 'No such route', detail })
  }
  const isScrape = match.route === routes.getMetrics && asksForText(request)
  const caller = await doorkeeper?.authorize(
    request.headersDistinct.authorization,
    match.route.policy,
    request.socket.remoteAddress ?? '',
    // Without the database there are no numbers of views to keep from anybody; that it is away has to be told.
    isScrape,
  )
  if (watched && isScrape) return answerMetrics(response, watched)
  const body = await readBody(request)
  if (!body) return answerProblem(response, tooLarge)
  const { function: name } = match.route
  const event = toEvent(request, body, match, caller && `token:${caller.name}`)
  const handler = await functions(name)
  const work = withDeadline(invoke(name, handler, event))
  const result = await (request.method === 'GET' || !events ? work : whileHinting(work, events.hint))
  if (result !== late) return answer(response, result)
  const detail = `Function ${name} took more than ${timeoutSeconds} s.`
  answerProblem(response, { status: 503, code: 'GatewayTimeout', title: 'No answer in time', detail })
}

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

const late = Symbol()

async function withDeadline(work: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise((resolve) => {
    timer = setTimeout(resolve, timeoutSeconds * 1000, late)
  })
  return Promise.race([work, deadline]).finally(() => clearTimeout(timer))
}

function whyNot({ code, message }: NodeJS.ErrnoException, port: number): string {
  if (code === 'EADDRINUSE') return `port ${port} is taken: set PORT to another one`
  if (code === 'EACCES') return `port ${port} may not be used by this user: set PORT to one above 1023`
  return `cannot listen on port ${port}: ${message}`
}
