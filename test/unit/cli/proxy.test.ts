import { once } from 'node:events'
import { createConnection } from 'node:net'
import { networkInterfaces } from 'node:os'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Api } from '../../../cli/api/api.ts'
import { apiOf } from '../../../cli/api/api-of.ts'
import { startProxy } from '../../../cli/api/proxy.ts'
import { routes } from '../../../src/api/routes.ts'
import {
  type FakeAnswer,
  problem,
  type Received,
  startApi,
  startParameters,
  withoutPerson,
} from '../../support/api/fake-api.ts'
import { connectAsStranger, notMe, tellsUsers } from '../../support/api/stranger.ts'

beforeEach(withoutPerson)

/** Nothing is on record. */
const nothing = (): FakeAnswer => ({
  body: { views: [], runs: [], batches: [], actions: [], next: null, paused: null },
})

/** A proxy before an API that answers this. */
async function start(
  answerTo: (request: Received, turn: number) => FakeAnswer = nothing,
  options: Partial<Parameters<typeof startProxy>[0]> = {},
) {
  const { url: apiUrl, received } = await startApi(answerTo)
  const api = await apiOf({ url: apiUrl })
  return { ...(await startBefore(api, options)), apiUrl, received }
}

async function startBefore(api: Api, options: Partial<Parameters<typeof startProxy>[0]> = {}) {
  const proxy = await startProxy({ api, port: 0, ...options })
  onTestFinished(proxy.close)
  const { url, address } = proxy
  const token = address.slice(url.length + 1, -1)
  /** What a browser sends for a page, below the address that a person opens, and for a form that stands on it. */
  const get = (place = '', init: RequestInit = {}) => told(fetch(address + place, init))
  const post = (place: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    get(place, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { origin: url, ...headers },
      redirect: 'manual',
    })
  return { proxy, url, port: Number(new URL(url).port), address, token, get, post }
}

async function told(answer: Promise<Response>) {
  const response = await answer
  return { status: response.status, headers: response.headers, text: await response.text() }
}

/** The answer to a request that is sent as it stands; the connection stays open until then. */
async function raw(
  port: number,
  lines: string[],
  socket = createConnection(port, '127.0.0.1'),
): Promise<{ status: number; text: string }> {
  socket.setEncoding('utf8')
  socket.write([...lines, 'Connection: close', '', ''].join('\r\n'))
  const text = (await socket.toArray()).join('')
  return { status: Number(text.split(' ')[1]), text }
}

describe('the page', () => {
  test('is opened by an address with a token, below which all of it stands', async () => {
    const { address, url, token, get, apiUrl, received } = await start()
    expect(address).toBe(`${url}/${token}/`)
    expect(new URL(address).hostname).toBe('127.0.0.1')
    const { status, headers, text } = await get('?state=stale')
    expect({ status, cache: headers.get('cache-control') }).toEqual({ status: 200, cache: 'no-store' })
    expect(text).toContain(`<base href="/${token}/"`)
    expect(text).toContain(`title="${apiUrl}"`)
    expect((await get('page/page.js')).status).toBe(200)
    expect((await get('page/runs?status=failed')).status).toBe(200)
    expect(received.map(({ url }) => url)).toEqual([
      '/views',
      '/batches?limit=5',
      '/runs?status=failed&limit=100',
    ])
  })

  test('gets no cookie with a token, which every port of 127.0.0.1 would see', async () => {
    const { get, post } = await start(() => problem(401, 'Unauthenticated'))
    const answers = [await get(), await post('', { does: 'sign-in', token: 'secret' })]
    expect(answers.map(({ headers }) => headers.getSetCookie())).toEqual([[], []])
    expect(answers[0]!.text).not.toContain('type="password"')
  })

  test('of two proxies has two tokens, and neither lets in at the other', async () => {
    const one = await start()
    const other = await start()
    expect(one.token).not.toBe(other.token)
    expect(one.token.length).toBeGreaterThanOrEqual(43)
    const { status, text } = await told(fetch(`${one.url}/${other.token}/`))
    expect(status).toBe(403)
    expect(JSON.parse(text)).toMatchObject({ detail: expect.stringContaining('another proxy') })
    expect(one.received).toEqual([])
  })
})

