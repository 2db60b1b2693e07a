import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ApiUnavailable } from '../../../cli/api/api.ts'
import { apiOf } from '../../../cli/api/api-of.ts'
import { findFreePort } from '../../../serve/process.ts'
import { aimed, command } from '../../../src/words/commands.ts'
import { problem, startApi, startParameters, withoutPerson } from '../../support/api/fake-api.ts'

beforeEach(withoutPerson)

describe('which API', () => {
  test('without anything said it is the local gateway, at the port that npm start has', async () => {
    vi.stubEnv('PORT', '8999')
    expect(await apiOf({})).toMatchObject({
      name: 'http://127.0.0.1:8999',
      environment: null,
      url: 'http://127.0.0.1:8999',
    })
  })

  test('--url wins over VIEWKEEPER_ENV, loses its slash, and is not signed', async () => {
    vi.stubEnv('VIEWKEEPER_ENV', 'production')
    const { url, received } = await startApi()
    const api = await apiOf({ url: `${url}/` })
    expect(api).toMatchObject({ name: url, environment: null, url })
    await api.send('GET', '/views')
    expect(received).toMatchObject([{ method: 'GET', url: '/views', signature: null }])
  })

  test('what people are told to type reaches the same API again, whatever is chosen', async () => {
    vi.stubEnv('PORT', '8999')
    vi.stubEnv('VIEWKEEPER_ENV', 'production')
    const { typed } = await apiOf({ env: 'local' })
    expect(command(['cancel', '7'], typed)).toBe('viewkeeper cancel 7 --env local')
    expect(aimed('viewkeeper refresh app.sales', typed)).toBe('viewkeeper refresh app.sales --env local')
    expect(aimed('viewkeeper put-back', typed)).toBe('viewkeeper put-back')
    const url = 'http://127.0.0.1:8999'
    expect(command(['ls'], (await apiOf({ url: `${url}/` })).typed)).toBe(`viewkeeper ls --url ${url}`)
    vi.stubEnv('VIEWKEEPER_ENV', 'local')
    expect(command(['ls'], (await apiOf({})).typed)).toBe('viewkeeper ls')
  })

  test('a chosen environment is named on standard error, once, before something changes there', async () => {
    // A name of its own: an API that was looked up is found again by every test of this process.
    const { url, received } = await startApi()
    await startParameters({ chosen: { apiUrl: url } })
    vi.stubEnv('VIEWKEEPER_ENV', 'chosen')
    let told = ''
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      told += `${text}after ${received.filter(({ method }) => method === 'POST').length}`
      return true
    })
    onTestFinished(() => void vi.restoreAllMocks())
    const api = await apiOf({})
    await api.send('GET', '/views')
    expect(told).toBe('')
    await api.send('POST', '/batches')
    await api.send('POST', '/batches')
    expect(told).toBe('chosen, chosen by VIEWKEEPER_ENV\nafter 0')
    await (await apiOf({ env: 'chosen' })).send('POST', '/batches')
    expect(told).toBe('chosen, chosen by VIEWKEEPER_ENV\nafter 0')
  })

  const wrong = ['gateway', 'ftp://host', 'file:///etc', 'https://me:word@host/']
  test.each(wrong)('%s is no address', async (url) => {
    await expect(apiOf({ url })).rejects.toMatchObject({ code: 'InvalidRequest' })
  })
})

describe('what is sent', () => {
  test('has the query, the body, the wait and the key', async () => {
    const { url, received } = await startApi(() => ({ status: 202, body: { runId: 7 } }))
    const api = await apiOf({ url })
    const { status, body } = await api.send('POST', '/views/app.sales/refresh', {
      query: { a: 'x y', none: undefined, n: 3 },
      body: { strategy: 'swap' },
      wait: 20,
      idempotencyKey: 'k1',
    })
    expect({ status, body }).toEqual({ status: 202, body: { runId: 7 } })
    expect(received).toMatchObject([
      {
        method: 'POST',
        url: '/views/app.sales/refresh?a=x+y&n=3',
        body: '{"strategy":"swap"}',
        headers: { 'content-type': 'application/json', prefer: 'wait=20', 'idempotency-key': 'k1' },
      },
    ])
  })

  const paths = ['/views/..', '/views/../pause', '/views/%2e%2e/pause', '/views/./a', 'views']
  test.each(paths)('is never another path than the written one: %s', async (path) => {
    const { url, received } = await startApi()
    const api = await apiOf({ url })
    await expect(api.send('GET', path)).rejects.toMatchObject({ reason: 'NotReached' })
    expect(received).toEqual([])
  })

  test('does not follow a redirect', async () => {
    const { url, received } = await startApi(() => ({ status: 302, headers: { location: '/runs' } }))
    await expect((await apiOf({ url })).send('GET', '/views')).rejects.toMatchObject({ reason: 'NotReached' })
    expect(received).toHaveLength(1)
  })
})

