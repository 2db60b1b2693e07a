import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startProxy } from '../../cli/api/proxy.ts'
import { startBrowser } from './support/browser.ts'
import { fakeApi } from './support/fake-api.ts'
import { openPage } from './support/page.ts'
import { apiOf, manyViews } from './support/scene.ts'

// The proxy of `viewkeeper open`, and pages of other sites in the same browser.

let browser: Browser
let api: ReturnType<typeof fakeApi>
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
    document.forms[0].action = proxy + '/' + token + '/page/do/pause-all'
    const end = ends(document.querySelector('iframe'), 'load')
    document.forms[0].submit()
    return end
  }
  const read = async (path, options) => (await fetch(proxy + path, options)).text()
  const views = '/' + token + '/'
  const deed = '/' + token + '/page/do/resume-all'
  const type = 'application/x-www-form-urlencoded'
  navigator.sendBeacon(proxy + deed, 'sure=yes')
  const results = await Promise.allSettled([
    read('/'),
    read(views),
    read(views, { mode: 'no-cors', credentials: 'include' }),
    read(deed, { method: 'POST', headers: { 'content-type': type }, body: 'sure=yes' }),
    read(deed, { method: 'POST', mode: 'no-cors', credentials: 'include', body: 'sure=yes' }),
    embed('script', views + 'page/page.js'),
    embed('img', views),
    embed('iframe', views),
    ends(new WebSocket(proxy.replace('http', 'ws') + views), 'open', 'error'),
    form(),
  ])
  window.couldRead = results.map(({ value }) => value).filter((value) => !['', 'load', 'error', undefined].includes(value))
</script>`

beforeAll(async () => {
  browser = await startBrowser()
  const scene = apiOf(manyViews(3))
  api = fakeApi((asked) => (asked.method === 'POST' ? {} : scene(asked)))
  const target = {
    name: 'production',
    environment: 'production',
    typed: 'production',
    url: 'https://api.example',
  }
  proxy = await startProxy({ api: { ...target, send: api.send }, port: 0 })
  token = new URL(proxy.address).pathname.split('/')[1]!
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
  otherSite.close()
})

test('the page at the printed address reaches the API, with and without a script, and goes on after a reload', async () => {
  for (const javaScriptEnabled of [true, false]) {
    const { page, complaints } = await openPage(browser, proxy.address, { javaScriptEnabled })
    await page.getByRole('link', { name: 'Batches' }).click()
    await page.getByRole('heading', { level: 1, name: 'Batches' }).waitFor()
    api.asked.length = 0
    await page.reload()
    await page.getByRole('heading', { level: 1, name: 'Batches' }).waitFor()
    await page.getByRole('link', { name: 'Views', exact: true }).click()
    await page.getByRole('button', { name: 'Pause all' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Pause all' }).click()
    await page.getByRole('status').getByText('Everything scheduled is paused').waitFor()
    expect(api.asked.map(({ method, path }) => `${method} ${path}`)).toContain('POST /pause')
    expect(complaints).toEqual([])
  }
})

const sites = ['127.0.0.1', 'localhost', 'other.localhost']
test.each(sites)('a page of site %s reaches nothing, even if it knows the token', async (host) => {
  const { page } = await openPage(browser, proxy.address, { stands: true })
  await page.waitForLoadState('networkidle')
  api.asked.length = 0
  const known = encodeURIComponent(JSON.stringify({ proxy: proxy.url, token }))
  await page.goto(`http://${host}:${portOf(otherSite)}/#${known}`)
  await page.waitForFunction('window.couldRead')
  expect(await page.evaluate('window.couldRead')).toEqual([])
  expect(api.asked).toEqual([])
  expect(JSON.stringify(seenByOtherSite)).not.toContain(token)
})

test('another name for 127.0.0.1 does not even get the page', async () => {
  const page = await browser.newPage()
  const answer = await page.goto(proxy.address.replace('127.0.0.1', 'other.localhost'))
  expect(answer?.status()).toBe(403)
  await page.close()
})