describe('nobody else is let in', () => {
  test.each([
    ['GET', '/'],
    ['GET', '/page/page.js'],
    ['GET', '/page/runs'],
    ['POST', '/'],
    ['GET', '/views'],
    ['GET', '/nothing'],
    ['DELETE', '/views'],
  ])('%s %s without the token is refused in words', async (method, path) => {
    const { url, token, received } = await start()
    const sends = (address: string, headers: Record<string, string> = {}) =>
      told(fetch(address, { method, headers }))
    for (const answer of [
      await sends(url + path),
      await sends(`${url}${path}?token=${token}`),
      await sends(`${url}/${token}`),
      await sends(`${url}/x/${token}${path}`),
      await sends(`${url}/${token.slice(1)}${path}`),
      await sends(`${url}/${token.slice(1)}x${path}`),
      await sends(`${url}/${token}x${path}`),
      await sends(url + path, { 'x-viewkeeper-token': token }),
      await sends(url + path, { cookie: `viewkeeper-token=${token}` }),
      await sends(url + path, { authorization: `Bearer ${token}` }),
    ]) {
      expect(answer.status).toBe(403)
      expect(JSON.parse(answer.text)).toMatchObject({
        code: 'Forbidden',
        detail: expect.stringContaining('Open the address that `viewkeeper open` has printed'),
      })
      expect(answer.text).not.toContain(token)
    }
    expect(received).toEqual([])
  })

  test.each([
    ['a page of another site', { Origin: 'https://evil.example' }],
    ['a page of another port', { Origin: 'http://127.0.0.1:1' }],
    ['a page of localhost, where another server may listen on [::1]', { Origin: 'http://localhost:PORT' }],
    ['a page in a sandbox or of a file', { Origin: 'null' }],
    ['a name that points here (rebinding)', { Host: 'evil.example:PORT' }],
    [
      'a name that points here, and its page',
      { Host: 'evil.example:PORT', Origin: 'http://evil.example:PORT' },
    ],
    ['a name without a port', { Host: '127.0.0.1' }],
    ['an image or a script of another site', { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' }],
    ['a script of another port', { 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'no-cors' }],
    [
      'a frame of another site',
      { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe' },
    ],
  ])('%s, even with the token', async (_, headers) => {
    const { port, token, received } = await start()
    const all = { Host: '127.0.0.1:PORT', 'Content-Length': '0', ...headers }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value.replace('PORT', `${port}`)}`)
    for (const target of [`POST /${token}/`, `GET /${token}/`, `GET /${token}/page/page.js`])
      expect((await raw(port, [`${target} HTTP/1.1`, ...lines])).status).toBe(403)
    expect(received).toEqual([])
  })

  test('another site may open the page in a tab, but do nothing there', async () => {
    const { port, token, received } = await start()
    const open = (method: string) =>
      raw(port, [
        `${method} /${token}/ HTTP/1.1`,
        `Host: 127.0.0.1:${port}`,
        'Sec-Fetch-Site: cross-site',
        'Sec-Fetch-Mode: navigate',
        'Sec-Fetch-Dest: document',
        'Content-Length: 0',
      ])
    const { status, text } = await open('GET')
    expect(status).toBe(200)
    expect(text).toContain("frame-ancestors 'none'")
    received.length = 0
    expect((await open('POST')).status).toBe(403)
    expect(received).toEqual([])
  })

  test('a page that asks first whether it may send something is not told yes', async () => {
    const { port, token } = await start()
    for (const path of ['/', `/${token}/`]) {
      const { status, text } = await raw(port, [
        `OPTIONS ${path} HTTP/1.1`,
        `Host: 127.0.0.1:${port}`,
        'Origin: https://evil.example',
        'Access-Control-Request-Method: POST',
        'Access-Control-Request-Headers: content-type',
        'Access-Control-Request-Private-Network: true',
      ])
      expect(status).toBe(403)
      expect(text.toLowerCase()).not.toContain('access-control')
    }
  })

  test('a WebSocket, which knows no origin policy', async () => {
    const { port, token, received } = await start()
    for (const [path, origin] of [
      ['/', `http://127.0.0.1:${port}`],
      [`/${token}/`, 'https://evil.example'],
    ]) {
      const { status } = await raw(port, [
        `GET ${path} HTTP/1.1`,
        `Host: 127.0.0.1:${port}`,
        `Origin: ${origin}`,
        'Upgrade: websocket',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version: 13',
      ])
      expect(status).toBe(403)
    }
    expect(received).toEqual([])
  })

  test('another user of this machine, who has read the token', async () => {
    const { port, token, received } = await start(undefined, { user: notMe })
    const lines = [`GET /${token}/ HTTP/1.1`, `Host: 127.0.0.1:${port}`]
    const { status } = await raw(port, lines, await connectAsStranger(port))
    expect(status).toBe(tellsUsers ? 403 : 200)
    expect(received).toHaveLength(tellsUsers ? 0 : 1)
  })

  test('another machine', async () => {
    const { port } = await start()
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((to) => to?.family === 'IPv4' && !to.internal)
    const elsewhere = createConnection(port, outside?.address ?? '127.0.0.2')
    await expect(once(elsewhere, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describe('what reaches the API', () => {
  test('is what a page or a deed asks, and nothing that the browser sends', async () => {
    const { post, received } = await start(() => ({ status: 202, body: { status: 'pending', batchId: 'b' } }))
    const { status, headers } = await post(
      '?q=a',
      { does: 'chosen', deed: 'refresh', view: 'app.sales', any: 'thing' },
      {
        prefer: 'wait=1',
        'idempotency-key': 'k1',
        cookie: 'other=1',
        authorization: 'Basic eDp5',
        'x-forwarded-for': '1.2.3.4',
        'x-amz-security-token': 'theirs',
      },
    )
    expect(status).toBe(303)
    expect(headers.get('location')).toMatch(/^\/[\w-]{43}\/page\/batches\/b$/)
    const [{ method, url, body, headers: sent } = expect.unreachable(), ...more] = received
    expect({ method, url, body: JSON.parse(body), more }).toEqual({
      method: 'POST',
      url: '/batches',
      body: { views: ['app.sales'] },
      more: [],
    })
    expect(sent).toMatchObject({
      'content-type': 'application/json',
      'idempotency-key': expect.stringMatching(/^[\da-f-]{36}$/),
    })
    for (const name of [
      'cookie',
      'authorization',
      'origin',
      'prefer',
      'x-forwarded-for',
      'x-amz-security-token',
    ])
      expect(sent).not.toHaveProperty(name)
  })

  test('is signed, also with a query and a body, at an address with a path of its own', async () => {
    const { url: apiUrl, received } = await startApi(nothing)
    await startParameters({ signing: { apiUrl: `${apiUrl}/v1/` } })
    const { get, post } = await startBefore(await apiOf({ env: 'signing' }))
    await get('page/runs?view=%22Odd%20%C3%A9%22&status=failed')
    await post('', { does: 'chosen', deed: 'refresh', view: 'é' })
    expect(received.map(({ url, body }) => [url, body])).toEqual([
      ['/v1/runs?view=%22Odd%20%C3%A9%22&status=failed&limit=100', ''],
      ['/v1/batches', '{"views":["é"]}'],
    ])
    for (const { signature } of received) expect(signature).toMatchObject({ region: 'eu-central-1' })
  })

  test.each(Object.values(routes))('is no route that somebody asks for: $method $path', async (route) => {
    const { url, address, received } = await start()
    const path = route.path.replace(/\{\w+\}/, '7').slice(1)
    const { method } = route
    expect((await fetch(address + path, { method, headers: { origin: url } })).status).toBe(404)
    expect(received).toEqual([])
  })

  test.each([
    ['GET', '/TOKEN//views'],
    ['GET', '/TOKEN/page/../views'],
    ['GET', '/TOKEN/page/%2e%2e/%2e%2e/latest/meta-data'],
    ['GET', '/TOKEN/page'],
    ['GET', 'http://169.254.169.254/TOKEN/'],
    ['GET', 'http://evil.example/TOKEN/'],
    ['GET', '*'],
    ['GET', '/TOKEN/PAGE/runs'],
    ['GET', '/TOKEN/page\\..\\pause'],
    ['GET', '/TOKEN/admin'],
    ['PUT', '/TOKEN/'],
    ['DELETE', '/TOKEN/page/runs'],
    ['PATCH', '/TOKEN/page/runs'],
    ['HEAD', '/TOKEN/page/runs'],
    ['OPTIONS', '/TOKEN/page/runs'],
  ])('is never anything else: %s %s', async (method, target) => {
    const { port, token, received } = await start()
    const { status } = await raw(port, [
      `${method} ${target.replace('TOKEN', token)} HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      'Content-Length: 0',
    ])
    expect([400, 403, 404]).toContain(status)
    expect(received).toEqual([])
  })

  const names = ['..', '.', '../pause', 'a/../../pause', 'a?b', 'a#b']
  test.each(names)('is no other route than that of the deed, for view %s', async (view) => {
    const { post, received } = await start()
    await post('', { does: 'pause', view })
    const paths = received.map(({ method, url }) => `${method} ${url}`)
    expect(
      paths.filter((path) => path.startsWith('POST') && !/^POST \/views\/[^/?#]+\/pause$/.test(path)),
    ).toEqual([])
  })

  test('of an encoded slash is the one name that it is part of, also if the request is signed', async () => {
    const { url: apiUrl, received } = await startApi(nothing)
    await startParameters({ slashes: { apiUrl: apiUrl } })
    const { get, post } = await startBefore(await apiOf({ env: 'slashes' }))
    const { status, text } = await get('page/views/%22a%2frefresh%22')
    expect(status).toBe(404)
    expect(text).toContain('No such materialized view')
    expect((await get('page/runs/7%2fcancel')).status).toBe(404)
    expect((await post('', { does: 'pause', view: '"a/refresh"' })).status).toBe(404)
    expect(received.filter(({ url }) => !/^\/(views|runs|batches|actions)(\?|$)/.test(url))).toEqual([])
  })
})

describe('what comes back', () => {
  test('of the headers of the API are none', async () => {
    const { get } = await start(() => ({
      ...nothing(),
      headers: {
        'set-cookie': 'a=1',
        'access-control-allow-origin': '*',
        'x-amzn-requestid': '1',
        'content-security-policy': '',
      },
    }))
    const { headers } = await get()
    for (const name of ['set-cookie', 'access-control-allow-origin', 'x-amzn-requestid'])
      expect(headers.has(name)).toBe(false)
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin')
  })

  test('is a problem as the API tells it, in the page', async () => {
    const refuses = problem(409, 'AlreadyRunning', { runningRunId: 812 })
    const { post } = await start(({ method }) => (method === 'POST' ? refuses : nothing()))
    const { status, text } = await post('', { does: 'pause', view: 'app.sales' })
    expect(status).toBe(409)
    expect(text).toContain('This is AlreadyRunning.')
    expect(text).toContain('href="page/runs/812"')
  })

  test.each([200, 404, 500])('is never HTML, which would run as the page: %i', async (status) => {
    const { get } = await start(() => ({ status, body: '<script>alert(1)</script>' }))
    const { text } = await get('page/runs')
    expect(text).toContain('<main')
    expect(text).not.toContain('<script>')
  })

  test('are words where API Gateway has none', async () => {
    const { url: apiUrl } = await startApi(({ method }) =>
      method === 'POST' ? { status: 403, body: { message: 'Forbidden' } } : nothing(),
    )
    await startParameters({ words: { apiUrl: apiUrl } })
    const { post } = await startBefore(await apiOf({ env: 'words' }))
    const { status, text } = await post('', { does: 'pause', view: 'sales' })
    expect(status).toBe(403)
    expect(text).toContain('Your AWS credentials do not allow this')
    expect(text).toContain('viewkeeper-words-operate')
    expect(text).not.toContain('runbook.md')
  })

  test('says how to sign in again when the credentials are gone, and goes on once they are back', async () => {
    const { url: apiUrl, received } = await startApi(nothing)
    await startParameters({ gone: { apiUrl: apiUrl } })
    const api = await apiOf({ env: 'gone' })
    const { get } = await startBefore(api)
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    const { status, text } = await get()
    expect(status).toBe(401)
    expect(text).toContain('There are no valid AWS credentials')
    expect(text).toContain('aws sso login')
    expect(received).toEqual([])
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIATEST')
    expect((await get()).status).toBe(200)
  })

  test('says that the API cannot be reached', async () => {
    const { get } = await startBefore(await apiOf({ url: 'http://127.0.0.1:1' }))
    const { status, text } = await get()
    expect(status).toBe(502)
    expect(text).toContain('The API cannot be reached')
  })

  test('gives nothing of a defect away; the terminal has it', async () => {
    const defects: unknown[] = []
    const defect = new Error('the secret')
    const api = await apiOf({ url: 'http://127.0.0.1:1' })
    const fails = () => {
      throw defect
    }
    const of = async (broken: Api) =>
      (await startBefore(broken, { onDefect: (error) => defects.push(error) })).get()
    for (const { status, text } of [
      await of({ ...api, send: fails }),
      await of(Object.defineProperty({ ...api, send: fails }, 'environment', { get: fails })),
    ]) {
      expect(status).toBe(500)
      expect(text).not.toContain('secret')
    }
    expect(new Set(defects)).toEqual(new Set([defect]))
  })
})

test('a port that is taken is told', async () => {
  const { port } = await start()
  await expect(start(undefined, { port })).rejects.toMatchObject({
    code: 'InvalidRequest',
    message: `Port ${port} is taken: leave --port out, and a free one is taken.`,
  })
})
