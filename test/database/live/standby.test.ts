import { afterAll, beforeAll, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { makeLive } from '../../../src/slices/plan/live.ts'
import { makeLog } from '../../../src/slices/plan/log.ts'
import { callOn } from '../../support/servers/database.ts'
import { startOwnServer } from '../../support/servers/own-server.ts'
import { type Standby, startStandby } from '../../support/servers/standby.ts'
import { makeKept } from '../../support/slices/kept-table.ts'

const { server: primary, sql, database } = await startOwnServer()
let standby: Standby

beforeAll(async () => {
  await sql.unsafe(`
    create schema app; create table app.orders (id int primary key generated always as identity, day date, amount int);
    insert into app.orders (day, amount) select date '2026-11-01' + i % 10, i from generate_series(1, 200) i;
    ${makeKept('app.daily', 'select day, count(*) as n, sum(amount) as s from app.orders group by day')}`)
  const [ids] = await sql<[{ oid: number; query: number }]>`
    select 'app.daily'::regclass::oid::int8 as oid, 'app.daily_query'::regclass::oid::int8 as query`
  const log = await planLog(sql as never, { ...ids, schema: 'app', name: 'daily' }, 'day')
  for (const statement of [...makeLog(log), makeLive(log, 'query')]) await sql.unsafe(statement)
  standby = await startStandby(primary)
  await refreshed()
  await standby.caughtUp()
})

afterAll(() => standby?.stop())

const refreshed = () => refresh({ view: 'app.daily' }, callOn(database))
const read = async () =>
  (
    await standby.sql`
      select (select count(*)::int from ((table app.daily_live except all table app.daily_query) union all (table app.daily_query except all table app.daily_live)) d) as differs,
             (select sum(s)::int from app.daily_live) as sum,
             viewkeeper.log_tells('app.daily', 'app.daily_query', array['viewkeeper_logs."app.daily_0"'::regclass], 'day') as stored`
  )[0]
const sum = async () => (await sql`select sum(amount)::int as sum from app.orders`)[0]?.sum

test('a live view on a standby shows what the query gives there, by stored rows, also while the standby lags', async () => {
  const before = await sum()
  expect(await read()).toEqual({ differs: 0, sum: before, stored: true })
  await standby.sql`select pg_wal_replay_pause()`
  await sql`update app.orders set amount = amount + 1 where day = '2026-11-03'`
  await refreshed()
  await sql`update app.orders set day = '2027-01-01', amount = 5 where id < 9`
  expect(await read()).toEqual({ differs: 0, sum: before, stored: true })
  await standby.sql`select pg_wal_replay_resume()`
  await standby.caughtUp()
  expect(await read()).toEqual({ differs: 0, sum: await sum(), stored: true })
  await refreshed()
  await standby.caughtUp()
  expect(await read()).toEqual({ differs: 0, sum: await sum(), stored: true })
})

test('at each moment of writes and refreshes that it follows', async () => {
  let goesOn = true
  const writes = (async () => {
    for (let at = 0; at < 6; at++) {
      await sql`update app.orders set amount = amount + 1, day = day + 1 where id % 50 = ${at}`
      await sql`delete from app.orders where id = ${at}`
      await refreshed()
    }
    goesOn = false
  })()
  while (goesOn) expect(await read()).toMatchObject({ differs: 0 })
  await writes
})

test('a live view on a standby computes the query after a change of a table, until a refresh', async () => {
  await sql`alter table app.orders add column more int`
  await sql`update app.orders set amount = 1 where id = 100`
  await standby.caughtUp()
  expect(await read()).toEqual({ differs: 0, sum: await sum(), stored: false })
  await refreshed()
  await standby.caughtUp()
  expect(await read()).toMatchObject({ differs: 0, stored: true })
})
