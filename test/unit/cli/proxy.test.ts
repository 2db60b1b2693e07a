import { once } from 'node:events'
import { createConnection } from 'node:net'
import { networkInterfaces } from 'node:os'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Api } from '../../../cli/api/api.ts'
import { apiOf } from '../../../cli/api/api-of.ts'
import { startProxy } from '../../../cli/open/proxy.ts'
import { fileOf, withTarget } from '../../../page/serve/files.ts'
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

/** A page of small files: what it shows is of no interest here. */
const pageOf = (api: Api) => async () =>
  withTarget(
    {
      '/': fileOf('text/html', '<html>'),
      '/page.js': fileOf('text/javascript', ''),
      '/page.css': fileOf('text/css', ''),
      '/chunk.js': fileOf('text/javascript', ''),
      '/other-pages.js': fileOf('text/javascript', ''),
      '/layout.js': fileOf('text/javascript', ''),
    },
    api,
  )

/** A proxy before an API that answers this. */
async function start(
  answerTo?: (request: Received, turn: number) => FakeAnswer,
  options: Partial<Parameters<typeof startProxy>[0]> = {},
) {
  const { url: apiUrl, received } = await startApi(answerTo)
  const api = await apiOf({ url: apiUrl })
  return { ...(await startBefore(api, options)), apiUrl, received }
}

async function startBefore(api: Api, options: Partial<Parameters<typeof startProxy>[0]> = {}) {
  const proxy = await startProxy({ api, page: pageOf(api), port: 0, ...options })
  onTestFinished(proxy.close)
  const { url, address } = proxy
  const token = new URL(address).searchParams.get('token')!
  /** What the page sends. */
  const fromPage = (path: string, { headers, ...init }: RequestInit = {}) =>
    fetch(`${url}${path}`, { ...init, headers: { 'x-viewkeeper-token': token, ...headers } })
  return { proxy, url, port: Number(new URL(url).port), address, token, fromPage }
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
  test('is opened by an address with a token, and then asks the API with that', async () => {
    const { address, url, fromPage, apiUrl, received } = await start(() => ({ body: { views: [] } }))
    expect(new URL(address).hostname).toBe('127.0.0.1')
    const opened = await fetch(address)
    expect({ status: opened.status, text: await opened.text() }).toEqual({ status: 200, text: '<html>' })
    expect((await fetch(`${url}/page.js`)).status).toBe(200)
    expect(await (await fromPage('/page.json')).json()).toEqual({
      name: apiUrl,
      environment: null,
      url: apiUrl,
      flags: `--url ${apiUrl}`,
    })
    const answer = await fromPage('/views?state=stale')
    expect(await answer.json()).toEqual({ views: [] })
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(received.map(({ url }) => url)).toEqual(['/views?state=stale'])
  })

  test('gets no token from the proxy in a cookie, which every port of 127.0.0.1 would see', async () => {
    const { address, fromPage } = await start()
    for (const answer of [await fetch(address), await fromPage('/views')])
      expect(answer.headers.getSetCookie()).toEqual([])
  })

  test('of two proxies has two tokens, and neither lets in at the other', async () => {
    const one = await start()
    const other = await start()
    expect(one.token).not.toBe(other.token)
    expect(one.token.length).toBeGreaterThanOrEqual(43)
    const answer = await fetch(`${one.url}/views`, { headers: { 'x-viewkeeper-token': other.token } })
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject({ detail: expect.stringContaining('another proxy') })
    expect((await fetch(`${one.url}/?token=${other.token}`)).status).toBe(403)
    expect(one.received).toEqual([])
  })
})

