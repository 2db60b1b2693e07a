import type { IncomingMessage } from 'node:http'

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
  const own = ['127.0.0.1', 'localhost', '[::1]'].map((name) => new URL(`http://${name}:${port ?? 80}`).host)
  if (host === undefined || more.length > 0 || (port !== null && !own.includes(host))) {
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

/** Whether a person follows a link to the page, in a tab of its own. The page by itself shows and does nothing. */
const opensPage = ({ method, url, headers }: Pick<IncomingMessage, 'method' | 'url' | 'headers'>): boolean =>
  method === 'GET' &&
  /^\/(\?|$)/.test(url ?? '') &&
  headers['sec-fetch-mode'] === 'navigate' &&
  headers['sec-fetch-dest'] === 'document'
