import { describe, expect, onTestFinished, test } from 'vitest'
import { clientOf } from '../../cli/api/client.ts'
import { startProxy } from '../../cli/open/proxy.ts'
import { pageFor } from '../../page/serve/page.ts'
import { echo, raw } from './support/gateway.ts'

// Requests that no client sends by itself, to the local gateway and to the proxy of `viewkeeper open` before it.

const servers = {
  'the gateway': async () => ({ ...(await echo()), token: 'none' }),
  'the proxy': async () => {
    const { url, calls } = await echo()
    const api = clientOf({ name: 'local', environment: null, url })
    const proxy = await startProxy({ api, page: pageFor(() => api), port: 0 })
    onTestFinished(proxy.close)
    const token = new URL(proxy.address).searchParams.get('token')!
    return { port: Number(new URL(proxy.url).port), calls, token }
  },
}

/** A request for a refresh, with these headers besides its own. */
const refresh = (headers: string[], body = '') => [
  'POST /views/sales/refresh HTTP/1.1',
  'Host: 127.0.0.1:PORT',
  'X-Viewkeeper-Token: TOKEN',
  'Connection: close',
  ...headers,
  '',
  body,
]
const long = 'x'.repeat(20_000)

/** What must not become a request, nor two. */
const refused: Record<string, [lines: string[], status: number]> = {
  'two lengths': [refresh(['Content-Length: 2', 'Content-Length: 30'], '{}'), 400],
  'the same length twice': [refresh(['Content-Length: 2', 'Content-Length: 2'], '{}'), 400],
  'a length and chunks': [refresh(['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'), 400],
  'two encodings of the transfer': [
    refresh(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n'),
    400,
  ],
  'an encoding that only sounds like chunks': [refresh(['Transfer-Encoding: xchunked'], '0\r\n\r\n'), 400],
  'a length with a sign': [refresh(['Content-Length: +2'], '{}'), 400],
  'a header that goes on in the next line': [refresh(['X-Any: a', ' Content-Length: 2'], '{}'), 400],
  'a space before the colon': [refresh(['Content-Length : 2'], '{}'), 400],
  'the character NUL in a header': [refresh(['Idempotency-Key: a\0b']), 400],
  'a long header': [refresh([`Idempotency-Key: ${long}`]), 431],
  'many headers': [refresh(Array.from({ length: 5000 }, () => 'X: y')), 431],
  'a long path': [['GET /views/LONG HTTP/1.1'.replace('LONG', long), 'Host: 127.0.0.1:PORT', '', ''], 431],
  'no host': [['GET /views HTTP/1.1', 'Connection: close', '', ''], 400],
  'two hosts, the first of them right': [refresh(['Host: evil.example', 'Content-Length: 0']), 403],
  'another host': [['GET /views HTTP/1.1', 'Host: evil.example', 'Connection: close', '', ''], 403],
  'a host of HTTP/1.0 that is not said': [['GET /views HTTP/1.0', '', ''], 403],
  "another server's address": [
    [
      'GET http://evil.example/views HTTP/1.1',
      'Host: 127.0.0.1:PORT',
      'X-Viewkeeper-Token: TOKEN',
      'Connection: close',
      '',
      '',
    ],
    404,
  ],
}

describe.each(Object.entries(servers))('%s', (_, serve) => {
  test.each(Object.entries(refused))('refuses %s, and calls nothing', async (_, [lines, status]) => {
    const { port, calls, token } = await serve()
    const answer = await raw(
      port,
      lines.map((line) => line.replace('PORT', `${port}`).replace('TOKEN', token)),
    )
    expect(answer.split('\r\n')[0]).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1)
    expect(calls).toEqual([])
  })

  test('is no tunnel', async () => {
    const { port, calls } = await serve()
    expect(await raw(port, ['CONNECT evil.example:443 HTTP/1.1', `Host: 127.0.0.1:${port}`, '', ''])).toBe('')
    expect(calls).toEqual([])
  })

  test('keeps two requests on one connection apart: the body of the first is not the second', async () => {
    const { port, calls, token } = await serve()
    const hidden = 'POST /views/sales/drop HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
    const answer = await raw(
      port,
      refresh([`Content-Length: ${hidden.length}`, 'Content-Type: application/json'], hidden).map((line) =>
        line.replace('PORT', `${port}`).replace('TOKEN', token),
      ),
    )
    expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1)
    // One refresh, whose body is no JSON; and no drop.
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(calls).toEqual([])
  })
})