describe('nobody else is let in', () => {
  test.each([
    ['GET', '/page.json'],
    ['GET', '/views'],
    ['POST', '/views/app.sales/drop'],
    ['GET', '/openapi.json'],
    ['GET', '/nothing'],
    ['DELETE', '/views'],
  ])('%s %s without the token is refused in words', async (method, path) => {
    const { url, token, received } = await start()
    for (const init of [
      {},
      { headers: { 'x-viewkeeper-token': '' } },
      { headers: { 'x-viewkeeper-token': token.slice(1) } },
      { headers: { cookie: `token=${token}` } },
      { headers: { authorization: token } },
    ]) {
      const answer = await fetch(`${url}${path}`, { method, ...init })
      expect(answer.status).toBe(403)
      expect(await answer.json()).toMatchObject({
        code: 'Forbidden',
        detail: expect.stringContaining('Open the address that `viewkeeper open` has printed'),
      })
    }
    expect((await fetch(`${url}${path}?token=${token}`, { method })).status).toBe(403)
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
      'a link of another site',
      { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' },
    ],
  ])('%s, even with the token', async (_, headers) => {
    const { port, token, received } = await start()
    const all = { Host: '127.0.0.1:PORT', 'X-Viewkeeper-Token': token, 'Content-Length': '0', ...headers }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value.replace('PORT', `${port}`)}`)
    for (const target of ['POST /views/app.sales/refresh', 'GET /views', 'GET /page.json', 'GET /page.js'])
      expect((await raw(port, [`${target} HTTP/1.1`, ...lines])).status).toBe(403)
    expect(received).toEqual([])
  })

  test('another site may open the page in a tab, but in no frame', async () => {
    const { port } = await start()
    const open = (dest: string) =>
      raw(port, [
        'GET / HTTP/1.1',
        `Host: 127.0.0.1:${port}`,
        'Sec-Fetch-Site: cross-site',
        'Sec-Fetch-Mode: navigate',
        `Sec-Fetch-Dest: ${dest}`,
      ])
    const { status, text } = await open('document')
    expect(status).toBe(200)
    expect(text).toContain("frame-ancestors 'none'")
    expect((await open('iframe')).status).toBe(403)
  })

  test('a form of another site, which a browser sends without asking', async () => {
    const { port, received } = await start()
    const { status } = await raw(port, [
      'POST /views/app.sales/drop HTTP/1.1',
      `Host: 127.0.0.1:${port}`,
      'Content-Type: text/plain',
      'Content-Length: 0',
    ])
    expect(status).toBe(403)
    expect(received).toEqual([])
  })

  test('a page that asks first whether it may send the token is not told yes', async () => {
    const { port } = await start()
    const { status, text } = await raw(port, [
      'OPTIONS /views HTTP/1.1',
      `Host: 127.0.0.1:${port}`,
      'Origin: https://evil.example',
      'Access-Control-Request-Method: GET',
      'Access-Control-Request-Headers: x-viewkeeper-token',
      'Access-Control-Request-Private-Network: true',
    ])
    expect(status).toBe(403)
    expect(text.toLowerCase()).not.toContain('access-control')
  })

  test('a WebSocket, which knows no origin policy', async () => {
    const { port, received } = await start()
    const { status } = await raw(port, [
      'GET /views HTTP/1.1',
      `Host: 127.0.0.1:${port}`,
      'Upgrade: websocket',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
    ])
    expect(status).toBe(403)
    expect(received).toEqual([])
  })

  test('another user of this machine, who has read the token', async () => {
    const { port, token, received } = await start(undefined, { user: notMe })
    const headers = [`Host: 127.0.0.1:${port}`, `X-Viewkeeper-Token: ${token}`]
    for (const target of ['/', '/views']) {
      const lines = [`GET ${target} HTTP/1.1`, ...headers]
      const { status } = await raw(port, lines, await connectAsStranger(port))
      expect(status).toBe(tellsUsers ? 403 : 200)
    }
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
  test('is the request, and of the headers of the browser only three', async () => {
    const { fromPage, received } = await start(() => ({
      status: 202,
      body: { runId: 7 },
      headers: { location: '/runs/7' },
    }))
    const answer = await fromPage('/views/app.sales/refresh?a=1', {
      method: 'POST',
      body: '{"strategy":"swap"}',
      headers: {
        'content-type': 'application/json',
        prefer: 'wait=1',
        'idempotency-key': 'k1',
        cookie: 'other=1',
        authorization: 'Basic eDp5',
        'x-forwarded-for': '1.2.3.4',
        'x-amz-security-token': 'theirs',
      },
    })
    expect(answer.status).toBe(202)
    expect(answer.headers.get('location')).toBe('/runs/7')
    const [{ method, url, body, headers } = expect.unreachable()] = received
    expect({ method, url, body }).toEqual({
      method: 'POST',
      url: '/views/app.sales/refresh?a=1',
      body: '{"strategy":"swap"}',
    })
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      prefer: 'wait=1',
      'idempotency-key': 'k1',
    })
    for (const name of [
      'cookie',
      'authorization',
      'x-forwarded-for',
      'x-amz-security-token',
      'x-viewkeeper-token',
    ])
      expect(headers).not.toHaveProperty(name)
  })

  test('is signed, also with a query and a body, at an address with a path of its own', async () => {
    const { url: apiUrl, received } = await startApi(() => ({
      body: {},
      headers: { location: '/runs/7' },
    }))
    await startParameters({ signing: { apiUrl: `${apiUrl}/v1/` } })
    const { fromPage } = await startBefore(await apiOf({ env: 'signing' }))
    await fromPage('/runs?view=%22Odd%20%C3%A9%22&view=b+c&limit=5')
    const answer = await fromPage('/batches', { method: 'POST', body: '{"views":["é"]}' })
    expect(answer.headers.get('location')).toBe('/runs/7')
    expect(received.map(({ url }) => url)).toEqual([
      '/v1/runs?view=%22Odd%20%C3%A9%22&view=b%20c&limit=5',
      '/v1/batches',
    ])
    for (const { signature } of received) expect(signature).toMatchObject({ region: 'eu-central-1' })
  })

  test.each(Object.values(routes))('is each route: $method $path', async ({ method, path }) => {
    const { fromPage, received } = await start()
    const written = path.replace(/\{\w+\}/, '7')
    expect((await fromPage(written, { method })).status).toBe(200)
    expect(received).toMatchObject([{ method, url: written }])
  })

  test.each([
    ['GET', '//views'],
    ['GET', '/views/'],
    ['GET', '/views//refresh'],
    ['GET', '/views/%2e%2e/%2e%2e/latest/meta-data'],
    ['GET', '/views/..'],
    ['GET', '/views/%2E%2e'],
    ['GET', '/runs/.'],
    ['GET', 'http://169.254.169.254/views'],
    ['GET', 'http://evil.example/'],
    ['GET', '*'],
    ['GET', '/VIEWS'],
    ['GET', '/views\\..\\pause'],
    ['GET', '/admin'],
    ['POST', '/'],
  ])('is never anything else: %s %s', async (method, target) => {
    const { port, token, received } = await start()
    const { status } = await raw(port, [
      `${method} ${target} HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      `X-Viewkeeper-Token: ${token}`,
      'Content-Length: 0',
    ])
    expect([400, 404, 502]).toContain(status)
    expect(received).toEqual([])
  })

  test('of an encoded slash is the one name that it is part of, also if the request is signed', async () => {
    const { url: apiUrl, received } = await startApi(({ url }) => ({
      body: url === '/views' ? { views: [], next: null } : {},
    }))
    await startParameters({ slashes: { apiUrl: apiUrl } })
    const { fromPage } = await startBefore(await apiOf({ env: 'slashes' }))
    const answer = await fromPage('/views/%22a%2frefresh%22')
    expect({ status: answer.status, code: ((await answer.json()) as { code: string }).code }).toEqual({
      status: 404,
      code: 'UnknownView',
    })
    expect((await fromPage('/runs/7%2fcancel')).status).toBe(404)
    expect(received.map(({ url }) => url)).toEqual(['/views'])
  })

  test.each(['PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'])('is no %s', async (method) => {
    const { fromPage, received } = await start()
    const paths = {
      '/views': 'GET',
      '/pause': 'POST',
      '/batches': 'GET, POST',
      '/page.json': 'GET',
      '/nothing': '',
    }
    for (const [path, allow] of Object.entries(paths)) {
      const answer = await fromPage(path, { method })
      expect({ path, status: answer.status, allow: answer.headers.get('allow') }).toEqual({
        path,
        status: 405,
        allow,
      })
    }
    expect(received).toEqual([])
  })

  test('is at most 10 MB', async () => {
    const { fromPage, received } = await start()
    const send = (bytes: number) => fromPage('/batches', { method: 'POST', body: new Uint8Array(bytes) })
    expect((await send(10 * 1024 * 1024)).status).toBe(200)
    expect((await send(10 * 1024 * 1024 + 1)).status).toBe(413)
    expect(received).toHaveLength(1)
  })
})

