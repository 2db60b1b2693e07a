import { beforeEach, describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { createRole } from '../../../src/own-schema/create-role.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { deep } from '../../support/deep.ts'
import { deleteRows, updateRows } from '../../support/record/rows.ts'
import { callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { useRds } from '../../support/servers/rds.ts'
import {
  definition,
  type Freezing,
  type FrozenFolder,
  frozenInto,
  migrateCall,
  useFolders,
} from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const { database, sql } = useDatabase()
const bare = useDatabase({ migrated: false })
const fresh = useRds()
const folder = useFolders()
let folders = 0

beforeEach(async () => {
  for (const table of ['migrations', 'runs', 'definitions'] as const) await deleteRows(sql, table)
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
    slices: { by: 'day' },
    targetLagSeconds: 1,
    indexes: [{ name: 'daily_key', unique: true, on: '(day)' }],
    ...more,
  })

const frozen = (into: FrozenFolder, authored: Definition[], more: Freezing = {}, on = database) =>
  frozenInto(on, into, authored, more)

const up = async (from: FrozenFolder) =>
  (await migrateUp(migrateCall(database), await from.read())).applied.map(({ does }) => does)
const down = async (from: FrozenFolder, count: number) =>
  (await migrateDown(migrateCall(database), await from.read(), count)).undone.map(({ does }) => does)
const start = async (...authored: Definition[]) => {
  const into = await folder(`slices ${++folders}`)
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

describe('an incremental table with slices', () => {
  test('is made with its plain view and its log, is refreshed by slices, and goes without a trace', async () => {
    const into = await start(daily(query))
    expect((await into.read()).map(({ name }) => name)).toEqual(['001_daily', '002_daily_touched'])
    expect(await named()).toEqual(['daily', 'daily_query', 'orders', 'app.daily_0'])
    expect(await differences(daily(query))).toEqual([])
    expect(await because()).toMatch(/^computes all of about 10 slices of day anew: /)
    await sql`update app.orders set day = '2026-11-02' where id = 4`
    expect(await because()).toMatch(/^computes 2 of about 10 slices of day anew/)
    expect(await rows('app.daily')).toEqual(await rows(`(${query}) q`))
    expect(await frozen(into, [daily(query)])).toBeUndefined()
    expect(await down(into, 2)).toEqual(['sql', 'drop'])
    expect(await named()).toEqual(['orders'])
    expect(
      await sql`select from pg_proc where pronamespace in ('app'::regnamespace, 'viewkeeper_logs'::regnamespace)`,
    ).toEqual([])
  })

  test('keeps its log with another query that needs the same one', deep, async () => {
    const into = await start(daily(query))
    expect(await frozen(into, [daily(other)])).toEqual(['003_daily'])
    expect(await up(into)).toEqual(['alter'])
    expect(await differences(daily(other))).toEqual([])
    expect(await down(into, 1)).toEqual(['alter'])
    expect(await differences(daily(query))).toEqual([])
  })

  test('has a log by a computed key, and another one if it is computed otherwise', deep, async () => {
    await sql.unsafe(
      "alter table app.orders add at timestamptz; update app.orders set at = day + time '23:30'",
    )
    const by = (unit: string) =>
      daily(
        `select date_trunc('${unit}', at at time zone 'Europe/Berlin') as day, count(*) as n from app.orders group by 1`,
      )
    const into = await start(by('day'))
    expect(await differences(by('day'))).toEqual([])
    expect(await because()).toMatch(/^computes all of about 10 slices of day anew: /)
    await sql`update app.orders set at = at + interval '1 day' where id = 4`
    expect(await because()).toMatch(/^computes 2 of about 10 slices of day anew/)
    expect(await frozen(into, [by('week')])).toEqual([
      '003_remove_daily_touched',
      '004_daily',
      '005_daily_touched',
    ])
    await up(into)
    expect(await differences(by('week'))).toEqual([])
    expect(await because()).toMatch(/^computes all of about \d+ slices of day anew: /)
    await sql`update app.orders set at = at + interval '1 day' where id = 4`
    expect(await because()).toMatch(/^computes [12] of about \d+ slices of day anew/)
    expect(await rows('app.daily')).toEqual(await rows(`(${by('week').sql}) q`))
  })

  test('gets another log with other slices, and the old one back', deep, async () => {
    const both = 'select day, region, count(*) as n from app.orders group by day, region'
    const first = daily(both, { indexes: [] })
    const into = await start(first)
    const next = daily(both, { slices: { by: 'region' }, indexes: [] })
    expect(await frozen(into, [next])).toEqual(['003_remove_daily_touched', '004_daily', '005_daily_touched'])
    await up(into)
    expect(await differences(next)).toEqual([])
    await down(into, 3)
    expect(await differences(first)).toEqual([])
    expect(await because()).toMatch(/^computes all of about 10 slices of day anew: /)
  })

  test(
    'gets its log anew if it is named, and one of which no migration knows is replaced',
    deep,
    async () => {
      const into = await start(daily(query))
      const oid = async () =>
        (await sql`select 'viewkeeper_logs."app.daily_0"'::regclass::oid::int as oid`)[0]!.oid
      const first = await oid()
      expect(await frozen(into, [daily(query)], { only: [{ schema: 'app', name: 'daily' }] })).toEqual([
        '003_remove_daily_touched',
        '004_daily_touched',
      ])
      await up(into)
      expect(await oid()).not.toBe(first)
      await down(into, 2)
      expect(await differences(daily(query))).toEqual([])
      // A project whose files do not know the log.
      await deleteRows(sql, 'migrations')
      const other = await folder(`slices ${++folders}`)
      expect(await frozen(other, [daily(query)])).toEqual([
        '001_remove_daily_touched',
        '002_daily',
        '003_daily_touched',
      ])
      await up(other)
      expect(await differences(daily(query))).toEqual([])
      expect(await because()).toMatch(/^computes all of about 10 slices of day anew: /)
    },
  )

  test('had none, and has none again', deep, async () => {
    const plain = daily(query, { slices: null, targetLagSeconds: null })
    const into = await start(plain)
    expect(await frozen(into, [daily(query)])).toEqual(['002_daily', '003_daily_touched'])
    expect(await up(into)).toEqual([null, 'sql'])
    expect(await differences(daily(query))).toEqual([])
    expect(await frozen(into, [plain])).toEqual(['004_remove_daily_touched', '005_daily'])
    expect(await up(into)).toEqual(['sql', null])
    expect(await differences(plain)).toEqual([])
    expect(await named()).toEqual(['daily', 'daily_query', 'orders'])
    await down(into, 2)
    expect(await differences(daily(query))).toEqual([])
  })

  test(
    'changes its indexes in place, and how often all rows are computed without a change of the view',
    deep,
    async () => {
      const into = await start(daily(query))
      const next = daily(query, { indexes: [], slices: { by: 'day', wholeEvery: '1 h' } })
      expect(await frozen(into, [next])).toEqual(['003_daily'])
      expect(await up(into)).toEqual(['alter'])
      expect(await differences(next)).toEqual([])
      await because()
      const wholeAt = sql`jsonb_set(meta, '{response,slices,wholeAt}', to_jsonb(now() - interval '2 h'))`
      await updateRows(sql, 'runs', {}, { meta: wholeAt })
      expect((await refresh({ view: 'app.daily' }, callOn(database))).response.because).toMatch(
        /^computes all of about 10 slices of day anew: every 1 h all are/,
      )
    },
  )

  test('gets another name with all that belongs to it, and goes', deep, async () => {
    const into = await start(daily(query))
    const [from, to] = [
      { schema: 'app', name: 'daily' },
      { schema: 'app', name: 'by_day' },
    ]
    const next = { ...daily(query), ...to }
    expect(await frozen(into, [next], { renames: [{ from, to }] })).toEqual([
      '003_remove_daily_touched',
      '004_by_day',
      '005_by_day_touched',
    ])
    await up(into)
    expect(await differences(next)).toEqual([])
    expect(await named()).toEqual(['by_day', 'by_day_query', 'orders', 'app.by_day_0'])
    await down(into, 3)
    expect(await differences(daily(query))).toEqual([])
    await up(into)
    await frozen(into, [], { removes: [to] })
    await up(into)
    expect(await named()).toEqual(['orders'])
    await down(into, 2)
    expect(await differences(next)).toEqual([])
  })

  test('gets another name together with the names of its indexes, which follow from it', deep, async () => {
    const into = await start(daily(query))
    const [from, to] = [
      { schema: 'app', name: 'daily' },
      { schema: 'app', name: 'by_day' },
    ]
    const next = { ...daily(query), ...to, indexes: [{ name: 'by_day_key', unique: true, on: '(day)' }] }
    const names = await frozen(into, [next], { renames: [{ from, to }] })
    expect(names).toEqual(['003_remove_daily_touched', '004_by_day', '005_by_day', '006_by_day_touched'])
    await up(into)
    expect(await differences(next)).toEqual([])
    expect(await frozen(into, [next])).toBeUndefined()
    await down(into, 4)
    expect(await differences(daily(query))).toEqual([])
  })

  test('has triggers on each partition that a database has', deep, async () => {
    await sql.unsafe(`drop table app.orders;
      create table app.orders (day date, amount int) partition by range (day);
      create table app.old partition of app.orders for values from (minvalue) to ('2026-11-05');
      create table app.new partition of app.orders for values from ('2026-11-05') to (maxvalue);
      insert into app.orders values ('2026-11-01', 1), ('2026-11-09', 1)`)
    const into = await start(daily(query))
    expect(await differences(daily(query))).toEqual([])
    await because()
    await sql`insert into app.new values ('2026-11-09', 5)`
    expect(await because()).toMatch(/^computes 1 of about 2 slices of day anew/)
    await sql`alter table app.orders detach partition app.new`
    await sql`create table app.newest partition of app.orders for values from ('2026-11-10') to (maxvalue)`
    expect(await differences(daily(query))).toEqual([
      expect.stringMatching(
        /app\.newest has no trigger that tells each insert.*: npx viewkeeper freeze app\.daily -m/,
      ),
    ])
    const only = [{ schema: 'app', name: 'daily' }]
    expect(await frozen(into, [daily(query)], { only })).toEqual([
      '003_remove_daily_touched',
      '004_daily_touched',
    ])
    await up(into)
    expect(await differences(daily(query))).toEqual([])
    expect(await down(into, 4)).toEqual(['sql', 'sql', 'sql', 'drop'])
  })

  test('whose log is made finds no operator of somebody else', deep, async () => {
    await sql.unsafe(`
      create function public.is_same(oid, regclass) returns boolean language plpgsql as $$ begin raise exception 'executed'; end $$;
      create operator public.= (leftarg = oid, rightarg = regclass, function = public.is_same)`)
    const into = await start(daily(query))
    expect(await differences(daily(query))).toEqual([])
    expect(await down(into, 2)).toEqual(['sql', 'drop'])
    await sql.unsafe('drop operator public.= (oid, regclass); drop function public.is_same')
  })

  test(
    'is set aside while own SQL changes a table below, and made again with its plain view',
    deep,
    async () => {
      const into = await start(daily(query))
      await into.write(
        '003_amounts.up.sql',
        `-- viewkeeper: {"alters": ["app.orders"]}\nalter table app.orders alter column amount type bigint;\n`,
      )
      expect(await up(into)).toEqual(['sql'])
      expect(await differences(daily(query))).toEqual([])
      expect(await rows('app.daily')).toEqual(await rows(`(${query}) q`))
      expect(await because()).toMatch(/^computes all/)
    },
  )

  test('of which nothing can be compared has no difference, and a note', deep, async () => {
    const odd = daily(`select distinct on (day) day, region from app.orders order by day`)
    await start(odd)
    expect((await readDrift(database, [odd])).filter(({ view }) => view === 'app.daily')).toEqual([
      {
        view: 'app.daily',
        kind: 'unchecked',
        message:
          'it has a change log: the daily refresh cannot check it, because the query of the view does not tell which rows there are',
      },
    ])
  })

  test('is refused with a query without slices, and nothing is written', async () => {
    const into = await folder('refused')
    await expect(frozen(into, [daily(`${query} limit 5`)])).rejects.toMatchObject({
      code: 'InvalidRequest',
      message: expect.stringMatching(/^app.daily has no change log: .* Nothing was written.$/),
    })
    expect(await into.read()).toEqual([])
  })

  test('is frozen, and frozen again, on a database without schema viewkeeper, which gets none by it', async () => {
    await bare.sql`create table orders (day date, amount int)`
    const into = await folder('bare')
    const of = (query: string) => [daily(query.replace('app.', 'public.'), { schema: 'public' })]
    const before = await wholeCatalog(bare.sql)
    expect(await frozen(into, of(query), {}, bare.database)).toEqual(['001_daily', '002_daily_touched'])
    expect(await frozen(into, of(other), {}, bare.database)).toEqual(['003_daily'])
    expect(await wholeCatalog(bare.sql)).toEqual(before)
    await migrate(bare.database, schemaFolder)
    expect(
      (await migrateUp(migrateCall(bare.database), await into.read())).applied.map(({ does }) => does),
    ).toEqual(['create', 'sql', 'alter'])
    expect((await readDrift(bare.database, of(other))).filter(({ kind }) => kind !== 'unpopulated')).toEqual(
      [],
    )
  })

  test('is refused before anything is written, with the grant, if its login may not act as the owner of a table', async () => {
    const rds = await fresh()
    const { database: master } = rds.as('master')
    await master.withConnection((connection) =>
      createRole(connection, schemaFolder, {
        login: 'keeper_app',
        password: 'hunter2',
        owners: null,
        ownViews: null,
      }),
    )
    const { database: on } = rds.as('keeper_app')
    await migrate(on, schemaFolder)
    await rds.sql.unsafe(`
      create role seller; create schema app; grant usage, create on schema app to viewkeeper, viewkeeper_views; grant usage on schema app to seller;
      create table app.orders (day date, amount int); alter table app.orders owner to seller; grant select on app.orders to viewkeeper_views`)
    const into = await folder('of another owner')
    const refusal = await refusalOf(frozen(into, [daily(query)], {}, on))
    expect(refusal).toMatchObject({ code: 'InsufficientPrivilege' })
    expect(refusal.message).toMatch(
      /^app\.daily: its change log belongs to the owners of its tables\. Nothing was written\. Missing: keeper_app may not act as seller, the owner of app\.orders\.\n\n.* has to run:\n {2}grant seller to viewkeeper.*;$/,
    )
    expect(await into.read()).toEqual([])
    await rds.sql.unsafe(refusal.message.match(/^ {2}(grant .*;)$/m)![1]!)
    expect(await frozen(into, [daily(query)], {}, on)).toEqual(['001_daily', '002_daily_touched'])
    expect((await migrateUp(migrateCall(on), await into.read())).applied).toHaveLength(2)
    expect((await readDrift(on, [daily(query)])).filter(({ view }) => view === 'app.daily')).toEqual([])
    // Nobody is told to write into a file that freeze has made.
    await rds.sql`revoke seller from viewkeeper`
    await rds.sql`drop table viewkeeper_logs."app.daily_0" cascade`
    await deleteRows(rds.sql, 'migrations', { number: 2 })
    const failed = await refusalOf(migrateUp(migrateCall(on), await into.read()))
    expect(failed.message).toContain('permission denied to set role "seller"')
    expect(failed.message).not.toContain('reset role')
  })
})
