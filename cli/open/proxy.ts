import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answerProblem, forbidden, protect } from '../../page/serve/answers.ts'
import { refusalOf } from '../../page/serve/guard.ts'
import { asksForPage, pageFor } from '../../page/serve/serve.ts'
import { Problem } from '../../src/problem.ts'
import type { Api } from '../api/api.ts'
import { isOfOtherUser } from './peer.ts'

/** A token that nobody can guess, for one run of the proxy. */
interface Token {
  readonly text: string
  /** Whether this is the token. Takes equally long for every other text. */
  fits(given: unknown): boolean
}

function createToken(): Token {
  const text = randomBytes(32).toString('base64url')
  const digest = digestOf(text)
  return { text, fits: (given) => typeof given === 'string' && timingSafeEqual(digestOf(given), digest) }
}

/** Digests have one length, which a comparison in constant time needs. */
const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()

interface Proxy {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** What a person opens: where the pages stand, with the token. Ends in a slash. */
  readonly address: string
  close(): Promise<void>
}

interface ProxyOptions {
  api: Pick<Api, 'name' | 'environment' | 'typed' | 'url' | 'send'>
  /** 0: a free one. */
  port: number
  /** Hears of a defect of the proxy. Default: standard error. */
  onDefect?: (error: unknown) => void
  /** The user whose programs are let in, where the system tells the users of connections. Default: the own one. */
  user?: number
}

/**
 * Serves the page on loopback. Each page is made here, of what an API answers to requests that are signed with credentials that never reach
 * the browser. Only this page is let in: the address of each of its pages has the token of this proxy, a request comes from this machine's
 * browser, and none from a page of another origin. A cookie would reach every server on this machine: an address does not.
 * InvalidRequest: the port cannot be had.
 */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { api, user, onDefect = console.error } = options
  const token = createToken()
  const base = `/${token.text}/`
  const page = pageFor({ target: () => api, apiOf: () => api, base, onDefect })
  const strangers = new WeakSet<object>()
  const server = createServer(async (request, response) => {
    protect(response)
    const { port } = server.address() as AddressInfo
    const refusal = refusalOf(request, port) ?? whyNotIn(request, token, strangers.has(request.socket))
    if (refusal !== undefined) return answerProblem(response, forbidden(refusal))
    if (!asksForPage(request, base)) return answerProblem(response, noPage(request))
    await page(request, response).catch((error) => fail(response, error, onDefect))
  })
  server.on('connection', (socket) => {
    if (isOfOtherUser(socket, user)) strangers.add(socket)
  })
  await listen(server, options.port)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    address: `${url}${base}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** Why a request of this origin is not let in; undefined if it is. */
function whyNotIn({ url = '' }: IncomingMessage, token: Token, isStranger: boolean): string | undefined {
  if (isStranger) return 'This proxy answers only programs of the user who started it.'
  const given = /^\/([\w-]{43})\//.exec(url)?.[1]
  if (token.fits(given)) return undefined
  return given === undefined ? noToken : wrongToken
}

const openAgain =
  'Open the address that `viewkeeper open` has printed in its terminal; if it has ended, start it again.'
const noToken = `This address has no token of the proxy. ${openAgain}`
const wrongToken = `This token belongs to another proxy, or to one that has ended. ${openAgain}`

const noPage = ({ method }: IncomingMessage) => ({
  status: 404,
  code: 'UnknownRoute',
  title: 'No such page',
  detail: `The proxy serves the page alone, and no page has this address for ${method}. Programs ask the API: viewkeeper --help`,
})

function fail(response: ServerResponse, error: unknown, onDefect: (error: unknown) => void): void {
  if (response.destroyed) return // the browser has left, or the proxy is stopping
  onDefect(error)
  if (response.headersSent) return void response.destroy()
  answerProblem(response, {
    status: 500,
    code: 'InternalError',
    title: 'Something went wrong',
    detail: 'The proxy failed; its error is in the terminal of `viewkeeper open`.',
  })
}

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
