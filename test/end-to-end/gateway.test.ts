import { once } from 'node:events'
import { createConnection } from 'node:net'
import { networkInterfaces } from 'node:os'
import { expect, onTestFinished, test, vi } from 'vitest'
import { mostConnections } from '../../serve/http/connections.ts'
import type { Handler } from '../../serve/http/invoke.ts'
import { routes } from '../../src/api/routes.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { connectTo } from '../../src/server/connect.ts'
import { person } from '../../src/terminal/person.ts'
import { functionsOn } from '../support/api/served.ts'
import { echo, raw, start } from './support/gateway.ts'

test('the event is the one of API Gateway, payload 2.0', async () => {
  const { port, calls } = await echo()
  await raw(port, [
    'POST /views/%22Odd%2FName%22%20%2525/refresh?a=1&b=x%20y&a=2 HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Prefer: wait=20',
    'PREFER: respond-async',
    'Cookie: one=1; two=2',
    'Content-Type: application/json; charset=utf-8',
    'User-Agent: test',
    'Content-Length: 2',
    'Connection: close',
    '',
    '{}',
  ])
  const event = calls[0]!.event
  expect(event).toMatchObject({
    version: '2.0',
    routeKey: 'POST /views/{view}/refresh',
    rawPath: '/views/"Odd/Name" %25/refresh',
    rawQueryString: 'a=1&b=x%20y&a=2',
    queryStringParameters: { a: '1,2', b: 'x y' },
    pathParameters: { view: '"Odd/Name" %25' },
    cookies: ['one=1', 'two=2'],
    headers: { host: `127.0.0.1:${port}`, prefer: 'wait=20,respond-async', 'user-agent': 'test' },
    isBase64Encoded: false,
    requestContext: {
      authorizer: { iam: { userArn: person() } },
      http: {
        method: 'POST',
        path: '/views/"Odd/Name" %25/refresh',
        protocol: 'HTTP/1.1',
        userAgent: 'test',
      },
      routeKey: 'POST /views/{view}/refresh',
      stage: '$default',
      requestId: expect.stringMatching(/./),
      time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
    },
  })
  expect(event.headers).not.toHaveProperty('cookie')
  expect(Math.abs(Date.now() - event.requestContext.timeEpoch)).toBeLessThan(10_000)
})

test('a request without query, parameters or body has none of their fields', async () => {
  const { url, calls } = await echo()
  await fetch(`${url}/views`)
  const [call] = calls
  expect(Object.keys(call!.event)).toEqual([
    'version',
    'routeKey',
    'rawPath',
    'rawQueryString',
    'headers',
    'requestContext',
    'isBase64Encoded',
  ])
  expect(call!.event.isBase64Encoded).toBe(false)
})

test('JSON is answered as a terminal shows it best', async () => {
  const { url } = await start(async () => async () => ({ statusCode: 200, body: '{"views":[]}' }))
  const answer = await fetch(`${url}/views`)
  expect(await answer.text()).toBe('{\n  "views": []\n}\n')
})

test('JSON arrives as text, and a form (what curl -d sends) in base64', async () => {
  const { url, calls } = await echo()
  const body = '{"strategy":"auto","of":"é"}'
  for (const type of ['application/json', 'application/x-www-form-urlencoded']) {
    await fetch(`${url}/views/sales/refresh`, { method: 'POST', headers: { 'content-type': type }, body })
  }
  expect(calls[0]!.event).toMatchObject({ body, isBase64Encoded: false })
  expect(calls[1]!.event).toMatchObject({ body: Buffer.from(body).toString('base64'), isBase64Encoded: true })
})

test.each(Object.values(routes))(
  '$method $path is answered by the function that npm start serves',
  async (route) => {
    // No server listens on this port, so every route that needs a database answers with 503.
    const nowhere = 'postgres://postgres@127.0.0.1:1/postgres'
    vi.stubEnv('DATABASE_URL', nowhere)
    onTestFinished(() => void vi.unstubAllEnvs())
    const { url } = await start(functionsOn(connectTo(fromUrl(nowhere))))
    const answer = await fetch(`${url}${route.path.replace(/\{\w+\}/, '7')}`, { method: route.method })
    const body = (await answer.json()) as { code?: string; openapi?: string }
    if (route === routes.getOpenapi) expect(body.openapi).toMatch(/^3\./)
    else
      expect({ status: answer.status, code: body.code }).toEqual({ status: 503, code: 'DatabaseUnavailable' })
  },
)

test.each([
  ['POST', '/'],
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

test('it serves the page, without a token, and says which API the page talks to', async () => {
  const { url, calls } = await echo()
  const page = await fetch(`${url}/?any=thing`)
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self'")
  for (const [, file] of (await page.text()).matchAll(/(?:src|href)="([^":]+)"/g))
    expect((await fetch(new URL(file!, `${url}/`))).status).toBe(200)
  expect(await (await fetch(`${url}/page.json`)).json()).toEqual({ name: url, environment: null, url })
  expect(calls).toEqual([])
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
    fetch(`${url}/views/sales/refresh`, { method: 'POST', body: new Uint8Array(bytes) })
  expect((await send(10 * 1024 * 1024)).status).toBe(200)
  expect((await send(10 * 1024 * 1024 + 1)).status).toBe(413)
  expect(calls).toHaveLength(1)
})

test('status, headers, cookies and a base64 body are written back', async () => {
  const { url } = await gateway(async () => ({
    statusCode: 202,
    headers: { location: '/runs/7', 'x-count': 3 },
    cookies: ['a=1', 'b=2'],
    body: Buffer.from('é').toString('base64'),
    isBase64Encoded: true,
  }))
  const answer = await fetch(`${url}/views`)
  expect(answer.status).toBe(202)
  expect(answer.headers.get('location')).toBe('/runs/7')
  expect(answer.headers.get('x-count')).toBe('3')
  expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  expect(await answer.text()).toBe('é')
})

test('a function that throws is a 500 that gives nothing away, and its error is in the terminal', async () => {
  const printed = vi.spyOn(console, 'error').mockReturnValue()
  onTestFinished(() => printed.mockRestore())
  const error = new Error('the secret')
  const { url } = await gateway(() => Promise.reject(error))
  const answer = await fetch(`${url}/views`)
  expect(answer.status).toBe(500)
  expect(await answer.text()).not.toContain('secret')
  expect(printed).toHaveBeenCalledWith(error)
})

test('an operation waits for free connections, is refused after some seconds, and does not block a read', async () => {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  let begun = 0
  const { url } = await start(async (name) => async () => {
    if (name === 'api') return { statusCode: 200, body: '{}' }
    begun++
    await opened
    return { statusCode: 202, body: '{}' }
  })
  const refresh = () => fetch(`${url}/views/sales/refresh`, { method: 'POST' })
  const first = Array.from({ length: mostConnections / 4 }, refresh)
  await vi.waitUntil(() => begun === first.length, { timeout: 60_000 })
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

const gateway = (handler: Handler) => start(async () => handler)

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
