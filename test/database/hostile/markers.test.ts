// @module-tag deep

import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { handler as api } from '../../../functions/api.ts'
import { handler as batch } from '../../../functions/batch.ts'
import { handler as monitor } from '../../../functions/monitor.ts'
import { handler as refreshView } from '../../../functions/refresh.ts'
import { routeKey } from '../../../src/api/route.ts'
import { routes } from '../../../src/api/routes.ts'
import { beginMonitoring } from '../../../src/record/watch/looks.ts'
import { httpEvent, lambdaContext } from '../../support/aws/lambda.ts'
import { makeRaises, sqlstates } from '../../support/catalog/sqlstates.ts'
import { recordsWith } from '../../support/record/records-with.ts'
import { define, insertRow, updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'

// Views fail in every class of SQLSTATEs with a value of a row in the message. Neither the value nor the password of the login is
// in anything that Viewkeeper writes, answers, tells or mails.

const marker = 'marker_9d2e'
const password = 'marker-Pa55-9d2e'
const { sql, as, database } = useDatabase()
const marked = as('marked_login', password).url
const context = lambdaContext({ getRemainingTimeInMillis: () => 120_000 })

/** All that came out: log lines, answers, events, mails. */
const said: string[] = []
const call = async (handler: (event: never, context: never) => unknown, event: unknown) => {
  const answer = (await handler(event as never, context as never)) as Record<string, unknown>
  said.push(JSON.stringify(answer) ?? '')
  return answer
}

interface Turn {
  token: string | null
  events: { sequence: number; type: string }[]
}

const viewOf = (sqlstate: string) => `fails_${sqlstate.toLowerCase()}`

beforeAll(async () => {
  await sql.unsafe(`create role marked_login superuser login password '${password}'`)
  await sql.unsafe(`
    create schema m; create schema t; create schema g;
    create table public.rows (s text);
    ${makeRaises('public')};
    ${makeRaises('g')};
    create materialized view g.below as select 1 as id, s from public.rows;
    create materialized view g.above as select case when s is not null then g.raises('22012', s) end as v, 1 as id from g.below;
    create materialized view g.checked as select s from public.rows`)
  await sql`insert into public.rows values (null)`
  for (const schema of ['m', 't'])
    for (const sqlstate of sqlstates) {
      await sql.unsafe(`
        create materialized view ${schema}.${viewOf(sqlstate)} as
          select case when s is not null then public.raises('${sqlstate}', s) end as v from public.rows`)
      const timeoutSeconds = /40P01|55P03/.test(sqlstate) ? 2 : 60
      await insertRow(sql, 'definitions', { view: `${schema}.${viewOf(sqlstate)}`, timeoutSeconds })
    }
  const checks = {
    rows_of: `select from checked where public.raises('P0001', s) is not null`,
    finds: 'select s from checked',
  }
  await define(sql, 'g.checked', { sql: 'select s from public.rows', checks })
  await sql`update public.rows set s = ${marker}`
  // From its first look on, the monitor makes events of what ends.
  await database.withConnection(beginMonitoring)
})

afterAll(async () => {
  await sql`drop role marked_login`
})

beforeEach(() => {
  vi.stubEnv('DATABASE_URL', marked)
  vi.stubEnv('EVENT_BUS', 'true')
  // The line for CloudWatch is written past the console.
  vi.spyOn(process.stdout, 'write').mockImplementation((line) => said.push(String(line)) > 0)
  for (const stream of ['log', 'info', 'warn', 'error', 'debug'] as const)
    vi.spyOn(console, stream).mockImplementation(
      (...line: unknown[]) => void said.push(line.map(String).join(' ')),
    )
  return () => {
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
  }
})

/** Where a marker is: in what was said, and in the record. */
async function leaks(): Promise<string[]> {
  const written = [marker, password].map((text) => recordsWith(sql, text))
  return [...said, ...(await Promise.all(written)).flat()].filter((text) =>
    [marker, password].some((each) => text.toLowerCase().includes(each.toLowerCase())),
  )
}

async function runBatch(body: object): Promise<void> {
  const event = httpEvent('POST /batches', { body })
  const { batchId } = await call(batch, { event, requestId: JSON.stringify(body) })
  for (let done = false; !done; ) done = (await call(batch, { batchId })).done === true
}

const refresh = (view: string, body: object = {}) =>
  call(
    refreshView,
    httpEvent('POST /views/{view}/refresh', { path: { view }, headers: { prefer: 'wait=20' }, body }),
  )

const errors = async (schema: string) =>
  (
    await sql`
    select distinct view_name as view, error ->> 'sqlstate' as sqlstate from viewkeeper.runs where schema_name = ${schema} and status = 'failed'`
  ).map(({ view, sqlstate }) => [view, sqlstate])

describe('neither a value of a row nor the password is shown, whatever fails with it in', () => {
  test.each([
    ['m', 'each'],
    ['t', 'together'],
  ])('a batch of views that fail in every class of SQLSTATEs: %s, %s', async (schema, exchange) => {
    await runBatch({ pattern: `${schema}.*`, retries: 0, concurrency: 8, exchange })
    const failed = new Map((await errors(schema)) as [string, string][])
    // A failure to get a lock is tried again until the time is over.
    const missed = sqlstates.filter(
      (each) => ![each, ...(/40P01|55P03/.test(each) ? ['57014'] : [])].includes(failed.get(viewOf(each))!),
    )
    expect(missed).toEqual([])
    // What is searched has been written.
    expect(said.join()).toContain('ViewsFailed')
    expect(await recordsWith(sql, 'ViewSqlFailed')).not.toEqual([])
    expect(await leaks()).toEqual([])
  })

  test('a group, a check that finds rows, and a check that fails on one', async () => {
    await refresh('g.below', { strategy: 'swap' })
    await refresh('g.checked', { strategy: 'swap' })
    await refresh('g.checked', { strategy: 'regular' })
    await call(api, httpEvent('POST /views/{view}/check', { path: { view: 'g.checked' } }))
    expect(await errors('g')).not.toEqual([])
    expect(await leaks()).toEqual([])
  })

  test('what the monitor publishes, programs are told and people are mailed of all that', async () => {
    await updateRows(sql, 'definitions', {}, { maxStalenessSeconds: 1 })
    // A limit holds from when it was set.
    await updateRows(sql, 'definitions', {}, { expectedSince: sql`now() - interval '1 year'` })
    await call(monitor, {})
    const types = new Set<string>()
    let turn: Turn = { token: null, events: [] }
    do {
      const done = turn.events.map(({ sequence }) => sequence)
      turn = (await call(monitor, { token: turn.token, done, stop: false })) as unknown as Turn
      for (const { type } of turn.events) types.add(type)
    } while (turn.events.length > 0)
    expect([...types].sort()).toEqual(['BatchEnded', 'IncidentOpened', 'Message', 'ViewFailed'])
    expect(await leaks()).toEqual([])
  })

  test('what every route that reads answers, and so the page shows', async () => {
    const [run] = await sql`select max(id)::text as id from viewkeeper.runs`
    const [batch] = await sql`select max(id) as id from viewkeeper.batches`
    const before = said.length
    for (const route of Object.values(routes).filter(
      ({ method, path }) => method === 'GET' && path !== '/openapi.json',
    )) {
      const views = route.path.includes('{view}')
        ? sqlstates.slice(0, 3).map((each) => `m.${viewOf(each)}`)
        : ['']
      const path = (view: string): Record<string, string> =>
        route.path.includes('{view}')
          ? { view }
          : { id: route.path.startsWith('/runs') ? run!.id : batch!.id }
      for (const view of views) {
        const { statusCode } = await call(
          api,
          httpEvent(routeKey(route), route.path.includes('{') ? { path: path(view) } : {}),
        )
        expect({ route: route.path, view, statusCode }).toEqual({ route: route.path, view, statusCode: 200 })
      }
    }
    expect(said.length).toBeGreaterThan(before)
    expect(await leaks()).toEqual([])
  })

  test.each([
    ['a wrong password', (at: URL) => Object.assign(at, { password: `${password}x` }).href],
    ['a role that is not there', (at: URL) => Object.assign(at, { username: 'nobody_marked' }).href],
    ['a database that is not there', (at: URL) => Object.assign(at, { pathname: '/nowhere' }).href],
    ['a server that is not there', (at: URL) => Object.assign(at, { port: '1' }).href],
    ['a port that is none', (at: URL) => at.href.replace(`:${at.port}/`, ':port/')],
    ['an address that is none', (at: URL) => at.href.replace('postgres://', '')],
  ])('%s', async (_, change) => {
    vi.stubEnv('DATABASE_URL', change(new URL(marked)))
    const before = said.length
    await call(api, httpEvent('GET /views')).catch((error) => said.push(String(error)))
    await call(monitor, {}).catch((error) => said.push(String(error)))
    expect(said.length).toBeGreaterThan(before)
    expect(await leaks()).toEqual([])
  })
})
