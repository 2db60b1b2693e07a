import { once } from 'node:events'
import { createConnection } from 'node:net'
import { networkInterfaces } from 'node:os'
import { expect, test } from 'vitest'
import { mostConnections } from '../../serve/http/routes.ts'
import { makeLogger } from '../../serve/process.ts'
import { routes } from '../../src/api/routes.ts'
import { person } from '../../src/terminal/report.ts'
import { until } from '../support/waiting/until.ts'
import { echo, raw, start } from './support/gateway.ts'

test('a name is decoded once, headers of one name are joined, and the caller is the person of this machine', async () => {
  const { port, calls } = await echo()
  await raw(port, [
    'POST /views/%22Odd%2FName%22%20%2525/refresh?a=1&b=x%20y&a=2 HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Prefer: respond-async',
    'PREFER: wait=20',
    'Idempotency-Key: k',
    'Content-Type: application/json; charset=utf-8',
    'Content-Length: 21',
    'Connection: close',
    '',
    '{"strategy":"swap"}  ',
  ])
  const { input, caller } = calls[0]!
  expect(input).toEqual({ view: '"Odd/Name" %25', strategy: 'swap' })
  expect(caller).toMatchObject({ trigger: 'http', requestedBy: person(), idempotencyKey: 'k' })
  expect(caller.waitUntil - Date.now()).toBeGreaterThan(10_000)
})

test('of several values of a query, all are seen', async () => {
  const { url } = await echo()
  const answer = await fetch(`${url}/runs?limit=1&limit=2`)
  expect(await answer.json()).toMatchObject({ status: 400, field: 'limit' })
})

test('JSON is answered as a terminal shows it best', async () => {
  const { url } = await start(() => ({ views: [] }))
  const answer = await fetch(`${url}/views`)
  expect(await answer.text()).toBe('{\n  "views": []\n}\n')
})

test('a form (what curl -d sends) is read as JSON, too', async () => {
  const { url, calls } = await echo()
  const body = '{"strategy":"auto"}'
  for (const type of ['application/json', 'application/x-www-form-urlencoded'])
    await fetch(`${url}/views/sales/refresh`, { method: 'POST', headers: { 'content-type': type }, body })
  expect(calls.map(({ input }) => input)).toEqual([
    { view: 'sales', strategy: 'auto' },
    { view: 'sales', strategy: 'auto' },
  ])
})

test.each(Object.values(routes))('$method $path is answered in this process', async (route) => {
  const { url } = await start()
  const answer = await fetch(`${url}${route.path.replace(/\{\w+\}/, '7')}`, { method: route.method })
  const body = (await answer.json()) as { code?: string; openapi?: string }
  if (route === routes.getOpenapi) expect(body.openapi).toMatch(/^3\./)
  else
    expect({ status: answer.status, code: body.code }).toEqual({ status: 503, code: 'DatabaseUnavailable' })
})

test.each([
  ['token', { token: { type: 'http', scheme: 'bearer' } }, [{ token: [] }]],
  ['none', undefined, undefined],
])(
  'its OpenAPI file knows callers as it does, by %s, and no signature',
  async (security, schemes, needed) => {
    const { url } = await start(undefined, { security })
    const file = (await (await fetch(`${url}/openapi.json`)).json()) as Record<
      string,
      { securitySchemes?: object }
    >
    expect(file.components?.securitySchemes).toEqual(
      schemes && { token: expect.objectContaining(schemes.token) },
    )
    expect(file.security).toEqual(needed)
    expect(JSON.stringify(file)).not.toContain('Signature')
  },
)

test('each request is a line at level debug, with its id, which the answer has, and its trace; no field of Lambda', async () => {
  const lines: Record<string, unknown>[] = []
  const logger = makeLogger('DEBUG', undefined, (line) => lines.push(JSON.parse(line)))
  const { url } = await start(() => ({}), { logger })
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const answer = await fetch(`${url}/views?state=stale`, { headers: { traceparent } })
  expect(lines).toEqual([
    {
      level: 'DEBUG',
      message: 'request',
      timestamp: expect.any(String),
      requestId: answer.headers.get('x-request-id'),
      traceparent,
      method: 'GET',
      url: '/views?state=stale',
      status: 200,
      ms: expect.any(Number),
    },
  ])
})

test.each([
  ['POST', '/views'],
  ['GET', '/views/'],
  ['GET', '/views//refresh'],
  ['DELETE', '/views'],
  ['GET', '/views/sales/refresh'],
])('%s %s is no route', async (method, path) => {
  const { url, calls } = await echo()
  const answer = await fetch(`${url}${path}`, { method })
  expect(answer.status).toBe(404)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(await answer.json()).toMatchObject({ status: 404, code: 'UnknownRoute' })
  expect(calls).toEqual([])
})

