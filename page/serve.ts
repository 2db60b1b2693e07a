import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { parse } from 'hono/utils/cookie'
import type { Api } from '../src/api/ask.ts'
import { pageBuilder, pageFolder } from '../src/package-files.ts'
import type { CommandTarget } from '../src/words/commands.ts'
import { bodyOfProblem } from '../src/words/problem.ts'
import { tokenCookie } from './address.ts'
import type { Door, PageTarget } from './app.tsx'

/** Until its head is whole, a request costs 20 kB and counts as none of those that may be open at once. */
const limits = { headersTimeout: 5000, requestTimeout: 15_000, connectionsCheckingInterval: 1000 }

/** Sends the answer to a request that has failed. */
type Answering = (response: ServerResponse) => void

/**
 * A server whose clients have 5 s for the head of a request and 15 s for all of it, of which nothing is read once it is answered. What fails
 * while one is answered, at whatever point, is told to `failed`, and ends that answer alone.
 */
export const serverOf = (
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<unknown>,
  failed: (error: unknown) => Answering,
): Server =>
  createServer(limits, (request, response) => {
    response.on('finish', () => request.complete || request.socket.destroySoon())
    answer(request, response).catch((error) => {
      if (response.destroyed) return // the client has left, or the process is stopping
      const answerFailure = failed(error)
      if (response.headersSent) response.destroy()
      else answerFailure(response)
    })
  })

/** The token that whoever sends this request has signed in with. */
export const tokenOf = ({ headers }: Pick<IncomingMessage, 'headers'>): string | undefined =>
  parse(headers.cookie ?? '', tokenCookie)[tokenCookie]

/** The whole body; undefined if it has more bytes. */
export async function readBody(request: IncomingMessage, most: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    // A large body is read to its end, too: a client that is still sending would not see the answer.
    if (size <= most) chunks.push(chunk)
  }
  return size <= most ? Buffer.concat(chunks) : undefined
}

/** Ten thousand views can be chosen at once. */
const largestForm = 2_000_000

/** Reads the form of a request into it; false: it is larger. */
export async function takeForm(request: IncomingMessage, most = largestForm): Promise<boolean> {
  // What is larger by its own words is not read.
  const rawBody =
    Number(request.headers['content-length'] ?? 0) <= most ? await readBody(request, most) : undefined
  Object.assign(request, { rawBody })
  return rawBody !== undefined
}

export interface PageOptions {
  /** Which API the page shows, and how a command names it. What is said is read each time. */
  target: () => PageTarget & { typed?: CommandTarget | undefined }
  /** The API as whoever sends this request may use it; `token` is the one that they have signed in with. */
  apiOf: (request: IncomingMessage, token: string | undefined) => Api
  /** Where the pages stand. Default: `/`. */
  base?: string
  /** Whether people sign in here, with a token that a cookie keeps. */
  signsIn?: boolean
  /** Hears of a defect of a page. */
  onDefect: (error: unknown) => void
}

/** Whether a request is for a page, or comes from one of its forms. */
export const asksForPage = (
  { method, url = '' }: Pick<IncomingMessage, 'method' | 'url'>,
  base = '/',
): boolean =>
  (method === 'GET' || method === 'POST') &&
  url.startsWith(base) &&
  /^($|\?|page\/)/.test(url.slice(base.length))

/**
 * Answers what asks for a page. The repository has the pages as JSX, which Node does not run, and the script as TypeScript: there both
 * are made when they are first asked for. The installed package has them as `npm run build` has made them.
 */
export function pageFor({ apiOf, ...options }: PageOptions) {
  const answer = onceDone(async () => {
    const files = await loaded()
    const { pagesOf } = await import('./app.tsx')
    const app = pagesOf({ ...options, files })
    return getRequestListener(
      async (request, env) => {
        const door: Door = { apiOf: (token) => apiOf((env as HttpBindings).incoming, token) }
        return app.fetch(request, door)
      },
      { overrideGlobalObjects: false },
    )
  })
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method === 'POST' && !('rawBody' in request) && !(await takeForm(request)))
      return answerProblem(response, formTooLarge('A form has at most 2 MB. Choose fewer views at once.'))
    return (await answer())(request, response) as Promise<void>
  }
}

/** The files that a browser loads. */
type Files = Record<'page.js' | 'page.css', string>

/** They are the same for all pages of a process. */
const loaded = onceDone(() => (existsSync(pageBuilder) ? bundled() : built()))

async function built(): Promise<Files> {
  const textOf = (name: string) => readFile(new URL(name, pageFolder), 'utf8')
  return { 'page.js': await textOf('page.js'), 'page.css': await textOf('page.css') }
}

