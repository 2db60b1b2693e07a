import { beforeEach, describe, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { ofItem } from '../../../src/set-aside/take.ts'
import { keptMark } from '../../../src/sql/names.ts'
import { define, emptyTables } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { callAlter, callPutBack, callSetAside } from '../../support/views/alter.ts'
import { definition } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const { database, sql, as, url } = useDatabase()
const query = 'select day, sum(qty) as pieces, min(price) as least from app.orders group by day'

beforeEach(async () => {
  await emptyTables(sql, 'definitions', 'setAside')
  await sql.unsafe(`
    drop schema if exists app cascade; create schema app;
    create table app.orders (id int primary key generated always as identity, day date, qty int, price numeric(6, 1), unit text);
    insert into app.orders (day, qty, price, unit) select date '2026-11-01' + i % 5, i, i, 'kg' from generate_series(1, 50) i;
    create view app.daily_query as ${query}; comment on view app.daily_query is '${keptMark}';
    create table app.daily as select * from app.daily_query;
    create unique index daily_key on app.daily (day); grant select on app.daily to public`)
  await define(sql, 'app.daily', { sql: query, storage: 'table' })
})

const widen = 'alter table app.orders alter column qty type bigint'
const types = async (of = 'app.daily') =>
  (
    await sql`select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = ${of}::regclass and attnum > 0 and not attisdropped order by attnum`
  ).map(({ type }) => type)
const rows = async (of: string) => sql.unsafe(`select * from ${of} order by 1`)
const refreshed = async () => (await refresh({ view: 'app.daily' }, callOn(database))).response.because
const isCurrent = async () => {
  await sql`insert into app.orders (day, qty, price) values ('2026-12-01', 7, 0.5)`
  expect(await refreshed()).toMatch(/computes all rows.*; 1 row written$/)
  expect(await rows('app.daily')).toEqual(await rows('app.daily_query'))
}

describe('the columns of an incremental table get the types of its query', () => {
  test('by alter', async () => {
    const [{ oid }] = await sql<[{ oid: string }]>`select 'app.daily'::regclass::oid as oid`
    await callAlter(database, widen)
    expect(await types()).toEqual(['date', 'numeric', 'numeric'])
    expect(await sql`select 'app.daily'::regclass::oid as oid`).toEqual([{ oid }])
    await isCurrent()
  })

  test('by a login that is a member of its owner, whose code cannot leave the role', async () => {
    const [owner, login] = [`owner_${url.slice(-8)}`, `login_${url.slice(-8)}`]
    await sql.unsafe(`
      create role ${owner}; create role ${login} login password 'secret'; grant ${owner} to ${login}; grant all on schema app to ${owner};
      alter table app.orders owner to ${owner}; alter table app.daily owner to ${owner}; alter view app.daily_query owner to ${owner};
      create function app.leaves(numeric) returns boolean language plpgsql as $$ begin
        perform set_config('role', 'none', true); return true; end $$;
      alter table app.daily add constraint leaves check (app.leaves(pieces))`)
    await expect(callAlter(as(login).database, widen)).rejects.toThrow(
      /^Incremental table app\.daily cannot get/,
    )
    await sql`alter table app.daily drop constraint leaves`
    await callAlter(as(login).database, widen)
    expect(await types()).toEqual(['date', 'numeric', 'numeric'])
    await sql.unsafe(`drop owned by ${owner} cascade; drop role ${login}, ${owner}`)
  })

  test('which a dry run tries and undoes', async () => {
    const tried: string[] = []
    const events = { onTried: (result: string) => void tried.push(result) }
    await callAlter(database, widen, { dryRun: true, events })
    expect(tried).toEqual(['fits'])
    expect(await types()).toEqual(['date', 'bigint', 'numeric'])
  })

  test('with a precision and a collation', async () => {
    await sql.unsafe(`drop table app.daily; drop view app.daily_query;
      create view app.daily_query as select day, unit, price from app.orders; comment on view app.daily_query is '${keptMark}';
      create table app.daily as select * from app.daily_query with no data`)
    await callAlter(
      database,
      'alter table app.orders alter column unit type varchar(9) collate "C", alter column price type numeric(8, 3)',
    )
    expect(await types()).toEqual(['date', 'character varying(9)', 'numeric(8,3)'])
    expect(await refreshed()).toMatch(/; 50 rows written$/)
  })

  test('by put-back', async () => {
    await callSetAside(database, ['app.orders'])
    await sql.unsafe(widen)
    expect((await callPutBack(database)).back).toMatchObject([{ name: 'app.daily' }])
    expect(await types()).toEqual(['date', 'numeric', 'numeric'])
    await isCurrent()
  })

  test('with what reads them, if that is taken away, too; otherwise it is said and nothing is changed', async () => {
    await sql`create materialized view app.best as select max(pieces) as most from app.daily`
    for (const dryRun of [true, false])
      expect(await refusalOf(callAlter(database, widen, { dryRun }))).toMatchObject({
        code: 'ViewSqlFailed',
        message: expect.stringMatching(
          /^Incremental table app\.daily cannot get .* used by a view or rule: if a view reads it, .*--reading app\.daily /,
        ),
      })
    expect(await types('app.orders')).toContain('integer')
    await callAlter(database, widen, { reading: ['app.daily'] })
    expect(await types('app.best')).toEqual(['numeric'])

    await callSetAside(database, ['app.orders'])
    await sql`alter table app.orders alter column qty type integer`
    expect((await callPutBack(database)).misfits).toMatchObject([{ name: 'app.daily' }])
    await callSetAside(database, ['app.daily'])
    expect((await callPutBack(database)).back).toHaveLength(2)
    expect(await types('app.best')).toEqual(['bigint'])
  })

  test('unless no cast assigns the values: the table can be dropped and made again', async () => {
    await sql.unsafe(`create type app.unit as enum ('kg'); drop table app.daily; drop view app.daily_query;
      create view app.daily_query as select day, unit from app.orders; comment on view app.daily_query is '${keptMark}';
      create table app.daily as select * from app.daily_query`)
    const change = 'alter table app.orders alter column unit type app.unit using unit::app.unit'
    const refused = await refusalOf(callAlter(database, change))
    expect(refused.message).toMatch(/cannot be cast automatically to type app\.unit\. Or drop it first/)
    expect(await types('app.orders')).toContain('text')
    await callAlter(database, `drop table app.daily; ${change}`)
    expect(await types('app.daily_query')).toEqual(['date', 'app.unit'])
  })
})

test('an incremental table whose query does not fit any more is made by the definition that is given along', async () => {
  const drop = 'alter table app.orders drop column qty'
  const next = definition(
    'daily',
    'select day, sum(price) as pieces, min(price) as least from app.orders group by day',
    {
      schema: 'app',
      storage: 'table',
    },
  )
  expect((await refusalOf(callAlter(database, drop))).message).toContain('--with <migration>.up.sql')
  await callAlter(database, drop, { given: [ofItem(next)] })
  await sql`insert into app.orders (day, price) values ('2026-12-01', 0.5)`
  expect(await refreshed()).toMatch(/^computes all rows/)
  expect(await rows('app.daily')).toEqual(await rows('app.daily_query'))
})
