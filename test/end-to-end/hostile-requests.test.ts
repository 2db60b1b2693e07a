import { describe, expect, onTestFinished, test } from 'vitest'
import { clientOf } from '../../cli/api/client.ts'
import { startProxy } from '../../cli/api/proxy.ts'
import type { AskedRoute } from '../support/api/served.ts'
import { echo, raw, start } from './support/gateway.ts'

// Requests that no client sends by itself, to the local gateway and to the proxy of `viewkeeper open` before it.

const servers = {
  'the gateway': async () => ({ ...(await echo()), refresh: '/views/sales/refresh', elsewhere: 404 }),
  'the proxy': async () => {
    const calls: AskedRoute[] = []
    const { url } = await start((asked) => {
      calls.push(asked)
      return { actions: [], next: null }
    })
    const api = { ...clientOf({ name: 'local', environment: null, url }), typed: null }
    const proxy = await startProxy({ api, port: 0 })
    onTestFinished(proxy.close)
    const { port, pathname } = new URL(proxy.address)
    return { port: Number(port), calls, refresh: `${pathname}page/actions`, elsewhere: 403 }
  },
}

/** A request for a refresh, with these headers besides its own: of the route, or of the form on the page. */
const refresh = (headers: string[], body = '') => [
  'POST REFRESH HTTP/1.1',
  'Host: 127.0.0.1:PORT',
  'Origin: http://127.0.0.1:PORT',
  'Connection: close',
  ...headers,
  '',
  body,
]
const long = 'x'.repeat(20_000)

/** What must not become a request, nor two. */
const refused: Record<string, [lines: string[], status: number | 'elsewhere']> = {
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
  'a long path': [[`GET REFRESH${long} HTTP/1.1`, 'Host: 127.0.0.1:PORT', '', ''], 431],
  'no host': [['GET REFRESH HTTP/1.1', 'Connection: close', '', ''], 400],
  'two hosts, the first of them right': [refresh(['Host: evil.example', 'Content-Length: 0']), 403],
  'another host': [['GET REFRESH HTTP/1.1', 'Host: evil.example', 'Connection: close', '', ''], 403],
  'a host of HTTP/1.0 that is not said': [['GET REFRESH HTTP/1.0', '', ''], 403],
  "another server's address": [
    ['GET http://evil.exampleREFRESH HTTP/1.1', 'Host: 127.0.0.1:PORT', 'Connection: close', '', ''],
    'elsewhere',
  ],
}

describe.each(Object.entries(servers))('%s', (_, serve) => {
  const started = async () => {
    const server = await serve()
    const send = (lines: string[]) =>
      raw(
        server.port,
        lines.map((line) => line.replace('PORT', `${server.port}`).replace('REFRESH', server.refresh)),
      )
    return { ...server, send }
  }

  test.each(Object.entries(refused))('refuses %s, and calls nothing', async (_, [lines, status]) => {
    const { send, calls, elsewhere } = await started()
    const answer = await send(lines)
    const expected = status === 'elsewhere' ? elsewhere : status
    expect(answer.split('\r\n')[0]).toMatch(new RegExp(`^HTTP/1\\.1 ${expected} `))
    expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1)
    expect(calls).toEqual([])
  })

  test('is no tunnel', async () => {
    const { port, calls, send } = await started()
    expect(await send(['CONNECT evil.example:443 HTTP/1.1', `Host: 127.0.0.1:${port}`, '', ''])).toBe('')
    expect(calls).toEqual([])
  })

  test('keeps two requests on one connection apart: the body of the first is not the second', async () => {
    const { send, calls } = await started()
    const hidden = 'POST /views/sales/drop HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
    const answer = await send(
      refresh([`Content-Length: ${hidden.length}`, 'Content-Type: application/json'], hidden),
    )
    expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1)
    // One refresh, whose body is neither JSON nor a form; and no drop.
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(calls.filter(({ method }) => method === 'POST')).toEqual([])
  })
})