describe('what comes back', () => {
  test('of the headers of the API are only those that the page reads', async () => {
    const { fromPage } = await start(() => ({
      headers: {
        'set-cookie': 'a=1',
        'access-control-allow-origin': '*',
        'x-amzn-requestid': '1',
        'content-security-policy': '',
      },
    }))
    const { headers } = await fromPage('/views')
    for (const name of ['set-cookie', 'access-control-allow-origin', 'x-amzn-requestid'])
      expect(headers.has(name)).toBe(false)
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin')
  })

  test('is a problem as the API tells it', async () => {
    const told = problem(503, 'TooManyConnections')
    const { fromPage } = await start(() => ({ ...told, headers: { ...told.headers, 'retry-after': '5' } }))
    const answer = await fromPage('/views')
    expect({ status: answer.status, again: answer.headers.get('retry-after') }).toEqual({
      status: 503,
      again: '5',
    })
    expect(await answer.json()).toMatchObject({
      code: 'TooManyConnections',
      detail: 'This is TooManyConnections.',
    })
  })

  test.each([200, 404, 500])('is never HTML, which would run as the page: %i', async (status) => {
    const { fromPage } = await start(() => ({ status, body: '<script>alert(1)</script>' }))
    const answer = await fromPage('/views')
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(await answer.text()).not.toContain('<script>')
  })

  test('are words where API Gateway has none', async () => {
    const { url: apiUrl } = await startApi(() => ({ status: 403, body: { message: 'Forbidden' } }))
    await startParameters({ words: { apiUrl: apiUrl } })
    const { fromPage } = await startBefore(await apiOf({ env: 'words' }))
    const answer = await fromPage('/views/sales/pause', { method: 'POST' })
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject({
      code: 'NotAllowed',
      title: 'Your AWS credentials do not allow this',
      detail: expect.stringContaining('viewkeeper-words-operate'),
    })
  })

  test('says how to sign in again when the credentials are gone, and goes on once they are back', async () => {
    const { url: apiUrl, received } = await startApi(() => ({ body: { views: [] } }))
    await startParameters({ gone: { apiUrl: apiUrl } })
    const api = await apiOf({ env: 'gone' })
    const { fromPage } = await startBefore(api)
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    const answer = await fromPage('/views')
    expect(answer.status).toBe(401)
    expect(await answer.json()).toMatchObject({
      code: 'NoCredentials',
      title: 'There are no valid AWS credentials',
      detail: expect.stringContaining('aws sso login'),
    })
    expect(received).toEqual([])
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIATEST')
    expect((await fromPage('/views')).status).toBe(200)
  })

  test('says that the API cannot be reached', async () => {
    const gone = await start()
    const { fromPage } = await startBefore(await apiOf({ url: 'http://127.0.0.1:1' }))
    const answer = await fromPage('/views')
    expect(answer.status).toBe(502)
    expect(await answer.json()).toMatchObject({ code: 'NotReached', title: 'The API cannot be reached' })
    expect(gone.received).toEqual([])
  })

  test('gives nothing of a defect away; the terminal has it', async () => {
    const defects: unknown[] = []
    const defect = new Error('the secret')
    const { fromPage } = await start(undefined, {
      onDefect: (error) => defects.push(error),
      page: () => Promise.reject(defect),
    })
    const answer = await fromPage('/page.json')
    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain('secret')
    expect(defects).toEqual([defect])
  })
})

test('a port that is taken is told', async () => {
  const { port } = await start()
  await expect(start(undefined, { port })).rejects.toMatchObject({
    code: 'InvalidRequest',
    message: `Port ${port} is taken: leave --port out, and a free one is taken.`,
  })
})
