import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startProxy } from '../../cli/open/proxy.ts'
import { pageFor } from '../../page/serve/page.ts'
import { startBrowser } from './support/browser.ts'
import { startFakeApi } from './support/fake-api.ts'
import { openPage } from './support/page.ts'

// The proxy of `viewkeeper open`, and pages of other sites in the same browser.

let browser: Browser
let api: Awaited<ReturnType<typeof startFakeApi>>
let proxy: Awaited<ReturnType<typeof startProxy>>
let token: string
let otherSite: Server
let seenByOtherSite: IncomingHttpHeaders[]

const portOf = (server: Server) => (server.address() as AddressInfo).port

/** Tries all that a page may send to another server, even with the token, and says what it could read. */
const attack = `<!doctype html><title>attack</title><h1>Another site</h1>
<iframe name="frame"></iframe><form method="post" target="frame" enctype="text/plain"><input name="a" value="b"></form>
<script type="module">
  const { proxy, token } = JSON.parse(decodeURIComponent(location.hash.slice(1)))
  const ends = (element, ...names) => new Promise((resolve) => names.forEach((name) => (element['on' + name] = () => resolve(name))))
  const embed = (tag, path) => {
    const element = document.createElement(tag)
    element.src = proxy + path
    document.body.append(element)
    return ends(element, 'load', 'error')
  }
  const form = () => {
    document.forms[0].action = proxy + '/views/public.sales/refresh'
    const end = ends(document.querySelector('iframe'), 'load')
    document.forms[0].submit()
    return end
  }
  const read = async (path, options) => (await fetch(proxy + path, options)).text()
  const headers = { 'x-viewkeeper-token': token }
  navigator.sendBeacon(proxy + '/pause', '{}')
  const results = await Promise.allSettled([
    read('/views'),
    read('/views?token=' + token),
    read('/views', { headers }),
    read('/views', { mode: 'no-cors', credentials: 'include' }),
    read('/batches', { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: '{"all":true}' }),
    read('/batches', { method: 'POST', mode: 'no-cors', credentials: 'include', body: '{"all":true}' }),
    embed('script', '/views'),
    embed('img', '/views'),
    embed('iframe', '/views'),
    ends(new WebSocket(proxy.replace('http', 'ws') + '/views'), 'open', 'error'),
    form(),
  ])
  window.couldRead = results.map(({ value }) => value).filter((value) => !['', 'load', 'error', undefined].includes(value))
</script>`

beforeAll(async () => {
  browser = await startBrowser()
  api = await startFakeApi(({ path }) =>
    path === '/views' ? { views: [], next: null, paused: null } : undefined,
  )
  const target = { name: 'production', environment: 'production', url: api.url }
  proxy = await startProxy({
    api: {
      ...target,
      forward: ({ method, path, headers, body }) =>
        fetch(new URL(path, api.url), {
          method,
          headers,
          ...(body?.length ? { body: Buffer.from(body) } : {}),
        }),
    },
    page: pageFor(() => target),
    port: 0,
  })
  token = new URL(proxy.address).searchParams.get('token')!
  otherSite = createServer((request, response) => {
    seenByOtherSite.push(request.headers)
    response.writeHead(200, { 'content-type': 'text/html' }).end(attack)
  }).listen(0, '127.0.0.1')
  await once(otherSite, 'listening')
})
beforeEach(() => {
  seenByOtherSite = []
})
afterAll(async () => {
  await browser.close()
  await proxy.close()
  await api.close()
  otherSite.close()
})

test('the page at the printed address reaches the API, and goes on after a reload', async () => {
  const { page, complaints } = await openPage(browser, proxy.address)
  await expect.poll(() => api.asked.map(({ path }) => path)).toContain('/views')
  api.asked.length = 0
  expect(page.url()).not.toContain(token)
  await page.reload()
  await expect.poll(() => api.asked.map(({ path }) => path)).toContain('/views')
  expect(complaints).toEqual([])
})

test.each(['127.0.0.1', 'localhost', 'other.localhost'])(
  'a page of another site (%s) in the same browser reaches nothing, even if it knows the token',
  async (host) => {
    const { page } = await openPage(browser, proxy.address)
    api.asked.length = 0
    const known = encodeURIComponent(JSON.stringify({ proxy: proxy.url, token }))
    await page.goto(`http://${host}:${portOf(otherSite)}/#${known}`)
    await page.waitForFunction('window.couldRead')
    expect(await page.evaluate('window.couldRead')).toEqual([])
    expect(api.asked).toEqual([])
    expect(JSON.stringify(seenByOtherSite)).not.toContain(token)
  },
)

test('another name for 127.0.0.1 does not even get the page', async () => {
  const page = await browser.newPage()
  const answer = await page.goto(proxy.address.replace('127.0.0.1', 'other.localhost'))
  expect(answer?.status()).toBe(403)
  await page.close()
})
