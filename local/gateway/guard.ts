import type { IncomingMessage } from 'node:http'

/**
 * Why a request is refused; undefined if it is allowed. Every web page can send requests to 127.0.0.1:
 * `Origin` names the page, and `Host` shows a foreign name that points at this machine (DNS rebinding).
 */
export function refusalOf({ headers }: Pick<IncomingMessage, 'headers'>, port: number): string | undefined {
  const origins = ['127.0.0.1', 'localhost', '[::1]'].map((host) => new URL(`http://${host}:${port}`))
  if (!origins.some(({ host }) => host === headers.host)) {
    return `This gateway answers only to 127.0.0.1:${port}, not to the host ${headers.host}.`
  }
  if (headers.origin !== undefined && !origins.some(({ origin }) => origin === headers.origin)) {
    return `This gateway answers only its own pages, not those of ${headers.origin}.`
  }
  return undefined
}
