import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { buildPage, bundlePage } from '../../../build/page.ts'
import { asksForPage, type PageOptions, pageFor, protect } from '../../../page/serve.ts'
import { Problem } from '../../../src/words/problem.ts'
import { type Answers, fakeApi } from '../../page/support/fake-api.ts'
import { apiOf, manyRuns, manyViews } from '../../page/support/scene.ts'

const views = manyViews(12)
const scene = apiOf(views, (view) => manyRuns(view, 30))

/** Serves the page with an API that answers this, until the test ends. */
async function serve(answers: Answers = scene, more: Partial<PageOptions> = {}) {
  const api = fakeApi(answers)
  const defects: unknown[] = []
  const tokens: (string | undefined)[] = []
  const page = pageFor({
    target: () => ({ name: 'production', environment: 'production', url: 'https://api.example' }),
    apiOf: (_, token) => {
      tokens.push(token)
      return api
    },
    onDefect: (error) => defects.push(error),
    ...more,
  })
  const server = createServer((request, response) => {
    protect(response)
    if (asksForPage(request)) page(request, response)
    else response.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  /** `fetch` would unzip, and follow what leads elsewhere. */
  const send = async (method: string, path: string, headers: Record<string, string> = {}, body?: string) => {
    const asked = request({ port, host: '127.0.0.1', path, headers, method, agent: false }).end(body)
    const [answer] = await once(asked, 'response')
    return {
      status: answer.statusCode as number,
      headers: answer.headers as IncomingHttpHeaders,
      body: await buffer(answer),
    }
  }
  const get = (path: string, headers?: Record<string, string>) => send('GET', path, headers)
  /** What a browser sends of a form that stands on this page. */
  const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    send(
      'POST',
      path,
      {
        origin: `http://127.0.0.1:${port}`,
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      },
      `${new URLSearchParams(fields)}`,
    )
  return { asked: api.asked, defects, tokens, port, send, get, post }
}

const pages = [
  '/',
  '/?state=stale&q=orders&sort=age',
  `/page/views/${views[1]!.view}`,
  '/page/graph',
  '/page/batches',
  '/page/batches/20261120-090000-1f3c9a2b',
  '/page/batches/20261120-090000-1f3c9a2b?as=graph',
  '/page/runs',
  '/page/runs?as=days',
  '/page/runs/9992',
  '/page/actions',
]

test('a page names one script and one style sheet, and nothing that lies elsewhere', async () => {
  const { get } = await serve()
  const { headers, body } = await get('/')
  expect(headers['content-type']).toBe('text/html; charset=UTF-8')
  const named = [...body.toString().matchAll(/<(?:script|link)\b[^>]* (?:src|href)="([^"]+)"/g)].map(
    ([, name]) => name as string,
  )
  expect(named.filter((name) => !name.startsWith('data:')).sort()).toEqual(['page/page.css', 'page/page.js'])
  const script = await get('/page/page.js')
  const style = await get('/page/page.css')
  expect(script.headers['content-type']).toBe('text/javascript; charset=utf-8')
  expect(style.headers['content-type']).toBe('text/css; charset=utf-8')
  expect(style.body.toString()).not.toMatch(/@import|url\((?!["']?data:)/)
})

const allPages = [...pages, '/page/nowhere', '/page/views/public.nowhere']
test.each(allPages)('%s runs no other script, is kept and framed by nobody', async (path) => {
  const { get, defects } = await serve()
  const { headers, body } = await get(path)
  const policy = String(headers['content-security-policy'])
  expect(policy.split('; ')).toEqual([
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ])
  expect(headers).toMatchObject({
    'cache-control': 'no-store',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
  })
  expect(body.toString()).not.toMatch(/<script(?![^>]*src=)|<style|<[^>]* (style|on\w+)=|javascript:/)
  expect(defects).toEqual([])
})

test('a browser gets everything zipped, and no file again of which its copy is right', async () => {
  const { get } = await serve()
  for (const path of ['/', '/page/page.js', '/page/page.css']) {
    const zipped = await get(path, { 'accept-encoding': 'gzip, br' })
    expect(zipped.headers).toMatchObject({
      'content-encoding': 'gzip',
      vary: expect.stringMatching(/accept-encoding/i),
    })
    expect(gunzipSync(zipped.body).toString()).toContain(path === '/' ? '<!doctype html>' : '{')
  }
  const { etag, 'cache-control': cache } = (await get('/page/page.js')).headers
  expect(cache).toBe('no-cache')
  const again = await get('/page/page.js', { 'if-none-match': etag! })
  expect({ status: again.status, length: again.body.length }).toEqual({ status: 304, length: 0 })
  expect((await get('/page/page.css', { 'if-none-match': etag! })).status).toBe(200)
})

test.each([
  ['GET', '/views', 404],
  ['GET', '/pages', 404],
  ['GET', '//page/page.js', 404],
  ['GET', 'http://127.0.0.1/page/page.js', 404],
  ['GET', '/page/page.js/', 404],
  ['GET', '/page/layout.js', 404],
  ['GET', '/page/../package.json', 404],
  ['GET', '/page/constructor', 404],
  ['GET', '/page/__proto__', 404],
  ['PUT', '/page/page.js', 404],
  ['DELETE', '/', 404],
])('%s %s is no page and no file', async (method, path, status) => {
  const { send, asked, defects } = await serve()
  expect((await send(method, path)).status).toBe(status)
  expect({ asked, defects }).toEqual({ asked: [], defects: [] })
})

test.each(pages)('%s shows names and messages of others as text, and never as markup', async (path) => {
  const hostile = `"<img src=x onerror=alert(1)>'&amp;"`
  const named = <Answer>(answer: Answer): Answer =>
    JSON.parse(
      JSON.stringify(answer)
        .replaceAll(views[1]!.view, JSON.stringify(`public.${hostile}`).slice(1, -1))
        .replaceAll('division by zero', JSON.stringify(hostile).slice(1, -1)),
    )
  const { get, defects } = await serve((asked) => {
    const answer = scene({ ...asked, path: asked.path.replace(`public.${hostile}`, views[1]!.view) })
    return answer && named(answer)
  })
  const place = path.replace(views[1]!.view, encodeURIComponent(`public.${hostile}`))
  const { status, body } = await get(place)
  expect(status).toBe(200)
  expect(body.toString()).not.toMatch(/<img|&amp;amp;amp;/)
  expect(body.toString()).toMatch(/&lt;img|Batches|Actions/)
  expect(defects).toEqual([])
})

const hidden = ['\u202E', '\u2066', '\u200F', '\u0007', '\u001B[2J', '\u009B', '\u2028']
/** Every text of others with characters that do not show or turn the direction of writing: `public.orders` stays a name. */
const withHidden = <Answer>(answer: Answer, which: string): Answer =>
  JSON.parse(JSON.stringify(answer), (key, value) =>
    typeof value === 'string' && (/\s/.test(value) || proseKeys.includes(key)) && !/^\d{4}-/.test(value)
      ? `${which}${value}${which}`
      : value,
  )
const proseKeys = [
  'comment',
  'message',
  'text',
  'query',
  'sql',
  'definition',
  'because',
  'requestedBy',
  'caller',
  'name',
  'schema',
  'note',
]

test.each([
  ...pages,
  '/page/graph?view=X',
  '/?q=X&sort=X&state=X&rows=X',
  '/page/runs?view=X&day=X&since=X&status=X&as=X',
  '/page/actions?view=X',
  '/page/views/X',
  '/page/runs/X?told=X',
  '/page/X',
])(
  '%s has no raw character that does not show or turns the direction of writing, wherever it stands',
  async (path) => {
    for (const which of hidden) {
      const { get, defects } = await serve((asked) => {
        const answer = scene(asked)
        return answer && withHidden(answer, which)
      })
      const { body } = await get(path.replaceAll('X', encodeURIComponent(`a${which}b`)))
      expect(body.toString()).toContain('<main')
      expect(body.toString().match(/(?![\n\t])\p{Cc}|[\p{Bidi_Control}\u2028\u2029]/u)).toBeNull()
      expect(defects).toEqual([])
    }
  },
)

test.each([
  ['/?q=%3Cb%3E&sort=%3Cb%3E&state=%3Cb%3E&rows=%3Cb%3E', 200],
  ['/page/graph?q=%3Cb%3E', 200],
  ['/page/graph?view=%22%3Cb%3E', 200],
  ['/page/actions?view=%22%3E%3Cb%3E', 200],
  ['/page/runs?view=%3Cb%3E&day=%3Cb%3E&since=%3Cb%3E&status=%22%3E%3Cb%3E&as=%3Cb%3E', 200],
  ['/page/views/%3Cb%3E', 404],
  ['/page/views/%', 404],
  ['/page/runs/%3Cb%3E?told=%3Cb%3E', 404],
  ['/page/%3Cb%3E', 404],
])('%s: what an address says is text, too', async (path, status) => {
  const { get, defects } = await serve()
  const answer = await get(path)
  expect(answer.status).toBe(status)
  expect(answer.body.toString()).not.toMatch(/<b>/)
  expect(defects).toEqual([])
})

describe('a form', () => {
  const began = { runId: 7, status: 'running' }
  /** Refreshes begin run 7, which is done at once. */
  const refreshes: Answers = (asked) => {
    if (asked.method === 'POST') return began
    return asked.path === '/runs/7' ? { ...manyRuns(views[1]!, 1)[0], id: 7 } : scene(asked)
  }
  const place = `/page/views/${views[1]!.view}`

  test('does its deed once, and leads back to the page that it stands on, which tells what came of it', async () => {
    const { post, get, asked } = await serve(refreshes)
    const { status, headers } = await post(`${place}?rows=100&told=6`, {
      does: 'refresh',
      view: views[1]!.view,
      strategy: 'swap',
    })
    expect({ status, to: headers.location }).toEqual({ status: 303, to: `${place}?rows=100&told=7` })
    expect(asked.filter(({ method }) => method === 'POST')).toMatchObject([
      { path: `/views/${views[1]!.view}/refresh`, body: { strategy: 'swap' } },
    ])
    expect((await get(headers.location!)).body.toString()).toContain(`${views[1]!.view}: done after`)
  })

  test('that has to be sure is answered with a question, on the same page, and the answer does it', async () => {
    const { post, asked } = await serve(refreshes)
    const question = (await post('/?q=a', { does: 'pause-all' })).body.toString()
    expect(question).toContain('Pause everything scheduled?')
    expect(question).toContain('<input type="hidden" name="sure" value="yes"/>')
    expect(asked.filter(({ method }) => method === 'POST')).toEqual([])
    // Without an action, a form goes to the page itself.
    expect(question).not.toMatch(/<form[^>]*method="post"[^>]* action=/)
    await post('/?q=a', { does: 'pause-all', sure: 'yes' })
    expect(asked.filter(({ method }) => method === 'POST').map(({ path }) => path)).toEqual(['/pause'])
  })

  const referers = ['https://evil.example/page', 'http://127.0.0.1:1/page/runs', 'data:,x', 'no address', '']
  test.each(referers)('leads to a page of this server, whatever the Referer says: %s', async (referer) => {
    const { post, defects } = await serve(refreshes)
    const { headers } = await post(place, { does: 'refresh', view: views[1]!.view }, { referer })
    expect(headers.location).toBe(`${place}?told=7`)
    const refused = await post(place, { does: 'nothing' }, { referer })
    expect(refused.body.toString()).toContain('The page has no deed nothing.')
    expect(defects).toEqual([])
  })

  const tricky = ['/page/..//evil.example', '/page/%2e%2e//evil.example/', '/?//evil.example']
  test.each(tricky)('never leads to another server: %s', async (path) => {
    const { post } = await serve(refreshes)
    const { headers } = await post(path, { does: 'refresh', view: views[1]!.view })
    expect(headers.location).toMatch(/^\/(?!\/)/)
  })

  test.each([
    ['', 'The page has no deed .'],
    ['nothing', 'The page has no deed nothing.'],
    ['constructor', 'The page has no deed constructor.'],
    ['sign-in', 'The page has no deed sign-in.'],
    ['<b>', 'The page has no deed &lt;b&gt;.'],
  ])('with a deed that the page does not have is refused in the page: %j', async (does, said) => {
    const { post, asked } = await serve()
    const { status, headers, body } = await post('/', { does })
    expect({ status, cookie: headers['set-cookie'] }).toEqual({ status: 404, cookie: undefined })
    expect(body.toString()).toContain(said)
    expect(asked.filter(({ method }) => method === 'POST')).toEqual([])
  })

  test('that does not say where it comes from does nothing; a browser says so in one of two headers', async () => {
    const { send, asked } = await serve(refreshes)
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const refused = await send('POST', '/', form, 'does=resume-all')
    expect(refused.status).toBe(403)
    expect(asked.filter(({ method }) => method === 'POST')).toEqual([])
    const site = { 'sec-fetch-site': 'same-origin' }
    expect((await send('POST', '/', { ...form, ...site }, 'does=resume-all')).status).toBe(200)
  })

  test.each(['text/plain', 'application/json', 'multipart/form-data', 'multipart/form-data; boundary=a'])(
    'that is none, but %s, is refused in the page',
    async (type) => {
      const { post, defects } = await serve()
      expect((await post('/', { does: 'resume-all' }, { 'content-type': type })).status).toBe(400)
      expect(defects).toEqual([])
    },
  )

  test('has at most 2 MB, room for ten thousand views', async () => {
    const { post, asked } = await serve(refreshes)
    const chosen = (bytes: number) => post('/', { does: 'chosen', deed: 'pause', view: 'x'.repeat(bytes) })
    expect((await chosen(1_999_000)).status).toBe(200)
    const before = asked.filter(({ method }) => method === 'POST').length
    const { status, body } = await chosen(2_000_001)
    expect(status).toBe(413)
    expect(body.toString()).toContain('Choose fewer views at once.')
    expect(asked.filter(({ method }) => method === 'POST')).toHaveLength(before)
  })
})

describe('where people sign in', () => {
  const unknown: Answers = () => new Problem('Unauthenticated', 'This server wants a token.')

  test('the token is kept in a cookie that no script reads and no form of another site sends', async () => {
    const { post, get, tokens, port } = await serve(scene, { signsIn: true })
    const signIn = (scheme: string) =>
      post(
        '/page/runs?q=a',
        { does: 'sign-in', token: 'vk_a b;\r\nX: y' },
        { origin: `${scheme}://127.0.0.1:${port}` },
      )
    const { status, headers } = await signIn('http')
    expect({ status, to: headers.location }).toEqual({ status: 303, to: '/page/runs?q=a' })
    const kept = 'viewkeeper-token=vk_a%20b%3B%0D%0AX%3A%20y'
    expect(headers['set-cookie']).toEqual([`${kept}; Path=/; HttpOnly; SameSite=Lax`])
    expect((await signIn('https')).headers['set-cookie']).toEqual([
      `${kept}; Path=/; HttpOnly; Secure; SameSite=Lax`,
    ])
    const page = await get('/page/runs', { cookie: kept })
    expect(new Set(tokens)).toEqual(new Set(['vk_a b;\r\nX: y']))
    expect(page.body.toString()).toContain('Sign out')
    expect(page.body.toString()).not.toContain('vk_a')
    const out = await post('/page/runs', { does: 'sign-out' }, { cookie: kept })
    expect(out.headers['set-cookie']).toEqual([
      expect.stringMatching(/^viewkeeper-token=; Max-Age=0; Path=\//),
    ])
  })

  test('the page asks for a token; where nobody does, it says what is missing', async () => {
    const asks = await serve(unknown, { signsIn: true })
    const { status, body } = await asks.get('/page/runs')
    expect(status).toBe(401)
    expect(body.toString()).toContain('<input name="token" type="password"')
    const told = await (await serve(unknown)).get('/page/runs')
    expect(told.status).toBe(401)
    expect(told.body.toString()).not.toContain('type="password"')
    expect(told.body.toString()).toContain('This server wants a token.')
  })
})

test('a page whose API has a defect gives nothing of it away; the process hears of it', async () => {
  const defect = new Error('the secret')
  const { get, post, defects } = await serve(() => defect)
  for (const answer of [await get('/'), await post('/', { does: 'resume-all' })]) {
    expect(answer.status).toBe(500)
    expect(answer.body.toString()).toContain('Something went wrong')
    expect(answer.body.toString()).not.toContain('secret')
  }
  expect(new Set(defects)).toEqual(new Set([defect]))
})

test('the built page has what is served, byte for byte', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'viewkeeper-page-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const sources = await buildPage(folder)
  expect(sources).toContainEqual(expect.stringMatching(/\/page\/browser\/script\.ts$/))
  const { get } = await serve()
  for (const [name, text] of Object.entries((await bundlePage()).files)) {
    expect(await readFile(join(folder, name), 'utf8'), name).toBe(text)
    if (name !== 'layout.js') expect((await get(`/page/${name}`)).body.toString(), name).toBe(text)
  }
})