async function bundled(): Promise<Files> {
  // The address is no literal, so that the package's code stays without the bundler.
  const { bundlePage, runJsx } = (await import(pageBuilder.href)) as typeof import('../build/page.ts')
  runJsx()
  return (await bundlePage()).files as Files
}

/** What `make` gives, made once. A source that was broken may be mended by the next call. */
function onceDone<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    made.catch(() => {
      made = undefined
    })
    return made
  }
}

/**
 * Why a request to a server on loopback is refused; undefined if it is allowed. Every web page can send requests to
 * 127.0.0.1: `Origin` and `Sec-Fetch-Site` tell that the page is a foreign one, and `Host` shows a foreign name that
 * points at this machine (DNS rebinding). Another port of 127.0.0.1 is foreign, too. Without a port the server is known by any
 * name, because each request needs a token that only its own page keeps; foreign pages are refused all the same.
 */
export function refusalOf(
  request: Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'headersDistinct'>,
  port: number | null,
): string | undefined {
  const { origin, 'sec-fetch-site': site } = request.headers
  // Of several, `headers` has only the first.
  const [host, ...more] = request.headersDistinct.host ?? []
  if (host === undefined || more.length > 0 || (port !== null && !isLoopbackHost(host, port))) {
    return `This server answers only to ${port === null ? 'one host' : `127.0.0.1:${port}`}, not to the host ${[host, ...more].join(' and ')}.`
  }
  // A page of `localhost` is none of 127.0.0.1: another server may listen on [::1], which `localhost` names as well.
  const origins = port === null ? [`http://${host}`, `https://${host}`] : [`http://${host}`]
  if (origin !== undefined && !origins.includes(origin)) {
    return `This server answers only its own pages, not those of ${origin}.`
  }
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !opensPage(request)) {
    return 'This server answers only its own pages, not those of other sites or ports. Type the address yourself.'
  }
  return undefined
}

/** Whether a `Host` names this machine by an address that only this machine can reach. */
const isLoopbackHost = (host: string, port: number): boolean => {
  const named = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::(\d+))?$/.exec(host)
  return named !== null && Number(named[1] ?? 80) === port
}

/** Proxies say so in these headers; nginx, which by default does not, speaks HTTP/1.0. */
const passedOn = /^(forwarded|via|x-real-ip|x-forwarded-.+)$/

/** Whether a request on loopback comes from a program of this machine: it names the machine, and no proxy shows. */
export const isFromHere = (
  {
    headers,
    headersDistinct,
    httpVersion,
  }: Pick<IncomingMessage, 'headers' | 'headersDistinct' | 'httpVersion'>,
  port: number,
): boolean =>
  httpVersion !== '1.0' &&
  isLoopbackHost(headersDistinct.host?.join() ?? '', port) &&
  !Object.keys(headers).some((name) => passedOn.test(name))

/** Whether a person follows a link to a page, in a tab of its own, which nobody else can read. A page by itself does nothing. */
const opensPage = ({ method, url, headers }: Pick<IncomingMessage, 'method' | 'url' | 'headers'>): boolean =>
  method === 'GET' &&
  /^\/([\w-]{43}\/)?(\?|$|page\/)/.test(url ?? '') &&
  headers['sec-fetch-mode'] === 'navigate' &&
  headers['sec-fetch-dest'] === 'document'

/** Nothing that such a server answers is for another site's page, and no answer but the page itself runs anything. */
export function protect(response: ServerResponse): void {
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('referrer-policy', 'no-referrer')
  response.setHeader('cross-origin-resource-policy', 'same-origin')
  response.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
}

export interface OwnProblem {
  status: number
  /** A word for programs. Codes of the server on loopback are none of the API. */
  code: string
  title: string
  /** What happened, to what, and what to do next. */
  detail: string
}

/** Answers with a problem of the server on loopback itself, in the form of the API. */
export function answerProblem(response: ServerResponse, problem: OwnProblem) {
  response.writeHead(problem.status, {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
  })
  response.end(`${JSON.stringify(bodyOfProblem(problem), null, 2)}\n`)
}

/** A request that is refused because of where it comes from. */
export const forbidden = (detail: string): OwnProblem => ({
  status: 403,
  code: 'Forbidden',
  title: 'Not from this page',
  detail,
})

/** A body that API Gateway would refuse. */
export const tooLarge: OwnProblem = {
  status: 413,
  code: 'TooLarge',
  title: 'The request is too large',
  detail: 'A body has at most 10 MB.',
}

export const formTooLarge = (detail: string): OwnProblem => ({ ...tooLarge, detail })
