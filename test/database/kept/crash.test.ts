import { beforeEach, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { makeLog } from '../../../src/slices/plan/log.ts'
import { planLog } from '../../../src/slices/slices.ts'
import { keptMark } from '../../../src/sql/names.ts'
import { deep } from '../../support/deep.ts'
import { define } from '../../support/record/rows.ts'
import { administrator, callOn } from '../../support/servers/database.ts'
import { startOwnServer } from '../../support/servers/own-server.ts'
import { until } from '../../support/waiting/until.ts'

// A server of its own: a killed server process takes every connection of its server down with it, and the server recovers as after a crash.
const { server, database, sql } = await startOwnServer()

beforeEach(async () => {
  await sql.unsafe(`
    drop schema if exists app, viewkeeper_logs cascade; create schema app;
    create table app.orders (day int, amount int); insert into app.orders select i % 10, i from generate_series(1, 200) i;
    create view app.daily_query as select day, count(*) as n from app.orders group by day; comment on view app.daily_query is '${keptMark}';
    create table app.daily as select * from app.daily_query with no data; create unique index daily_key on app.daily (day)`)
  await define(sql, 'app.daily', { storage: 'table', slices: { by: 'day' } })
})

async function crash() {
  const other = administrator(server.url)
  const [{ pid }] = await other<[{ pid: number }]>`select pg_backend_pid() as pid`
  process.kill(pid, 'SIGKILL')
  await until('the server has recovered', () => sql`select`.catch(() => null))
  await until('it takes others, too', () => other`select`.catch(() => null))
  await other.end({ timeout: 0 })
}

const request = () => refresh({ view: 'app.daily', force: true }, callOn(database))
const age = async () => (await sql`select as_of from viewkeeper.view_status where name = 'daily'`)[0]!.as_of
const rows = async (of: string) => sql.unsafe(`select * from ${of} order by 1`)

test(
  'an incremental table that a crash has emptied is not called fresh, and has its rows again once it is logged',
  deep,
  async () => {
    expect(await request()).toMatchObject({ status: 'updated' })
    expect(await age()).not.toBeNull()
    await sql`alter table app.daily set unlogged`
    await crash()
    expect(await rows('app.daily')).toEqual([])
    expect(await age()).toBeNull()
    expect(await request()).toMatchObject({ error: { message: expect.stringContaining('unlogged') } })
    expect(await age()).toBeNull()
    await sql`alter table app.daily set logged`
    expect(await request()).toMatchObject({ status: 'updated' })
    expect(await rows('app.daily')).toEqual(await rows('app.daily_query'))
  },
)

test('a refresh by a log computes all rows after a crash that has emptied a table below', deep, async () => {
  const [{ oid, query }] = await sql<[{ oid: number; query: number }]>`
    select 'app.daily'::regclass::oid::int8 as oid, 'app.daily_query'::regclass::oid::int8 as query`
  const log = await planLog(sql, { oid, query, schema: 'app', name: 'daily' }, 'day')
  for (const statement of makeLog(log)) await sql.unsafe(statement)
  const because = async () => (await request()).response.because
  await because()
  expect(await because()).toMatch(/^computes 0 of about 10 slices/)
  await sql`alter table app.orders set unlogged`
  expect(await because()).toMatch(/^computes all rows/)
  await crash()
  expect(await because()).toMatch(/^computes all rows.*; 10 rows written$/)
  expect(await rows('app.daily')).toEqual([])
})
