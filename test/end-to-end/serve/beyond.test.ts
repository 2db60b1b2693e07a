import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { createToken } from '../../../serve/tokens.ts'
import type { PolicyName } from '../../../src/api/route.ts'
import type { Sql } from '../../../src/server/database.ts'
import { deep } from '../../support/deep.ts'
import { updateRows } from '../../support/record/rows.ts'
import { until } from '../../support/waiting/until.ts'
import { runCommand, serve, useServer } from '../support/copies.ts'
import { raw } from '../support/gateway.ts'

// Requests to a process that listens beyond this machine.

const { url: superuser, databaseOf } = useServer()

async function beyond(name: string) {
  const { url, sql } = await databaseOf(name)
  await sql`create materialized view sales as select 1 as id`
  const copy = await serve({ DATABASE_URL: url }, ['--host', '0.0.0.0'])
  await copy.says(/^serves/)
  const port = Number(new URL(copy.url).port)
  const tokens: string[] = []
  return {
    copy,
    sql,
    async make(tokenName: string, may: PolicyName = 'refresh') {
      const token = await createToken(sql as unknown as Sql, {
        name: tokenName,
        may,
        days: 1,
        by: 'test',
      })
      tokens.push(token)
      return token
    },
    /** Sends a request as it stands, and returns the status and the code of the answer. */
    async ask(line: string, headers: string[], host = ['Host: views.example.com']) {
      const answer = await raw(port, [`${line} HTTP/1.1`, ...host, 'Connection: close', ...headers, '', ''])
      expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1)
      const code = /"code": "(\w+)"/.exec(answer)?.[1]
      return { answer, said: [answer.split(' ')[1], code].filter(Boolean).join(' ') }
    },
    /** No line of the log has a token. */
    expectNoTokens: () =>
      expect(tokens.filter((token) => copy.printed().includes(token.slice(20)))).toEqual([]),
  }
}
const bearer = (token: string) => `Authorization: Bearer ${token}`
const unknown = () => bearer(`vk_${randomBytes(8).toString('hex')}_${randomBytes(32).toString('base64url')}`)

test('a request is let in by one valid token that allows it, and by nothing else', async () => {
  const { ask, make, sql, expectNoTokens } = await beyond('let_in')
  const good = await make('good')
  const reader = await make('reader', 'read')
  const operator = await make('operator', 'operate')
  const author = await make('author', 'define')
  const refresh = 'POST /views/sales/refresh'
  const proxied = [
    'X-Forwarded-For: 127.0.0.1',
    'X-Real-IP: 127.0.0.1',
    'Forwarded: for=127.0.0.1;host=localhost',
    'X-Forwarded-Host: localhost',
    'X-Forwarded-User: root',
  ]
  const cases: Record<string, [said: string, line: string, headers: string[], host?: string[]]> = {
    'no token': ['401 Unauthenticated', refresh, []],
    'no token, as if from this machine': ['401 Unauthenticated', refresh, proxied],
    'no token, to loopback': ['401 Unauthenticated', refresh, [], ['Host: 127.0.0.1']],
    'no token, for the metrics': ['401 Unauthenticated', 'GET /metrics', []],
    'a token of nobody': ['401 Unauthenticated', refresh, [unknown()]],
    'a token that may only read': ['403 NotAllowed', refresh, [bearer(reader)]],
    'a token for less than to create': ['403 NotAllowed', 'POST /views/sales/create', [bearer(good)]],
    'a token for less than to drop': ['403 NotAllowed', 'POST /views/sales/drop', [bearer(operator)]],
    'the header twice': ['401 Unauthenticated', refresh, [bearer(good), bearer(good)]],
    'a header that is not ASCII': ['401 Unauthenticated', refresh, [bearer(`${good.slice(0, -1)}é`)]],
    'a token in the address': ['401 Unauthenticated', `${refresh}?token=${good}`, []],
    'a token in a cookie': ['401 Unauthenticated', refresh, [`Cookie: token=${good}`]],
    'a huge token': ['431', refresh, [bearer(good.padEnd(20_000, 'A'))]],
    'the page of another site': ['403 Forbidden', refresh, [bearer(good), 'Origin: https://evil.example']],
    'a page of nowhere': ['403 Forbidden', refresh, [bearer(good), 'Origin: null']],
    'a page of the name that a proxy is said to have': [
      '403 Forbidden',
      refresh,
      [bearer(good), 'Origin: https://other.example', 'X-Forwarded-Host: other.example'],
    ],
    'a request of another site': ['403 Forbidden', refresh, [bearer(good), 'Sec-Fetch-Site: cross-site']],
    'two hosts': ['403 Forbidden', refresh, [bearer(good)], ['Host: a.example', 'Host: a.example']],
    'no host': ['400', refresh, [bearer(good)], []],
  }
  const answers = await Promise.all(
    Object.values(cases).map(async ([, ...request]) => (await ask(...request)).said),
  )
  expect(Object.fromEntries(Object.keys(cases).map((name, at) => [name, answers[at]]))).toEqual(
    Object.fromEntries(Object.entries(cases).map(([name, [said]]) => [name, said])),
  )
  expect(await sql`select from viewkeeper.runs`).toHaveLength(0)
  expect((await ask(refresh, [bearer(good), ...proxied, 'Prefer: wait=20'])).said).toBe('200')
  expect(await sql`select requested_by as by, status from viewkeeper.runs`).toEqual([
    { by: 'token:good', status: 'success' },
  ])
  expect((await ask('POST /views/sales/drop', [bearer(author), 'Prefer: wait=20'])).said).toBe('200')
  expect(await sql`select from pg_matviews`).toHaveLength(0)
  expectNoTokens()
})

