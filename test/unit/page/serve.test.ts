import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { buildPage } from '../../../build/page.ts'
import { type PageFiles, withTarget } from '../../../page/serve/files.ts'
import { pageFor, readPage } from '../../../page/serve/page.ts'
import { servePage } from '../../../page/serve/serve.ts'

const target = { name: 'production', environment: 'production', url: 'https://api.example' }
let files: PageFiles

beforeAll(async () => {
  files = withTarget(await readPage(), target)
})

/** Asks a server of the page; 404 says that the page has no such file. `fetch` would unzip by itself. */
async function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
  const server = createServer((request, response) => {
    if (!servePage(request, response, files)) response.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const asked = request({ port, host: '127.0.0.1', path, headers, method, agent: false }).end()
  const [answer] = await once(asked, 'response')
  return {
    status: answer.statusCode as number,
    headers: answer.headers as IncomingHttpHeaders,
    body: await buffer(answer),
  }
}

test('the page is one document, one script and one style sheet, and names nothing that lies elsewhere', async () => {
  const html = (await get('/')).body.toString()
  const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name]) => name as string)
  expect(named.filter((name) => !name.startsWith('data:')).sort()).toEqual([
    'chunk.js',
    'page.css',
    'page.js',
  ])
  for (const path of ['/page.js', '/chunk.js', '/page.css']) {
    const { status, body } = await get(path)
    expect(status).toBe(200)
    expect(body.length).toBeGreaterThan(0)
  }
  expect((await get('/page.css')).body.toString()).not.toMatch(/@import|url\((?!["']?data:)/)
})

test('the scripts send the token of the proxy', async () => {
  expect((await get('/chunk.js')).body.toString()).toContain('x-viewkeeper-token')
})

test('the policy lets the page run its own script and talk to its own server, and nothing inline', async () => {
  const policy = String((await get('/')).headers['content-security-policy'])
  const directives = policy.split('; ')
  expect(directives).toEqual(
    expect.arrayContaining([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ]),
  )
  expect(policy).not.toMatch(/unsafe|\*|http/)
  const html = (await get('/')).body.toString()
  expect(html).not.toMatch(/<script(?![^>]*src=)|<style| style=| on\w+=/)
})

test('a browser gets it zipped, and nothing if its copy is still right', async () => {
  const plain = await get('/page.js')
  const zipped = await get('/page.js', { 'accept-encoding': 'gzip, br' })
  expect(zipped.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'accept-encoding' })
  expect(gunzipSync(zipped.body)).toEqual(plain.body)
  const { etag, 'cache-control': cache } = plain.headers
  expect(cache).toBe('no-cache')
  const again = await get('/page.js', { 'if-none-match': etag! })
  expect({ status: again.status, length: again.body.length }).toEqual({ status: 304, length: 0 })
  expect((await get('/page.css', { 'if-none-match': etag! })).status).toBe(200)
})

test('/page.json says which API the page talks to, and no more', async () => {
  const { headers, body } = await get('/page.json')
  expect(headers['content-type']).toBe('application/json')
  expect(JSON.parse(body.toString())).toEqual(target)
})

test.each([
  ['GET', '/views'],
  ['GET', '/page.js/'],
  ['GET', '//page.js'],
  ['GET', '/app/main.tsx'],
  ['GET', '/../package.json'],
  ['GET', '/constructor'],
  ['GET', '/__proto__'],
  ['POST', '/'],
  ['HEAD', '/page.js'],
])('%s %s is none of its files', async (method, path) => {
  expect((await get(path, {}, method)).status).toBe(404)
})

test('the page is made once', async () => {
  const page = pageFor(() => target)
  expect((await page())['/page.js']).toBe((await page())['/page.js'])
})

test('the built page has what is served, byte for byte', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'viewkeeper-page-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const sources = await buildPage(folder)
  expect(sources).toContainEqual(expect.stringMatching(/\/page\/app\/main\.tsx$/))
  for (const [path, { bytes }] of Object.entries(await readPage()))
    expect(bytes.equals(await readFile(join(folder, path === '/' ? 'index.html' : path))), path).toBe(true)
})
