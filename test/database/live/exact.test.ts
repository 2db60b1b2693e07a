import type { Sql } from 'postgres'
import { beforeEach, describe, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { dropLive, makeLive } from '../../../src/slices/plan/live.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { liveViewOf, queryViewOf, quoteName } from '../../../src/sql/names.ts'
import { emptyTables, updateRows, writeSwitch } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { makeKept } from '../../support/slices/kept-table.ts'

const { database, sql } = useDatabase()

const view = { schema: 'app', name: 'daily' }
const refreshed = () => refresh({ view: 'app.daily' }, callOn(database))
const make = async (otherwise: Parameters<typeof makeLive>[1] = 'query') => {
  const [ids] = await sql<[{ oid: number; query: number }]>`
    select 'app.daily'::regclass::oid::int8 as oid, 'app.daily_query'::regclass::oid::int8 as query`
  const log = await planLog(sql as never, { ...ids, ...view }, 'day')
  for (const statement of [...makeLog(log), makeLive(log, otherwise)]) await sql.unsafe(statement)
}

beforeEach(async () => {
  await emptyTables(sql, 'definitions', 'switches')
  await sql.unsafe(`
    drop schema if exists app, viewkeeper_logs cascade; create schema app;
    create table app.orders (id int primary key generated always as identity, day date, product int, amount int); create index on app.orders (day);
    create table app.products (id int primary key, name text); insert into app.products select i, 'p' || i from generate_series(0, 4) i;
    insert into app.orders (day, product, amount) select date '2026-11-01' + i % 10, i % 5, i from generate_series(1, 200) i;
    insert into app.orders (day, product, amount) values (null, 1, 1);
    ${makeKept('app.daily', 'select day, p.name, count(*) as n, sum(amount) as s from app.orders o join app.products p on p.id = o.product group by day, p.name')}`)
  await make()
  await refreshed()
})

/** In how many rows the live view differs from the query, and whether it reads stored rows, which is seen by one that only the table has. */
const told = `viewkeeper.log_tells('app.daily', (select oid from pg_class where relname in ('daily_query', 'other') order by oid limit 1), array(select oid from pg_class where relname ~ '^app.daily_[01]$'), 'day')`
const read = async (on: Sql | typeof sql = sql) => {
  const [row] = await on.unsafe<[{ differs: number; stored: boolean }]>(`
    select (select count(*)::int from ((table app.daily_live except all table app.daily_query) union all (table app.daily_query except all table app.daily_live)) d) as differs,
           ${told} as stored`)
  return { ...row! }
}
const byLog = { differs: 0, stored: true }
const byQuery = { differs: 0, stored: false }

describe('a live view shows what the query gives', () => {
  test.each([
    'select 1',
    "update app.orders set amount = 0 where day = '2026-11-03'",
    "update app.orders set day = '2027-01-01' where day = '2026-11-03'",
    'delete from app.orders where day is null',
    'update app.orders set day = null where id < 5',
    "insert into app.orders (day, product, amount) values ('2027-01-01', 1, 1), (null, 2, 2)",
    'update app.orders set day = day + 1',
    "update app.products set name = 'other' where id = 1",
    'truncate app.orders',
    "insert into app.orders (day, product, amount) select date '1900-01-01' + i, 1, 1 from generate_series(1, 10001) i",
  ])('after %s, committed and not, and as it was after that is undone', async (change) => {
    const own = await sql.reserve()
    await own.unsafe(`begin; ${change}`)
    expect((await read(own)).differs).toBe(0)
    if (!change.startsWith('truncate')) expect(await read()).toEqual(byLog)
    await own.unsafe('savepoint s; delete from app.orders where id % 7 = 0')
    expect((await read(own)).differs).toBe(0)
    await own.unsafe('rollback to s')
    expect((await read(own)).differs).toBe(0)
    await own.unsafe('rollback')
    expect(await read(own)).toEqual(byLog)
    await own.unsafe(change)
    own.release()
    expect((await read()).differs).toBe(0)
    await refreshed()
    expect(await read()).toEqual(byLog)
  })

  test('by stored rows but for the slices that a transaction has touched itself', async () => {
    await sql`update app.daily set n = -1`
    const own = await sql.reserve()
    await own.unsafe(
      `begin; update app.orders set amount = 0 where day = '2026-11-03'; delete from app.orders where day is null`,
    )
    expect(await own`select day::text, n::int from app.daily_live where n > 0`).toEqual([
      { day: '2026-11-03', n: 20 },
    ])
    expect(await own`select count(*)::int as n from app.daily_live`).toEqual([{ n: 10 }])
    await own.unsafe('rollback')
    own.release()
    expect(await sql`select count(*)::int as n from app.daily_live where n = -1`).toEqual([{ n: 11 }])
  })

  test.each([
    'vacuum full app.orders',
    'alter table app.orders disable trigger "app.daily_0_update"; update app.orders set day = day + 100 where id < 9',
    'create table app.more () inherits (app.orders); insert into app.more (id, day, product, amount) values (1000, now(), 1, 1)',
    'alter table viewkeeper_logs."app.daily_0" set schema app',
    'create or replace view app.daily_query as select day, p.name, count(*) as n, max(amount) + sum(amount) as s from app.orders o join app.products p on p.id = o.product group by day, p.name',
    'alter view app.daily_query rename to other; create view app.daily_query as select * from app.daily; comment on view app.daily_query is $$Viewkeeper keeps the rows of this query in a table.$$',
    'comment on view app.daily_query is null',
    'vacuum full app.daily',
    'grant select on app.daily to public',
    "set timezone = 'Asia/Tokyo'",
    'set extra_float_digits = 0',
    'set session_replication_role = replica; begin isolation level serializable',
  ])('by the query after %s', async (change) => {
    const own = await sql.reserve()
    await own.unsafe(change)
    // Of what is no query of an incremental table any more, nobody says anything.
    if (/rename to|is null/.test(change))
      expect((await own.unsafe(`select ${told} as stored`))[0]).toEqual({ stored: false })
    else expect(await read(own)).toEqual(byQuery)
    await own.unsafe('rollback; reset all; reset session_replication_role')
    own.release()
  })

  test('by the query of a table that the record does not know, and after a refresh has found the log wrong', async () => {
    const [{ id }] = await sql<[{ id: number }]>`select id from viewkeeper.definitions`
    const [{ log }] = await sql<
      [{ log: number }]
    >`select 'viewkeeper_logs."app.daily_0"'::regclass::oid::int8 as log`
    await writeSwitch(sql, 'wrong slices', { [id]: { log, run: 1, wrong: 1, compared: 2 } })
    expect(await read()).toEqual(byQuery)
    await emptyTables(sql, 'switches')
    expect(await read()).toEqual(byLog)
    await updateRows(sql, 'definitions', {}, { name: 'other' })
    expect(await read()).toEqual(byQuery)
  })
})

describe('a live view of a partitioned table shows what the query gives', () => {
  beforeEach(async () => {
    await sql.unsafe(`
      drop schema if exists app, viewkeeper_logs cascade; create schema app;
      create table app.orders (id int primary key, day date, amount int) partition by range (id);
      create table app.first partition of app.orders for values from (0) to (100); create table app.second partition of app.orders for values from (100) to (200);
      create table app.third (id int not null, day date, amount int); insert into app.third values (250, '2026-11-03', 1), (251, '2027-02-02', 2);
      insert into app.orders select i, date '2026-11-01' + i % 10, i from generate_series(0, 199) i;
      ${makeKept('app.daily', 'select day, count(*) as n, sum(amount) as s from app.orders group by day')}`)
    await make()
    await refreshed()
    expect(await read()).toEqual(byLog)
  })

  test.each([
    'drop table app.second',
    'alter table app.orders detach partition app.second',
    'alter table app.orders attach partition app.third for values from (200) to (300)',
    'truncate app.second',
    'truncate app.orders',
    'vacuum full app.second',
    "update app.second set day = '2030-01-01'; delete from app.first where id < 50",
    'truncate app.daily',
  ])('after %s, also in a snapshot of before', async (change) => {
    const old = await sql.reserve()
    await old.unsafe('begin isolation level repeatable read; select pg_current_snapshot()')
    await sql.unsafe(change)
    expect((await read(old)).differs).toBe(0)
    await old.unsafe('rollback')
    expect((await read(old)).differs).toBe(0)
    old.release()
  })
})

test('a live view says in a trigger what the query gives, whether the rows that fired it are noted or not', async () => {
  await sql.unsafe(`
    create table app.seen (differs int);
    create function app.look() returns trigger language plpgsql as $$ begin
      insert into app.seen select count(*) from (table app.daily_live except all table app.daily_query) d;
      insert into app.seen select count(*) from (table app.daily_query except all table app.daily_live) d; return null; end $$;
    create trigger a after insert on app.orders for each row execute function app.look();
    create trigger z after insert on app.orders execute function app.look()`)
  await refreshed()
  await sql`insert into app.orders (day, product, amount) values ('2026-11-03', 1, 1), ('2028-01-01', 1, 1)`
  expect(await sql`select count(*)::int as looks, sum(differs)::int as differs from app.seen`).toEqual([
    { looks: 6, differs: 0 },
  ])
})

test('a live view shows stored rows, or fails, where nobody knows what changed, if its author has said so', async () => {
  const again = async (otherwise: 'stored' | 'error') => {
    for (const statement of [dropLive(view), dropLog(view)]) await sql.unsafe(statement)
    await make(otherwise)
    await refreshed()
    expect(await read()).toEqual(byLog)
    await sql`update app.orders set amount = amount + 1 where day = '2026-11-03'`
    expect(await read()).toEqual(byLog)
    await sql`truncate app.orders`
  }
  await again('stored')
  expect(await sql`select count(*)::int as n from app.daily_live`).toEqual([{ n: 11 }])
  await refreshed()
  expect(await sql`select count(*)::int as n from app.daily_live`).toEqual([{ n: 0 }])
  await again('error')
  await expect(sql`select * from app.daily_live`).rejects.toMatchObject({
    code: 'VK002',
    message: 'Nobody knows which rows of app.daily are as its query makes them now',
    hint: 'Refresh it: viewkeeper refresh app.daily',
  })
})

test('a live view may have any name, and keys of an enumeration', async () => {
  const odd = { schema: 'app', name: `O'd %s "$live$" d` }
  const kept = quoteName(odd)
  await sql.unsafe(`
    create type app.kind as enum ('a', 'b'); create table app.things ("k'%" app.kind, n int); insert into app.things values ('a', 1), ('b', 2), (null, 3);
    ${makeKept(kept, `select "k'%", sum(n) as n from app.things group by 1`)}`)
  const [ids] = await sql<[{ oid: number; query: number }]>`
    select ${kept}::regclass::oid::int8 as oid, ${quoteName(queryViewOf(odd))}::regclass::oid::int8 as query`
  const log = await planLog(sql as never, { ...ids, ...odd }, "k'%")
  for (const statement of [...makeLog(log), makeLive(log, 'query')]) await sql.unsafe(statement)
  await refresh({ view: kept }, callOn(database))
  await sql.unsafe(`update ${kept} set n = -1; update app.things set n = 5 where "k'%" = 'b'`)
  const live = quoteName(liveViewOf(odd))
  expect(await sql.unsafe(`select "k'%" as k, n::int from ${live} order by 1`)).toEqual([
    { k: 'a', n: -1 },
    { k: 'b', n: 5 },
    { k: null, n: -1 },
  ])
  await sql.unsafe(dropLive(odd))
  expect(await sql`select to_regclass(${live}) as is`).toEqual([{ is: null }])
})