test('a command sends the token of VIEWKEEPER_TOKEN, and a batch is recorded as of this token', async () => {
  const { copy, make, sql, expectNoTokens } = await beyond('commands')
  const refused = await runCommand(['refresh', '--all', '--url', copy.url], {})
  expect(refused.exit).not.toBe(0)
  expect(refused.printed).toContain('A token is needed')
  const token = await make('ci')
  const done = await runCommand(['refresh', '--all', '--url', copy.url], { VIEWKEEPER_TOKEN: token })
  expect(done).toMatchObject({ exit: 0, printed: expect.not.stringContaining(token) })
  expect(await sql`select requested_by as by from viewkeeper.batches`).toEqual([{ by: 'token:ci' }])
  expectNoTokens()
})

test('the login of compose.yaml is no superuser, and enough to serve', deep, async () => {
  const { sql } = await databaseOf('shop')
  const { copy: served, as } = await loginOfCompose()
  await served.says(/^leads/)
  expect(
    await sql`select rolsuper as super, rolcreatedb as creates, rolbypassrls as bypasses from pg_roles where rolname = ${as}`,
  ).toEqual([{ super: false, creates: false, bypasses: false }])
})

/** What the image of PostgreSQL does with login.sql, and a copy that logs in so. */
async function loginOfCompose() {
  const file = new URL('../../../examples/serve/login.sql', import.meta.url)
  const admin = postgres(superuser(), { max: 1 })
  const script = readFileSync(file, 'utf8')
    .replace(/^\\set .*$/m, '')
    .replace(":'password'", "'secret'")
  await admin.unsafe(script).finally(() => admin.end())
  const url = new URL(superuser())
  Object.assign(url, { username: 'viewkeeper_app', password: 'secret', pathname: '/shop' })
  return { copy: await serve({ DATABASE_URL: url.href }), as: url.username }
}

test('forwarding headers do not help to guess tokens, and do not stop one that is valid', deep, async () => {
  const { ask, make } = await beyond('guessing')
  const good = bearer(await make('good'))
  expect((await ask('GET /views', [good])).said).toBe('200')
  const said: string[] = []
  for (let at = 0; at < 22; at++)
    said.push((await ask('GET /views', [unknown(), `X-Forwarded-For: 10.0.0.${at}`])).said)
  expect(said.slice(-2)).toEqual(['429 TooManyRefusals', '429 TooManyRefusals'])
  expect(said[0]).toBe('401 Unauthenticated')
  expect((await ask('GET /views', [good])).said).toBe('200')
})