describe('what is answered', () => {
  const refused = async (answer: Parameters<typeof startApi>[0]) => {
    const { url, received } = await startApi(answer)
    const error = await (await apiOf({ url })).send('GET', '/runs/7').then(
      () => expect.unreachable(),
      (thrown) => thrown,
    )
    return { error, received }
  }

  test('a problem keeps its code, its words and its ids', async () => {
    const { error } = await refused(() => problem(409, 'AlreadyRunning', { runId: 813, runningRunId: 812 }))
    expect(error).toMatchObject({
      code: 'AlreadyRunning',
      message: 'This is AlreadyRunning.',
      details: { runId: 813, runningRunId: 812 },
    })
    expect(error).not.toBeInstanceOf(ApiUnavailable)
  })

  test.each([
    [418, 'InvalidRequest'],
    [503, 'FunctionUnavailable'],
  ])('a code that this version does not know, with %i, is %s', async (status, code) => {
    const { error } = await refused(() => problem(status, 'FromTheFuture'))
    expect(error).toMatchObject({ code, message: 'This is FromTheFuture.' })
  })

  test('a page that is no API is called that', async () => {
    const { error } = await refused(() => ({ body: '<html>a router</html>' }))
    expect(error).toMatchObject({ reason: 'NotReached', message: expect.stringContaining('not JSON') })
  })

  test('an answer that breaks off is no answer', async () => {
    const server = createHttpServer((_, response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('{', () => response.destroy())
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const api = await apiOf({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    await expect(api.forward({ method: 'GET', path: '/views', headers: {} })).rejects.toMatchObject({
      reason: 'NotReached',
    })
    await expect(api.send('POST', '/batches')).rejects.toMatchObject({ reason: 'NotReached' })
  })

  test('a problem that is no JSON still is one', async () => {
    const { error } = await refused(() => ({
      status: 500,
      headers: { 'content-type': 'application/problem+json' },
      body: 'oops',
    }))
    expect(error).toMatchObject({ code: 'FunctionUnavailable' })
  })
})

describe('what is sent again', () => {
  test.each([
    ['GET', {}, 429, {}],
    ['POST', {}, 429, {}],
    ['GET', {}, 502, {}],
    ['POST', { idempotencyKey: 'k' }, 504, {}],
  ] as const)('%s %o after an own answer %i of API Gateway', async (method, options, status, headers) => {
    const { url, received } = await startApi((_, turn) =>
      turn === 1 ? { status, headers, body: { message: null } } : { body: { turn } },
    )
    expect(await (await apiOf({ url })).send(method, '/batches', options)).toMatchObject({
      body: { turn: 2 },
    })
    expect(received).toHaveLength(2)
  })

  test('a GET once more, if the API names a time after which that may help', async () => {
    const away = { ...problem(503, 'DatabaseUnavailable') }
    away.headers = { ...away.headers, 'retry-after': '0' }
    const { url, received } = await startApi(() => away)
    await expect((await apiOf({ url })).send('GET', '/views')).rejects.toMatchObject({
      code: 'DatabaseUnavailable',
    })
    expect(received).toHaveLength(2)
  })

  test.each([
    ['POST', {}, problem(503, 'LockTimeout', { runId: 7 })],
    ['POST', { idempotencyKey: 'k' }, problem(503, 'LockTimeout', { runId: 7 })],
    ['POST', {}, { status: 503, body: { message: 'Service Unavailable' } }],
    ['GET', {}, problem(404, 'UnknownView')],
    ['GET', {}, { status: 403, body: { message: 'Forbidden' } }],
  ] as const)('not: %s %o after %o', async (method, options, answer) => {
    const { url, received } = await startApi(() => answer)
    await expect((await apiOf({ url })).send(method, '/batches', options)).rejects.toThrow()
    expect(received).toHaveLength(1)
  })

  test('a request with a key, if the connection breaks; one without is not, because it may have begun', async () => {
    let connections = 0
    const server = createServer((socket) => {
      connections++
      socket.once('data', () => socket.destroy())
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const api = await apiOf({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    await expect(api.send('POST', '/batches')).rejects.toMatchObject({ reason: 'NotReached' })
    expect(connections).toBe(1)
    await expect(api.send('POST', '/batches', { idempotencyKey: 'k' })).rejects.toThrow()
    expect(connections).toBe(4)
  })
})

test('a gateway that does not run is told, with how to start it', async () => {
  const port = await findFreePort()
  vi.stubEnv('PORT', String(port))
  const error = await (await apiOf({})).send('GET', '/views').catch((thrown) => thrown)
  expect(error).toMatchObject({ reason: 'NotReached', status: 502 })
  expect(error.message).toBe(
    `Nothing answers at http://127.0.0.1:${port} (ECONNREFUSED). Start \`npx viewkeeper dev\`, or \`npx viewkeeper serve\` on a database. ` +
      'Name one that runs elsewhere with PORT or --url, a deployed environment with --env or VIEWKEEPER_ENV, and a database on which none runs with DATABASE_URL.',
  )
})
