import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { endianness, release } from 'node:os'
import {
  answerProblem,
  asksForPage,
  forbidden,
  pageFor,
  protect,
  refusalOf,
  serverOf,
} from '../../page/serve.ts'
import { Problem } from '../../src/words/problem.ts'
import type { Api } from './api.ts'

/** A token that nobody can guess, for one run of the proxy. */
interface ProxyToken {
  readonly text: string
  /** Whether this is the token. Takes equally long for every other text. */
  fits(given: unknown): boolean
}

function createToken(): ProxyToken {
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
  const server = serverOf(
    async (request, response) => {
      protect(response)
      const { port } = server.address() as AddressInfo
      const refusal = refusalOf(request, port) ?? whyNotIn(request, token, strangers.has(request.socket))
      if (refusal !== undefined) return answerProblem(response, forbidden(refusal))
      if (!asksForPage(request, base)) return answerProblem(response, noPage(request))
      await page(request, response)
    },
    (error) => {
      onDefect(error)
      return (response) => answerProblem(response, defect)
    },
  )
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
function whyNotIn({ url = '' }: IncomingMessage, token: ProxyToken, isStranger: boolean): string | undefined {
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

const defect = {
  status: 500,
  code: 'InternalError',
  title: 'Something went wrong',
  detail: 'The proxy failed; its error is in the terminal of `viewkeeper open`.',
}

async function listen(server: Server, port: number): Promise<void> {
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

/** The two ends of a connection of IPv4, as a server's socket sees them. */
interface ConnectionEnds {
  remoteAddress?: string
  remotePort?: number
  localAddress?: string
  localPort?: number
}

/** How Linux writes that a connection is open at both ends. */
const established = '01'

/**
 * Whether a connection on loopback is opened by another user of this machine than `user`; root may do anything anyway.
 * Linux tells the users of connections. Other systems do not: there the answer is false. A connection that is closed
 * already counts as another user's, because Linux has forgotten its user.
 */
export function isOfOtherUser(connection: ConnectionEnds, user = process.getuid?.()): boolean {
  const table = readTable()
  if (table === undefined || user === undefined) return false
  const row = rowOf(table, connection)
  // The browser of Windows is no process of the Linux in WSL.
  if (row === undefined) return !/microsoft/i.test(release())
  return row.state !== established || (row.user !== user && row.user !== 0)
}

/** The row of the other end in the table of TCP connections (proc_net_tcp(5)); undefined if there is none. */
export function rowOf(
  table: string,
  { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 }: ConnectionEnds,
): { state: string; user: number } | undefined {
  const far = `${hexAddress(remoteAddress)}:${hexPort(remotePort)}`
  // The own address is compared, too: the same port of 127.0.0.2 may be a server of somebody else.
  const near = `${hexAddress(localAddress)}:${hexPort(localPort)}`
  for (const line of table.split('\n')) {
    const [, local = '', remote = '', state = '', , , , user = ''] = line.trim().split(/\s+/)
    // A row of IPv6 has the same address with zeros and FFFF before it.
    if (local.endsWith(far) && remote.endsWith(near)) return { state, user: Number(user) }
  }
  return undefined
}

/** Undefined: this system has no such table, or keeps it to itself. A Linux without IPv6 has only the first one. */
function readTable(): string | undefined {
  const ipv4 = read('/proc/net/tcp')
  return ipv4 === undefined ? undefined : ipv4 + (read('/proc/net/tcp6') ?? '')
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** `127.0.0.1` becomes `0100007F`: the kernel writes the address as a number of this machine. */
function hexAddress(address: string): string {
  const bytes = address.split('.').map(Number)
  return Buffer.from(endianness() === 'LE' ? bytes.reverse() : bytes)
    .toString('hex')
    .toUpperCase()
}

const hexPort = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')
