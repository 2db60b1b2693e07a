// @module-tag deep

import { once } from 'node:events'
import { createConnection } from 'node:net'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { clientOf } from '../../cli/api/client.ts'
import { startProxy } from '../../cli/api/proxy.ts'
import { startGateway } from '../../serve/http/gateway.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { connectTo } from '../../src/server/connect.ts'
import { Problem } from '../../src/words/problem.ts'
import { type AskedRoute, servedOn } from '../support/api/served.ts'
import { counts } from '../support/counts.ts'
import { seedOf } from '../support/seeded.ts'
import { until } from '../support/waiting/until.ts'
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
    return { ...(await proxyOf(api)), calls, elsewhere: 403 }
  },
}

async function proxyOf(api: Parameters<typeof startProxy>[0]['api']) {
  const proxy = await startProxy({ api, port: 0 })
  onTestFinished(proxy.close)
  const { port, pathname } = new URL(proxy.address)
  return { port: Number(port), refresh: `${pathname}page/actions` }
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

/** A gateway that lets programs of this machine in, and others by a token, as `serve` does. */
async function served() {
  const { url, close } = await startGateway({
    port: 0,
    served: servedOn(connectTo(fromUrl('postgres://postgres@127.0.0.1:1/postgres'))),
    doorkeeper: {
      async authorize(headers) {
        if (headers?.[0] !== 'Bearer right') throw new Problem('Unauthenticated', 'A token is needed.')
        return { name: 'right', may: 'define' }
      },
    },
    trustsMachine: true,
    watched: {
      whyNotReady: async () => null,
      metrics: async () => ({ contentType: 'text/plain', body: '' }),
    },
  })
  onTestFinished(close)
  return { port: Number(new URL(url).port), refresh: '/views/sales' }
}

/** Sends bytes; the beginning of the answer, which is empty if the server has closed the connection. */
const sendOdd = async (port: number, text: string): Promise<string> => {
  const socket = createConnection(port, '127.0.0.1').setEncoding('latin1')
  socket.write(Buffer.from(text, 'latin1'))
  for await (const chunk of socket.on('error', () => {})) return chunk
  return ''
}

const odd = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => Buffer.from(text).toString('latin1')),
  fc.string({ unit: fc.constantFrom(...`:/@?#[]%.\\"'<>&;=, 0aZ-_~\t\xe9\xff{}|^\`*+$!`), maxLength: 40 }),
  fc.constantFrom('%', '%zz', '%00', '..', '//', '\\\\', 'x'.repeat(3000), '99999', '-1', '1e9', ''),
)
const port = fc.oneof(fc.integer({ min: -1, max: 100_000 }).map(String), odd)
const host = fc
  .tuple(fc.constantFrom('localhost', '127.0.0.1', '127.999.1.1', '[::1]', '[', 'x', ''), port)
  .map(([name, of]) => `${name}:${of}`)
const target = fc.oneof(
  fc
    .array(fc.oneof(fc.constantFrom('views', 'page', 'runs', 'healthz', 'sales'), odd))
    .map((parts) => `/${parts.join('/')}`),
  fc.tuple(host, odd).map(([where, rest]) => `http://${where}/${rest}`),
  odd.map((query) => `/?${query}`),
  odd,
)
// Those that say where a body ends stand above.
const headers = [
  ...[
    'Host',
    'Origin',
    'Cookie',
    'Authorization',
    'Content-Type',
    'Expect',
    'Sec-Fetch-Site',
    'Sec-Fetch-Mode',
  ],
  ...[
    'Idempotency-Key',
    'Prefer',
    'Last-Event-ID',
    'X-Forwarded-Proto',
    'Via',
    'Traceparent',
    'Accept-Encoding',
  ],
  ...['If-None-Match', 'Range', 'Upgrade', 'X-Any'],
]
const noBreak = (text: string) => text.replaceAll(/[\r\n]/g, ' ')

const odds = {
  'the gateway': async () => ({ ...(await start()), refresh: '/views/sales' }),
  'the proxy': () =>
    proxyOf({
      ...{ name: 'away', environment: null, url: 'http://away', typed: null },
      async send() {
        throw new Problem('DatabaseUnavailable', 'It is away.')
      },
    }),
  serve: served,
}

test.each(Object.entries(odds))(
  'no header and no part of an address makes %s fail, or end',
  async (_, begin) => {
    const server = await begin()
    const alive = [
      `GET ${server.refresh} HTTP/1.1`,
      `Host: 127.0.0.1:${server.port}`,
      'Connection: close',
      '',
      '',
    ]
    const said = async () => (await sendOdd(server.port, alive.join('\r\n'))).split('\r\n')[0]
    const before = await said()
    expect(before).toMatch(/^HTTP/)
    const asked = fc.record({
      method: fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS', 'odd'),
      target: fc.oneof(fc.constantFrom('/', '/healthz', server.refresh), target),
      name: fc.constantFrom(...headers),
      value: fc.oneof(
        host,
        host.map((each) => `http://${each}`),
        odd,
      ),
      isRight: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(asked, async ({ method, target, name, value, isRight }) => {
        const right =
          isRight || name !== 'Host' ? [`Host: 127.0.0.1:${server.port}`, 'Connection: close'] : []
        const lines = [`${method} ${target} HTTP/1.1`, ...right, `${name}: ${value}`].map(noBreak)
        const answer = await sendOdd(server.port, [...lines, '', ''].join('\r\n'))
        expect(answer.split('\r\n')[0]).toMatch(/^$|^HTTP\/1\.1 (1|2|3|4|503 )/)
      }),
      {
        numRuns: counts.oddRequests,
        seed: seedOf(1),
        endOnFailure: true,
        examples: ['/page////views', '/page/nothing', '/nothing'].map((target) => [
          { method: 'HEAD', target, name: 'Host', value: '127.999.1.1:49092', isRight: false },
        ]),
      },
    )
    expect(await said()).toBe(before)
  },
)

test('whom nobody knows keeps nobody out: forms that never end take no room, and larger ones are not read', async () => {
  const { port } = await served()
  const form = (bytes: number, headers: string[] = []) =>
    ['POST / HTTP/1.1', 'Host: x', 'Origin: http://x', `Content-Length: ${bytes}`, ...headers, '', ''].join(
      '\r\n',
    )
  const begin = (text: string) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write(text))
    onTestFinished(() => void socket.destroy())
    return once(socket.resume(), 'close')
  }
  const heads = Array.from({ length: 50 }, () => begin('GET / HTTP/1.1\r\nHost: '))
  const waiting = Array.from({ length: 450 }, () => begin(form(10)))
  const ask = async (path: string, authorization = 'Bearer right') =>
    (await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization, via: 'x' } })).status
  await until('each form is begun', async () => (await sendOdd(port, form(0))).startsWith('HTTP/1.1 '))
  expect([await ask('/healthz'), await ask('/readyz'), await ask('/views')]).toEqual([200, 200, 503])
  expect(await sendOdd(port, form(4097))).toMatch(/^HTTP\/1\.1 413 /)
  expect(await sendOdd(port, `${form(6, ['Cookie: viewkeeper-token=wrong'])}does=x`)).toMatch(
    /^HTTP\/1\.1 401 /,
  )
  expect(await sendOdd(port, form(5000, ['Cookie: viewkeeper-token=right']) + 'does=x'.padEnd(5000))).toMatch(
    /^HTTP\/1\.1 503 /,
  )
  // A head has 5 s, a form 15 s.
  await Promise.race([Promise.all(heads), Promise.race(waiting).then(() => Promise.reject('a form'))])
  await Promise.all(waiting)
})
