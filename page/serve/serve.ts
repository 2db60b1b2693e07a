import type { IncomingMessage, ServerResponse } from 'node:http'
import { isPagePath, type PageFiles } from './files.ts'

/** The page runs its own script, uses its own style sheet, talks to its own server, and is framed by nobody. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Whether a request asks for one of the page's files. */
export const asksForPage = ({ method, url }: Pick<IncomingMessage, 'method' | 'url'>): boolean =>
  method === 'GET' && isPagePath(pathOf(url))

/**
 * Answers a `GET` of one of the page's files. False: the request is for something else, and nothing was answered. The
 * browser asks each time whether its copy is still right.
 */
export function servePage(request: IncomingMessage, response: ServerResponse, files: PageFiles): boolean {
  const path = pathOf(request.url)
  if (request.method !== 'GET' || !isPagePath(path)) return false
  const { type, bytes, gzipped, etag } = files[path]
  response.setHeader('content-security-policy', policy)
  response.setHeader('cross-origin-opener-policy', 'same-origin')
  response.setHeader('cache-control', 'no-cache')
  response.setHeader('vary', 'accept-encoding')
  response.setHeader('etag', etag)
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304).end()
    return true
  }
  const zipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
  if (zipped) response.setHeader('content-encoding', 'gzip')
  const sent = zipped ? gzipped : bytes
  response.writeHead(200, { 'content-type': type, 'content-length': sent.length }).end(sent)
  return true
}

const pathOf = (target = ''): string => target.split('?')[0] as string
