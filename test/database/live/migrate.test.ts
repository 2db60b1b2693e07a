import { beforeEach, describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { emptyTables } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import {
  definition,
  type Freezing,
  type FrozenFolder,
  frozenInto,
  migrateCall,
  useFolders,
} from '../../support/views/frozen.ts'

const { database, sql } = useDatabase()
const folder = useFolders()
let folders = 0

beforeEach(async () => {
  await emptyTables(sql, 'definitions', 'migrations')
  await sql.unsafe(`
    drop schema if exists app, viewkeeper_logs cascade; create schema app; drop role if exists live_reader; create role live_reader;
    create table app.orders (id int primary key generated always as identity, day date, region text, amount int);
    insert into app.orders (day, region, amount) select date '2026-11-01' + i % 10, 'r' || i % 3, i from generate_series(1, 200) i`)
})

const query = 'select day, count(*) as n from app.orders group by day'
const other = 'select day, count(*) as n from app.orders where amount > 100 group by day'
const wider = 'select day, count(*) as n, sum(amount) as s from app.orders group by day'
const slices = { by: 'day', live: 'query' } as const
const daily = (query: string, more: Partial<Definition> = {}) =>
  definition('daily', query, { schema: 'app', storage: 'table', slices, ...more })

const frozen = (into: FrozenFolder, authored: Definition[], more: Freezing = {}) =>
  frozenInto(database, into, authored, more)
const up = async (from: FrozenFolder) => migrateUp(migrateCall(database), await from.read())
const down = async (from: FrozenFolder, count: number) =>
  migrateDown(migrateCall(database), await from.read(), count)
const start = async (...authored: Definition[]) => {
  const into = await folder(`live ${++folders}`)
  await frozen(into, authored)
  await up(into)
  await refresh({ view: 'app.daily' }, callOn(database))
  return into
}
const differences = async (...authored: Definition[]) =>
  (await readDrift(database, authored))
    .filter(({ kind }) => kind !== 'unmanaged')
    .map(({ message }) => message)
const named = async () =>
  (
    await sql`select relname from pg_class where relnamespace in ('app'::regnamespace, to_regnamespace('viewkeeper_logs')) and relkind in ('m', 'v', 'r') order by relnamespace <> 'app'::regnamespace, 1`
  ).map(({ relname }) => relname)
const all = ['daily', 'daily_live', 'daily_query', 'orders', 'app.daily_0']
/** That it shows what the query gives of changed rows, as it does after the log is read. */
const insistOnExact = async (view = 'app.daily') => {
  for (const change of ['select', `update app.orders set amount = amount + 60 where day = '2026-11-03'`]) {
    await sql.unsafe(change)
    await expect(sql.unsafe(`table ${view}_live except all table ${view}_query`)).resolves.toEqual([])
    await expect(sql.unsafe(`table ${view}_query except all table ${view}_live`)).resolves.toEqual([])
    await refresh({ view }, callOn(database))
  }
  await sql.unsafe(`update ${view} set n = 7777`)
  expect((await sql.unsafe(`select from ${view}_live where n = 7777`)).length).toBeGreaterThan(0)
}

describe('a live view', () => {
  test('is made with the change log, and goes with it, without a trace', async () => {
    const into = await start(daily(query))
    expect((await into.read()).map(({ name }) => name)).toEqual(['001_daily', '002_daily_touched'])
    expect(await named()).toEqual(all)
    expect(await differences(daily(query))).toEqual([])
    await insistOnExact()
    expect(await frozen(into, [daily(query)])).toBeUndefined()
    // As after a restore of the schemas alone.
    await sql.unsafe((await into.read())[1]!.up.text)
    expect(await named()).toEqual(all)
    await down(into, 1)
    expect(await named()).toEqual(['daily', 'daily_query', 'orders'])
    await up(into)
    await down(into, 2)
    expect(await named()).toEqual(['orders'])
  })

  test('comes and goes with the option', async () => {
    const without = daily(query, { slices: { by: 'day' } })
    const into = await start(without)
    expect(await frozen(into, [daily(query)])).toEqual([
      '003_remove_daily_touched',
      '004_daily',
      '005_daily_touched',
    ])
    await up(into)
    await insistOnExact()
    await frozen(into, [without])
    await up(into)
    expect(await named()).toEqual(all.filter((name) => name !== 'daily_live'))
    await frozen(into, [daily(query, { slices: null })])
    await up(into)
    expect(await named()).toEqual(['daily', 'daily_query', 'orders'])
    await down(into, (await into.read()).length)
    expect(await named()).toEqual(['orders'])
  })

  test('stays while the query changes, and shows the new one', async () => {
    const into = await start(daily(query))
    await sql`create view app.above as select * from app.daily_live`
    expect(await frozen(into, [daily(other)])).toEqual(['003_daily'])
    await up(into)
    await insistOnExact()
    await down(into, 1)
    await insistOnExact()
  })

  test('is made anew around a query with other columns, and back', async () => {
    const into = await start(daily(query))
    expect(await frozen(into, [daily(wider)])).toEqual([
      '003_remove_daily_touched',
      '004_daily',
      '005_daily_touched',
    ])
    await up(into)
    expect(await named()).toEqual(all)
    await refresh({ view: 'app.daily' }, callOn(database))
    await insistOnExact()
    expect(await differences(daily(wider))).toEqual([])
    await down(into, 3)
    expect(await named()).toEqual(all)
    await refresh({ view: 'app.daily' }, callOn(database))
    await insistOnExact()
  })

  test('goes with the view, and is renamed with it', async () => {
    const into = await start(daily(query))
    await frozen(into, [{ ...daily(query), name: 'weekly' }], {
      renames: [{ from: { schema: 'app', name: 'daily' }, to: { schema: 'app', name: 'weekly' } }],
    })
    await up(into)
    expect(await named()).toEqual(['orders', 'weekly', 'weekly_live', 'weekly_query', 'app.weekly_0'])
    await refresh({ view: 'app.weekly' }, callOn(database))
    await insistOnExact('app.weekly')
    await frozen(into, [], { removes: [{ schema: 'app', name: 'weekly' }] })
    await up(into)
    expect(await named()).toEqual(['orders'])
    await down(into, 2)
    expect(await named()).toEqual(['orders', 'weekly', 'weekly_live', 'weekly_query', 'app.weekly_0'])
    await refresh({ view: 'app.weekly' }, callOn(database))
    await insistOnExact('app.weekly')
  })

  test('is set aside with the view while a table that both read is altered', async () => {
    const into = await start(daily(query))
    await into.write(
      '003_wider.up.sql',
      '-- viewkeeper: {"alters": ["app.orders"]}\nalter table app.orders alter amount type bigint, alter day type date;\n',
    )
    await into.write(
      '003_wider.down.sql',
      '-- viewkeeper: {"alters": ["app.orders"]}\nalter table app.orders alter amount type int;\n',
    )
    await sql`grant select on app.daily_live to live_reader`
    await up(into)
    expect(await named()).toEqual(all)
    await refresh({ view: 'app.daily' }, callOn(database))
    await insistOnExact()
    expect(
      await sql`select has_table_privilege('live_reader', 'app.daily_live', 'select') as may, obj_description('app.daily_live'::regclass) ~ '^Viewkeeper shows' as told`,
    ).toEqual([{ may: true, told: true }])
    await sql`revoke all on app.daily_live from live_reader`
  })

  test('is made again with the log, by the name of the view', async () => {
    const into = await start(daily(query))
    await sql`drop view app.daily_live`
    expect(await differences(daily(query))).toEqual([
      expect.stringMatching(/^its live view app\.daily_live is not there.*npx viewkeeper freeze app\.daily/),
    ])
    expect(await frozen(into, [daily(query)], { only: [{ schema: 'app', name: 'daily' }] })).toEqual([
      '003_remove_daily_touched',
      '004_daily_touched',
    ])
    await up(into)
    await refresh({ view: 'app.daily' }, callOn(database))
    await insistOnExact()
    expect(await differences(daily(query))).toEqual([])
  })

  test('may be read by whom the table may be read by, and by nobody else', async () => {
    const grants = [{ privileges: ['select'], to: 'live_reader' }]
    const into = await start(daily(query, { grants }))
    const may = async () =>
      (await sql`select has_table_privilege('live_reader', 'app.daily_live', 'select') as may`)[0]?.may
    expect(await may()).toBe(true)
    await frozen(into, [daily(query)])
    await up(into)
    expect(await may()).toBe(false)
  })
})
