import { beforeEach, describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { bringUp, migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { getView } from '../../../src/watch/read-views.ts'
import { getWhy } from '../../../src/watch/why.ts'
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
import { refusalOf } from '../../support/waiting/refusal.ts'

const { database, sql, url } = useDatabase()
const folder = useFolders()
let folders = 0

beforeEach(async () => {
  await emptyTables(sql, 'definitions', 'migrations')
  await sql.unsafe(`
    drop schema if exists app, viewkeeper_logs cascade; create schema app;
    create table app.orders (id int primary key generated always as identity, day date, region text, amount int);
    insert into app.orders (day, region, amount) select date '2026-11-01' + i % 10, 'r' || i % 3, i from generate_series(1, 200) i`)
})

const query = 'select day, count(*) as n from app.orders group by day'
const other = 'select day, count(*) as n from app.orders where amount > 100 group by day'
const daily = (query: string, more: Partial<Definition> = {}) =>
  definition('daily', query, {
    schema: 'app',
    storage: 'table',
    indexes: [{ name: 'daily_key', unique: true, on: '(day)' }],
    ...more,
  })

const frozen = (into: FrozenFolder, authored: Definition[], more: Freezing = {}) =>
  frozenInto(database, into, authored, more)

const up = async (from: FrozenFolder) =>
  (await migrateUp(migrateCall(database), await from.read())).applied.map(({ does }) => does)
const down = async (from: FrozenFolder, count: number) =>
  (await migrateDown(migrateCall(database), await from.read(), count)).undone.map(({ does }) => does)
const start = async (...authored: Definition[]) => {
  const into = await folder(`kept ${++folders}`)
  await frozen(into, authored)
  await up(into)
  return into
}

const differences = async (...authored: Definition[]) =>
  (await readDrift(database, authored))
    .filter(({ kind }) => kind !== 'unmanaged')
    .map(({ message }) => message)
const rows = async (of: string) => sql.unsafe(`select * from ${of} order by 1`)
const because = async () => (await refresh({ view: 'app.daily' }, callOn(database))).response.because
const named = async () =>
  (
    await sql`select relname from pg_class where relnamespace in ('app'::regnamespace, to_regnamespace('viewkeeper_logs')) and relkind in ('m', 'v', 'r') order by relnamespace <> 'app'::regnamespace, 1`
  ).map(({ relname }) => relname)

describe('an incremental table', () => {
  test('is made with the plain view of its query, and goes without a trace', async () => {
    const into = await start(daily(query))
    const [file] = await into.read()
    expect(file?.up.text).toContain(
      `create view "app"."daily_query" as\n${query};\n\ncomment on view "app"."daily_query" is 'Viewkeeper keeps the rows of this query in a table.';\n\ncreate table "app"."daily" as\nselect * from "app"."daily_query"\nwith no data;`,
    )
    expect(await named()).toEqual(['daily', 'daily_query', 'orders'])
    expect(await differences(daily(query))).toEqual([])
    expect(await sql`select row_count_after::int as rows from viewkeeper.runs`).toEqual([{ rows: 10 }])
    await sql`update app.orders set day = '2026-12-02' where id = 4`
    expect(await because()).toBe('computes all rows, and writes those that differ; 2 rows written')
    expect(await rows('app.daily')).toEqual(await rows(`(${query}) q`))
    expect(
      await sql`select row_count_after::int as rows from viewkeeper.runs order by id desc limit 1`,
    ).toEqual([{ rows: 11 }])
    expect(await frozen(into, [daily(query)])).toBeUndefined()
    expect(await down(into, 1)).toEqual(['drop'])
    expect(await named()).toEqual(['orders'])
  })

  test('stays the same table with another query, another index and another comment', async () => {
    const into = await start(daily(query))
    await sql`create view app.above as select * from app.daily`
    const [{ oid }] = await sql<[{ oid: string }]>`select 'app.daily'::regclass::oid as oid`
    const next = daily(other, { comment: 'by day', indexes: [{ name: 'daily_n', on: '(n)' }] })
    expect(await frozen(into, [next])).toEqual(['002_daily'])
    expect(await up(into)).toEqual(['alter'])
    expect(await differences(next)).toEqual([])
    expect(await rows('app.above')).toEqual(await rows(`(${other}) q`))
    expect(await sql`select 'app.daily'::regclass::oid as oid`).toEqual([{ oid }])
    expect(await down(into, 1)).toEqual(['alter'])
    expect(await differences(daily(query))).toEqual([])
    expect(await rows('app.above')).toEqual(await rows(`(${query}) q`))
  })

  test('with a change log is refreshed by slices', async () => {
    const sliced = daily(query, { slices: { by: 'day' } })
    const into = await start(sliced)
    expect((await into.read()).map(({ name }) => name)).toEqual(['001_daily', '002_daily_touched'])
    expect(await differences(sliced)).toEqual([])
    expect(await because()).toMatch(/^computes all of about 10 slices of day anew: /)
    await sql`update app.orders set day = '2026-11-02' where id = 4`
    expect(await because()).toMatch(/^computes 2 of about 10 slices of day anew.*; 2 rows written$/)
    expect(await rows('app.daily')).toEqual(await rows(`(${query}) q`))
  })

  test('whose query somebody dropped is said so, and is kept again by migrate up --repair, with its rows', async () => {
    const into = await start(daily(query))
    const [{ oid }] = await sql<[{ oid: string }]>`select 'app.daily'::regclass::oid as oid`
    await sql`drop view app.daily_query cascade`
    const said = /^app\.daily has its rows, but not its query, .* somebody dropped app\.daily_query, not with/
    expect(await refusalOf(because())).toMatchObject({
      message: expect.stringMatching(said),
      details: { next: 'viewkeeper migrate up --repair' },
    })
    const why = await getWhy(database, 'app.daily', { schedules: unscheduled, typed: null })
    expect(why.causes[0]).toMatchObject({ code: 'Missing', text: expect.stringMatching(said) })
    expect(await getView(database, 'app.daily')).toMatchObject({ state: 'missing', sql: null })
    expect(await refusalOf(doctor(database, { views: ['app.daily'], role: null }))).toMatchObject({
      message: expect.stringMatching(said),
    })
    expect(await differences(daily(query))).toEqual([expect.stringMatching(said)])

    await sql`alter table app.daily add column more int`
    const repair = async () => bringUp(migrateCall(database), await into.read(), { repair: true })
    expect((await repair()).missing).toMatchObject([
      { view: 'app.daily', because: expect.stringContaining('has other columns: day date, n bigint') },
    ])
    await sql`alter table app.daily drop column more`
    expect(await repair()).toMatchObject({ missing: [], repaired: [{ name: 'app.daily', does: 'create' }] })
    expect(await sql`select 'app.daily'::regclass::oid as oid`).toEqual([{ oid }])
    expect(await differences(daily(query))).toEqual([])
    expect(await because()).toBe('computes all rows, and writes those that differ; 0 rows written')
  })

  test('whose query somebody dropped, and which does not run any more, keeps its rows until it has another one', async () => {
    const into = await start(daily(other))
    const before = await rows('app.daily')
    await sql`alter table app.orders drop column amount cascade`
    const next = daily(query)
    const { message } = await refusalOf(frozen(into, [next]))
    expect(message).toMatch(/^app\.daily: app\.daily has its rows, but not its query, /)
    await sql.unsafe(message.match(/: (create view .*;)/)![1]!)
    expect(await because()).toBe('computes all rows, and writes those that differ; 0 rows written')
    expect(await frozen(into, [next])).toEqual(['002_daily'])
    expect(await up(into)).toEqual(['alter'])
    expect(await rows('app.daily')).toEqual(await rows(`(${query}) q`))
    expect(await differences(next)).toEqual([])
    expect(await down(into, 1)).toEqual(['alter'])
    expect(await rows('app.daily')).not.toEqual(before)
    expect(await because()).toBe('computes all rows, and writes those that differ; 0 rows written')
  })

  test('gets no other query while something else would be written than its rows', async () => {
    const into = await start(daily(query))
    await frozen(into, [daily(other)])
    await sql`create rule none as on insert to app.daily do instead nothing`
    await expect(up(into)).rejects.toThrow(/app\.daily is not refreshed: it has rules/)
    await sql`drop rule none on app.daily`
    expect(await up(into)).toEqual(['alter'])
    expect(await rows('app.daily')).toEqual(await rows(`(${other}) q`))
  })

  test('is given to another owner with its query', async () => {
    const into = await start(daily(query))
    const owner = `kept_${url.slice(-8)}`
    await sql.unsafe(
      `create role ${owner}; grant ${owner} to current_user; grant usage, create on schema app to ${owner}; grant select on app.orders to ${owner}`,
    )
    const next = daily(query, { owner })
    expect(await frozen(into, [next])).toEqual(['002_daily'])
    expect(await up(into)).toEqual(['alter'])
    expect(
      await sql`select distinct relowner::regrole::text as owner from pg_class where relname in ('daily', 'daily_query')`,
    ).toEqual([{ owner }])
    expect(await because()).toBe('computes all rows, and writes those that differ; 0 rows written')
    await sql.unsafe(`drop schema app cascade; drop role ${owner}`)
  })

  test('is renamed with its query, and with an index to which a foreign key refers', async () => {
    const into = await start(daily(query))
    await sql`create table app.notes (day date references app.daily (day))`
    const to = { schema: 'app', name: 'by_day' }
    const next = { ...daily(query), ...to, indexes: [{ name: 'by_day_key', unique: true, on: '(day)' }] }
    const renames = [{ from: { schema: 'app', name: 'daily' }, to }]
    expect(await frozen(into, [next], { renames })).toEqual(['002_by_day', '003_by_day'])
    await because()
    const age = (name: string) => sql`select as_of from viewkeeper.view_status where name = ${name}`
    const before = await age('daily')
    expect(before).toEqual([{ as_of: expect.any(Date) }])
    expect(await up(into)).toEqual(['rename', 'alter'])
    // Nothing has changed the rows.
    expect(await age('by_day')).toEqual(before)
    expect(await named()).toEqual(['by_day', 'by_day_query', 'notes', 'orders'])
    expect(await differences(next)).toEqual([])
    await expect(frozen(into, [{ ...next, indexes: [] }])).rejects.toThrow(
      /constraint notes_day_fkey .* depends on index/,
    )
    expect(await down(into, 2)).toEqual(['alter', 'rename'])
    expect(await age('daily')).toEqual(before)
    expect(await differences(daily(query))).toEqual([])
  })
})