test.each([
  { host: 'evil.example' },
  { host: 'evil.example:PORT' },
  { host: '127.0.0.1:1' },
  { host: '127.0.0.1:PORT', origin: 'http://evil.example' },
  { host: '127.0.0.1:PORT', origin: 'http://127.0.0.1:1' },
  { host: '127.0.0.1:PORT', origin: 'https://127.0.0.1:PORT' },
  { host: '127.0.0.1:PORT', origin: 'http://localhost:PORT' },
  { host: '127.0.0.1:PORT', origin: 'null' },
  { host: '127.0.0.1:PORT', site: 'cross-site' },
  { host: '127.0.0.1:PORT', site: 'same-site' },
])('refused: $host, a page of $origin, $site', async (headers) => {
  const { port, calls } = await echo()
  const answer = await post(port, headers)
  expect(answer).toMatch(/^HTTP\/1\.1 403 /)
  expect(answer).toContain('application/problem+json')
  expect(calls).toEqual([])
})

test.each([
  { host: '127.0.0.1:PORT' },
  { host: 'localhost:PORT' },
  { host: '[::1]:PORT' },
  { host: '127.0.0.1:PORT', origin: 'http://127.0.0.1:PORT' },
  { host: 'localhost:PORT', origin: 'http://localhost:PORT' },
  { host: '127.0.0.1:PORT', origin: 'http://127.0.0.1:PORT', site: 'same-origin' },
  { host: '127.0.0.1:PORT', site: 'none' },
])('let in: $host, a page of $origin, $site', async (headers) => {
  const { port, calls } = await echo()
  expect(await post(port, headers)).toMatch(/^HTTP\/1\.1 200 /)
  expect(calls).toHaveLength(1)
})

test('it serves the page, made of its own routes, and says which API the page shows', async () => {
  const { url, calls } = await echo()
  const page = await fetch(`${url}/page/nowhere`)
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self'")
  const text = await page.text()
  expect(text).toContain(`title="${url}"`)
  const files = [...text.matchAll(/<(?:script|link)[^>]* (?:src|href)="([^":]+)"/g)]
  expect(files).toHaveLength(2)
  for (const [, file] of files) expect((await fetch(`${url}/${file}`)).status).toBe(200)
  expect(calls).toEqual([])
  await fetch(`${url}/page/runs/7`)
  const body = new URLSearchParams({ does: 'pause', view: '"Odd/Name"' })
  await fetch(`${url}/page/nowhere`, { method: 'POST', body, headers: { origin: url } })
  expect(calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'GET /runs/7',
    'POST /views/"Odd/Name"/pause',
  ])
  expect(calls[1]!.caller).toMatchObject({ trigger: 'http', requestedBy: person() })
})

test('it listens on 127.0.0.1 only', async () => {
  const { port } = await echo()
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((to) => to?.family === 'IPv4' && !to.internal)
  const elsewhere = createConnection(port, outside?.address ?? '127.0.0.2')
  await expect(once(elsewhere, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('a body has at most 10 MB', async () => {
  const { url, calls } = await echo()
  const send = (bytes: number) =>
    fetch(`${url}/views/sales/refresh`, { method: 'POST', body: ' '.repeat(bytes) })
  expect((await send(10 * 1024 * 1024)).status).toBe(200)
  expect((await send(10 * 1024 * 1024 + 1)).status).toBe(413)
  expect(calls).toHaveLength(1)
})

test('what has begun is answered with its location', async () => {
  const { url } = await start(() => ({ status: 'running', runId: 7 }))
  const answer = await fetch(`${url}/views/sales/refresh`, { method: 'POST' })
  expect([answer.status, answer.headers.get('location')]).toEqual([202, '/runs/7'])
})

test('a defect is a 500 that gives nothing away', async () => {
  const { url } = await start(() => Promise.reject(new Error('the secret')))
  const answer = await fetch(`${url}/views`)
  expect(answer.status).toBe(500)
  expect(await answer.text()).not.toContain('secret')
})

test('an operation waits for free connections, is refused after some seconds, and does not block a read', async () => {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  let begun = 0
  const { url } = await start(async (asked) => {
    if (asked.function === 'api') return {}
    begun++
    await opened
    return { status: 'running', runId: 7 }
  })
  const refresh = () => fetch(`${url}/views/sales/refresh`, { method: 'POST' })
  const first = Array.from({ length: mostConnections / 4 }, refresh)
  await until('all have begun', async () => begun === first.length)
  const late = refresh()
  expect((await fetch(`${url}/runs`)).status).toBe(200)
  const refused = await late
  expect(refused.status).toBe(503)
  expect(refused.headers.get('content-type')).toBe('application/problem+json')
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
  expect(await refused.json()).toMatchObject({ code: 'TooManyConnections' })
  expect(begun).toBe(first.length)
  const next = refresh()
  open()
  for (const { status } of await Promise.all([...first, next])) expect(status).toBe(202)
})

function post(port: number, { host, origin, site }: { host: string; origin?: string; site?: string }) {
  const here = (text: string) => text.replace('PORT', `${port}`)
  const headers = [
    `Host: ${here(host)}`,
    ...(origin ? [`Origin: ${here(origin)}`] : []),
    ...(site ? [`Sec-Fetch-Site: ${site}`] : []),
  ]
  return raw(port, [
    'POST /views/sales/refresh HTTP/1.1',
    ...headers,
    'Content-Length: 0',
    'Connection: close',
    '',
    '',
  ])
}