test(
  'health needs no token and names neither login nor server; /metrics is text for Prometheus, for a token that may read',
  deep,
  async () => {
    const { ask, make, copy } = await beyond('health')
    for (const path of ['/healthz', '/readyz']) expect((await ask(`GET ${path}`, [])).said).toBe('200')
    // The page asks for one.
    expect((await ask('GET /', [])).said).toBe('401')
    const reader = bearer(await make('reader', 'read'))
    for (const accept of ['application/openmetrics-text;version=1.0.0,text/plain;q=0.3', '*/*']) {
      const { answer } = await ask('GET /metrics', [reader, `Accept: ${accept}`])
      expect(answer).toMatch(/^Content-Type: text\/plain; version=0\.0\.4/im)
      expect(answer).toMatch(/^viewkeeper_database_up{environment="[^"]+"} 1$/m)
    }
    expect((await ask('GET /view-metrics', [reader])).answer).toMatch(/^Content-Type: application\/json/im)

    const elsewhere = (await databaseOf('elsewhere')).sql
    await elsewhere.unsafe('alter database health allow_connections false')
    await elsewhere`select pg_terminate_backend(pid) from pg_stat_activity where datname = 'health'`
    const away = await until('the process is not ready', async () => {
      const found = await ask('GET /readyz', [])
      return found.said !== '200' && found
    })
    expect(away.said).toMatch(/^503 \w+$/)
    const refused = await ask('GET /views', [unknown()])
    expect(refused.said).toMatch(/^503 \w+$/)
    // The alert can fire: a token that was valid is told that the database is away, and nothing else.
    await until('the metrics say that the database is away', async () => {
      const { answer } = await ask('GET /metrics', [reader])
      return /^viewkeeper_database_up{.*} 0$/m.test(answer)
    })
    expect((await ask('GET /metrics', [unknown()])).said).toMatch(/^503 \w+$/)
    expect((await ask('GET /views', [reader])).said).toMatch(/^503 \w+$/)
    for (const told of [away, refused])
      expect(told.answer).not.toMatch(/127\.0\.0\.1|"app"|\bapp\b|secret|:\d{4,5}\b/)
    expect((await ask('GET /healthz', [])).said).toBe('200')
    expect(copy.process.exitCode).toBeNull()
  },
)

test(
  'on loopback, a request that a proxy has passed on needs a token, and with --require-tokens each one does',
  deep,
  async () => {
    const { url, sql } = await databaseOf('passed_on')
    const copies = {
      loopback: await serve({ DATABASE_URL: url }),
      another: await serve({ DATABASE_URL: url }, ['--host', '127.0.0.2']),
      strict: await serve({ DATABASE_URL: url }, ['--require-tokens']),
    }
    for (const copy of Object.values(copies)) await copy.says(/^serves/)
    const tokenOf = (name: string) =>
      createToken(sql as unknown as Sql, { name, may: 'read', days: 1, by: 'test' })
    const [token, expired] = [await tokenOf('ci'), await tokenOf('old')]
    await updateRows(sql, 'tokens', { name: 'old' }, { expiresAt: sql`now()` })
    const ask = async (
      which: keyof typeof copies,
      headers: string[],
      { version = '1.1', host = '127.0.0.1', line = 'GET /views' } = {},
    ) => {
      const { port } = new URL(copies[which].url)
      const address = which === 'another' ? '127.0.0.2' : '127.0.0.1'
      const named = host.includes('example') ? host : `${host}:${port}`
      const lines = [`${line} HTTP/${version}`, `Host: ${named}`, 'Connection: close', ...headers, '', '']
      return (await raw(Number(port), lines, address)).split(' ')[1]
    }
    const passedOn = [
      'X-Forwarded-For: 10.0.0.1',
      'X-Forwarded-Host: views.example.com',
      'X-Forwarded-Proto: https',
      'Forwarded: for=10.0.0.1',
      'X-Real-IP: 10.0.0.1',
      'Via: 1.1 proxy',
    ]
    for (const header of passedOn) {
      expect({ header, status: await ask('loopback', [header]) }).toEqual({ header, status: '401' })
      expect(await ask('loopback', [header, bearer(token)])).toBe('200')
    }
    // As nginx passes requests on by default, and one that keeps the name.
    expect(await ask('loopback', [], { version: '1.0' })).toBe('401')
    expect(await ask('loopback', [], { host: 'views.example.com' })).toBe('401')
    expect(await ask('loopback', [bearer(token)], { host: 'views.example.com' })).toBe('200')
    for (const host of ['127.0.0.1', '127.0.0.2', 'localhost', '[::1]'])
      expect({ host, status: await ask('loopback', [], { host }) }).toEqual({ host, status: '200' })
    expect(await ask('another', [], { host: '127.0.0.2' })).toBe('200')
    expect(await ask('another', [], { host: '127.0.0.2.example.com' })).toBe('401')
    // A token that is sent counts.
    expect(await ask('loopback', [bearer(token)])).toBe('200')
    for (const bad of [unknown(), bearer(expired), bearer('x')])
      expect([bad, await ask('loopback', [bad])]).toEqual([bad, '401'])
    expect(await ask('loopback', [bearer(token)], { line: 'POST /pause' })).toBe('403')
    expect(await ask('loopback', [], { line: 'POST /pause' })).not.toMatch(/40[13]/)
    expect(await ask('strict', [])).toBe('401')
    expect(await ask('strict', [bearer(token)])).toBe('200')
  },
)
