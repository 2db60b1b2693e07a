import { beforeEach, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { makeLive } from '../../../src/slices/plan/live.ts'
import { makeLog } from '../../../src/slices/plan/log.ts'
import { emptyTables } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { makeKept } from '../../support/slices/kept-table.ts'

const { database, sql } = useDatabase()
const query = 'select day, count(*) as n, sum(x) as x from shop.orders group by day'

beforeEach(async () => {
  await emptyTables(sql, 'definitions', 'switches')
  await sql.unsafe(`
    drop schema if exists app, shop, viewkeeper_logs cascade;
    do $$ begin create role live_seller; create role live_viewer; create role live_app; create role live_other; exception when duplicate_object then null; end $$;
    revoke all on schema viewkeeper from live_viewer;
    create schema app authorization live_viewer; create schema shop authorization live_seller; grant usage on schema shop to live_viewer; grant usage on schema app to public;
    create domain shop.day as date not null;
    set role live_seller;
    create table shop.orders (id int primary key, day shop.day, x int); insert into shop.orders select i, date '2026-01-01' + i % 5, i from generate_series(1, 100) i;
    grant select on shop.orders to live_viewer;
    set role live_viewer; ${makeKept('app.v', query)}; grant select on app.v to live_app with grant option;
    alter default privileges for role live_viewer grant all on tables to live_other; reset role`)
  const [ids] = await sql<[{ oid: number; query: number }]>`
    select 'app.v'::regclass::oid::int8 as oid, 'app.v_query'::regclass::oid::int8 as query`
  const log = await planLog(sql as never, { ...ids, schema: 'app', name: 'v' }, 'day')
  for (const statement of [...makeLog(log), makeLive(log, 'query')]) await sql.unsafe(statement)
  await refresh({ view: 'app.v' }, callOn(database))
})

const as = <T>(role: string, text: string) =>
  sql.begin(async (own) => {
    await own.unsafe(`set local role ${role}`)
    return own.unsafe<T[]>(text)
  })

test('a live view belongs to the owner of its table, and is read with his rights by whom may read the table', async () => {
  expect(
    await sql`select relowner::regrole::text as owner, (select array_agg(distinct grantee::regrole::text || '/' || is_grantable) from aclexplode(relacl)) as acl from pg_class where oid = 'app.v_live'::regclass`,
  ).toEqual([{ owner: 'live_viewer', acl: ['live_app/true', 'live_viewer/false'] }])
  await sql`update app.v set n = -1`
  await sql`update shop.orders set x = 0 where day = '2026-01-01'`
  expect(await as('live_app', 'select n::int, x::int from app.v_live where n > 0')).toEqual([{ n: 20, x: 0 }])
  for (const text of [
    'select from app.v_query',
    'select from viewkeeper_logs."app.v_0"',
    'select from shop.orders',
    `select viewkeeper.log_tells('app.v', 'app.v', '{}', 'day')`,
  ])
    await expect(as('live_app', text)).rejects.toThrow('permission denied')
  await expect(as('live_other', 'select from app.v_live')).rejects.toThrow('permission denied')
})

test('code of its owner is executed as in any plain view: as who reads it', async () => {
  await sql.unsafe(`
    create table app.ran (who text); grant all on app.ran to public;
    set role live_viewer;
    create function app.evil() returns int language plpgsql as $$ begin insert into app.ran values (current_user); return 1; end $$;
    create or replace view app.v_query as select day, count(*) as n, sum(x * app.evil()) as x from shop.orders group by day; reset role`)
  await as('live_app', 'select from app.v_live')
  expect(await sql`select distinct who from app.ran`).toEqual([{ who: 'live_app' }])
})

test('nobody reads past the row security of the table', async () => {
  await sql.unsafe('set role live_viewer; alter table app.v enable row level security; reset role')
  await expect(as('live_app', 'select from app.v_live')).rejects.toMatchObject({
    code: 'VK002',
    message: 'app.v has row security, which its live view would not keep',
  })
})

test('a search path, an operator and a setting of the reader change nothing', async () => {
  await sql.unsafe(`
    create schema evil; grant all on schema evil to public;
    create function evil.never(date, date) returns boolean language sql return false; create operator evil.= (leftarg = date, rightarg = date, function = evil.never)`)
  await sql`update shop.orders set x = 0 where day = '2026-01-01'`
  const read = 'select sum(x)::int as x, count(*)::int as n from app.v_live'
  const expected = await sql.unsafe(`select sum(x)::int as x, count(*)::int as n from (${query}) q`)
  for (const setting of [
    'search_path = evil, pg_catalog, public',
    "viewkeeper.login_settings = ''",
    `viewkeeper.login_settings = '{"TimeZone": "Asia/Tokyo"}'`,
  ])
    expect(await as('live_app', `set local ${setting}; ${read}`)).toEqual(expect.arrayContaining([expected]))
  await sql`drop schema evil cascade`
})
