import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answerProblem, forbidden, type OwnProblem, protect, tooLarge } from '../../page/serve/answers.ts'
import { readBody } from '../../page/serve/body.ts'
import { isCodePath, type PageFiles } from '../../page/serve/files.ts'
import { refusalOf } from '../../page/serve/guard.ts'
import { asksForPage, servePage } from '../../page/serve/serve.ts'
import { routeAt } from '../../src/api/routes.ts'
import { Problem, statusOf, titleOf } from '../../src/problem.ts'
import { isOfGateway, problemOf } from '../api/answers.ts'
import type { Api } from '../api/api.ts'
import { ApiUnavailable } from '../api/unavailable.ts'
import { isOfOtherUser } from './peer.ts'
import { createToken, type Token } from './token.ts'

/** The header in which the page sends the token. No page of another site can set it without asking the proxy first. */
const tokenName = 'x-viewkeeper-token'

/** All that the API learns of what a browser sends. */
const passedOn = ['content-type', 'prefer', 'idempotency-key'] as const

export interface Proxy {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** What a person opens: the page, with the token. Ends in a slash and a query; a hash may follow. */
  readonly address: string
  close(): Promise<void>
}

interface ProxyOptions {
  api: Pick<Api, 'name' | 'environment' | 'url' | 'forward'>
  page: () => Promise<PageFiles>
  /** 0: a free one. */
  port: number
  /** Hears of a defect of the proxy. Default: standard error. */
  onDefect?: (error: unknown) => void
  /** The user whose programs are let in, where the system tells the users of connections. Default: the own one. */
  user?: number
}

/**
 * Serves the page on loopback, and passes on what the page asks to an API, signed with credentials that never reach the
 * browser. Only this page is let in: each request needs the token of this proxy, from this machine's browser, and none
 * may come from a page of another origin. InvalidRequest: the port cannot be had.
 */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { onDefect = console.error } = options
  const token = createToken()
  const strangers = new WeakSet<object>()
  const server = createServer((request, response) => {
    handle(request, response, {
      ...options,
      token,
      port: (server.address() as AddressInfo).port,
      isStranger: strangers.has(request.socket),
    }).catch((error) => {
      if (response.destroyed) return // the browser has left, or the proxy is stopping
      if (response.headersSent) return void response.destroy()
      if (!(error instanceof Problem)) onDefect(error)
      answerProblem(response, ownProblemOf(error))
    })
  })
  server.on('connection', (socket) => {
    if (isOfOtherUser(socket, options.user)) strangers.add(socket)
  })
  await listen(server, options.port)
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    address: `${url}/?token=${token.text}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

interface Serving extends ProxyOptions {
  token: Token
  isStranger: boolean
}

async function handle(request: IncomingMessage, response: ServerResponse, serving: Serving): Promise<void> {
  protect(response)
  const { method = '', url: target = '' } = request
  const [path = '', query] = target.split(/\?(.*)/s)
  const refusal = refusalOf(request, serving.port) ?? whyNotIn(request, path, query, serving)
  if (refusal !== undefined) return answerProblem(response, forbidden(refusal))
  if (method !== 'GET' && method !== 'POST') {
    const taken = methodsOf(path)
    response.setHeader('allow', taken.join(', '))
    return answerProblem(response, notAllowed(method, path, taken))
  }
  if (asksForPage(request)) return void servePage(request, response, await serving.page())
  if (routeAt(method, path) === undefined) return answerProblem(response, noRoute(method, path))
  const body = await readBody(request)
  if (body === undefined) return answerProblem(response, tooLarge)
  await passOn({ method, path: target, headers: headersOf(request), body }, response, serving)
}

/** Why a request of this origin is not let in; undefined if it is. */
function whyNotIn(
  { headers }: IncomingMessage,
  path: string,
  query: string | undefined,
  { token, isStranger }: Serving,
): string | undefined {
  if (isStranger) return 'This proxy answers only programs of the user who started it.'
  if (isCodePath(path)) {
    const given = new URLSearchParams(query).get('token')
    return given === null || token.fits(given) ? undefined : wrongToken
  }
  if (token.fits(headers[tokenName])) return undefined
  return headers[tokenName] === undefined ? noToken : wrongToken
}

const openAgain =
  'Open the address that `viewkeeper open` has printed in its terminal; if it has ended, start it again.'
const noToken = `This page has no token of the proxy. ${openAgain}`
const wrongToken = `This token belongs to another proxy, or to one that has ended. ${openAgain}`

/** Passes a request on, and answers what the API answers: JSON only, because anything else could run in the page. */
async function passOn(
  request: Parameters<Api['forward']>[0],
  response: ServerResponse,
  { api }: Serving,
): Promise<void> {
  const answered = await api.forward(request)
  const type = answered.headers.get('content-type') ?? ''
  if (!/^application\/(problem\+)?json\b/.test(type) || (!answered.ok && isOfGateway(answered)))
    throw await problemOf(answered, { ...request, api })
  const body = Buffer.from(await answered.arrayBuffer())
  const location = answered.headers.get('location')
  const retryAfter = answered.headers.get('retry-after')
  response.writeHead(answered.status, {
    'content-type': type,
    'content-length': body.length,
    'cache-control': 'no-store',
    ...(retryAfter !== null && { 'retry-after': retryAfter }),
    ...(location !== null && { location }),
  })
  response.end(body)
}

const headersOf = ({ headers }: IncomingMessage): Record<string, string> =>
  Object.fromEntries(
    passedOn.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]])),
  )

function ownProblemOf(error: unknown): OwnProblem {
  if (error instanceof ApiUnavailable)
    return { status: error.status, code: error.reason, title: error.title, detail: error.message }
  if (error instanceof Problem) {
    const { code, message, details } = error
    return { status: statusOf(code), code, title: titleOf(code), detail: message, ...details }
  }
  return {
    status: 500,
    code: 'InternalError',
    title: 'Something went wrong',
    detail: 'The proxy failed; its error is in the terminal of `viewkeeper open`.',
  }
}

/** What the proxy takes at a path. */
const methodsOf = (path: string): string[] =>
  ['GET', 'POST'].filter((method) => asksForPage({ method, url: path }) || routeAt(method, path))

const notAllowed = (method: string, path: string, taken: string[]): OwnProblem => ({
  status: 405,
  code: 'MethodNotAllowed',
  title: 'No such method',
  detail: `${path} takes ${taken.join(' and ') || 'nothing'}, not ${method}.`,
})

const noRoute = (method: string, path: string): OwnProblem => ({
  status: 404,
  code: 'UnknownRoute',
  title: titleOf('UnknownRoute'),
  detail: `There is no ${method} ${path}. GET /openapi.json lists the routes.`,
})

async function listen(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const why = code === 'EADDRINUSE' ? 'is taken' : code === 'EACCES' ? 'is reserved' : `: ${message}`
    throw new Problem('InvalidRequest', `Port ${port} ${why}: leave --port out, and a free one is taken.`, {
      field: '--port',
      cause,
    })
  }
}
