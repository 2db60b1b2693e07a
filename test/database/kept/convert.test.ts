import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Sql } from '../../../src/server/database.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { emptyTables } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import {
  definition,
  type FrozenFolder,
  frozenInto,
  migrateCall,
  useFolders,
} from '../../support/views/frozen.ts'
import { findAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()
const folder = useFolders()
let folders = 0

beforeEach(async () => {
  await emptyTables(sql, 'definitions', 'migrations')
  await sql.unsafe(`
    drop publication if exists daily_rows; drop schema if exists app, viewkeeper_logs cascade; create schema app;
    create table app.orders (id int primary key generated always as identity, day date, region text, amount int);
    insert into app.orders (day, region, amount) select date '2026-11-01' + i % 10, 'r' || i % 3, i from generate_series(1, 200) i`)
})

const query = 'select day, count(*) as n from app.orders group by day'
const wider = 'select day, sum(amount) as total, count(*)::int as n from app.orders group by day'
const daily = (query: string, storage: Definition['storage'], more: Partial<Definition> = {}) =>
  definition('daily', query, {
    schema: 'app',
    storage,
    indexes: [{ name: 'daily_key', unique: true, on: '(day)' }],
    ...more,
  })
const view = daily(query, 'materialized view')
const table = daily(query, 'table')

const frozen = (into: FrozenFolder, ...authored: Definition[]) => frozenInto(database, into, authored)

const up = async (from: FrozenFolder) =>
  (await migrateUp(migrateCall(database), await from.read())).applied.map(({ does }) => does)
const down = async (from: FrozenFolder) =>
  (await migrateDown(migrateCall(database), await from.read(), 1)).undone.map(({ does }) => does)

async function start(authored: Definition) {
  const into = await folder(`convert ${++folders}`)
  await frozen(into, authored)
  await up(into)
  return into
}

const differences = async (authored: Definition) =>
  (await readDrift(database, [authored])).filter(
    ({ view, kind }) => view === 'app.daily' && !['index', 'grant'].includes(kind),
  )
const rows = (of: string) => sql.unsafe(`select * from ${of} order by 1`)
const because = async () => (await refresh({ view: 'app.daily' }, callOn(database))).response.because
const relations = async () =>
  (
    await sql`select concat(relkind, ' ', relname) as named from pg_class where relnamespace = 'app'::regnamespace and relkind in ('m', 'v', 'r') order by relname`
  ).map(({ named }) => named)
const storage = async () =>
  (await sql`select storage from viewkeeper.definitions where name = 'daily'`)[0]?.storage
const lastRun = async () =>
  (
    await sql`select status, fills, row_count_after::int as rows, as_of is not null as "hasAge" from viewkeeper.runs order by id desc limit 1`
  )[0]

/** What hangs on the view, and what reads it. */
const parts = async () =>
  (
    await sql`
      select (select array_agg(a::text order by a::text) from unnest(c.relacl) a) as acl, c.relowner::regrole::text as owner, c.reloptions, obj_description(c.oid, 'pg_class') as comment,
             col_description(c.oid, 1) as column, pg_get_viewdef('app.above'::regclass) as above,
             (select jsonb_agg(jsonb_build_array(pg_get_indexdef(indexrelid), obj_description(indexrelid, 'pg_class')) order by indexrelid::regclass::text) from pg_index where indrelid = c.oid) as indexes,
             (select jsonb_agg(pg_get_statisticsobjdef(oid)) from pg_statistic_ext where stxrelid = c.oid) as statistics
        from pg_class c where c.oid = 'app.daily'::regclass`
  )[0]

const hung = `
  create view app.above as select day, n from app.daily;
  comment on column app.daily.day is 'the day'; create index by_hand on app.daily (n); comment on index app.by_hand is 'an index';
  create statistics app.both on day, n from app.daily; grant select on app.daily to public`

describe('a materialized view becomes an incremental table and a view again', () => {
  test('with all that hangs on it and reads it', async () => {
    const into = await start(view)
    await sql.unsafe(hung)
    const before = await parts()
    expect(await frozen(into, table)).toEqual(['002_daily'])
    await sql`insert into app.orders (day) values ('2026-12-24')`
    expect(await up(into)).toEqual(['rebuild'])
    expect(await relations()).toEqual(['v above', 'r daily', 'v daily_query', 'r orders'])
    expect(await differences(table)).toEqual([])
    expect(await parts()).toEqual(before)
    expect(await rows('app.above')).toEqual(await rows(`(${query}) q`))
    expect(await storage()).toBe('table')
    expect(await lastRun()).toEqual({ status: 'success', fills: true, rows: 11, hasAge: true })
    expect(await because()).toBe('computes all rows, and writes those that differ; 0 rows written')

    await sql`insert into app.orders (day) values ('2026-12-25')`
    expect(await down(into)).toEqual(['rebuild'])
    expect(await relations()).toEqual(['v above', 'm daily', 'r orders'])
    expect(await differences(view)).toEqual([])
    expect(await parts()).toEqual(before)
    expect(await rows('app.above')).toEqual(await rows(`(${query}) q`))
    expect(await storage()).toBe('materialized view')
    expect(await lastRun()).toEqual({ status: 'success', fills: true, rows: 12, hasAge: true })
  })

  test('together with materialized views that read it', deep, async () => {
    const into = await start(view)
    await sql.unsafe(`${hung}; create materialized view app.top as select max(n) as n from app.above`)
    const before = await parts()
    await frozen(into, table)
    await sql`insert into app.orders (day) select '2026-11-01' from generate_series(1, 50)`
    expect(await up(into)).toEqual(['rebuild'])
    expect(await parts()).toEqual(before)
    expect(await rows('app.top')).toEqual([{ n: 70 }])
    expect(await down(into)).toEqual(['rebuild'])
    expect(await parts()).toEqual(before)
    expect(await relations()).toEqual(['v above', 'm daily', 'r orders', 'm top'])
  })

  test('with slices, whose log is made after it and goes before it', async () => {
    const into = await start(view)
    const sliced = daily(query, 'table', { slices: { by: 'day' } })
    expect(await frozen(into, sliced)).toEqual(['002_daily', '003_daily_touched'])
    expect(await up(into)).toEqual(['rebuild', 'sql'])
    expect(await differences(sliced)).toEqual([])
    await because()
    await sql`update app.orders set day = '2026-11-02' where id = 4`
    expect(await because()).toMatch(/^computes 2 of about 10 slices of day anew/)
    expect(await frozen(into, view)).toEqual(['004_remove_daily_touched', '005_daily'])
    expect(await up(into)).toEqual(['sql', 'rebuild'])
    expect(await differences(view)).toEqual([])
  })

  test('which nobody may write, or the tables below through its query, whatever default privileges say', async () => {
    const [writer, reader] = ['writes', 'reads'].map((role) => `${role}_${url.slice(-8)}`)
    await sql.unsafe(`
      create role ${writer}; create role ${reader};
      alter default privileges in schema app grant select, insert, update, delete on tables to ${writer}`)
    onTestFinished(
      async () =>
        void (await sql.unsafe(`drop schema app cascade; drop role ${writer}; drop role ${reader}`)),
    )
    const granted = () => sql`
      select relname, grantee::regrole::text as who, string_agg(lower(privilege_type), ', ' order by privilege_type) as what
        from pg_class, aclexplode(relacl) where relnamespace = 'app'::regnamespace and relname ~ '^daily' and relkind <> 'i' and grantee <> relowner
       group by 1, 2 order by 1, 2`
    const simple = (query: string) => daily(query, 'table', { indexes: [] })
    const into = await start({ ...view, sql: 'select day, id from app.orders', indexes: [] })
    await sql.unsafe(`grant all on app.daily to ${reader}`)
    await frozen(into, simple('select day, id from app.orders'))
    expect(await up(into)).toEqual(['rebuild'])
    expect(await granted()).toMatchObject([
      {
        relname: 'daily',
        who: reader,
        what: expect.stringMatching(/^(maintain, )?references, select$/),
      },
      { relname: 'daily', who: writer, what: 'select' },
    ])

    // Other columns: what was granted meanwhile, on the query, too, is carried.
    await sql.unsafe(`grant select on app.daily_query to ${reader}`)
    const next = simple('select day, id, region from app.orders')
    await frozen(into, next)
    const before = await granted()
    expect(await up(into)).toEqual(['rebuild'])
    expect(await granted()).toEqual(before)

    await frozen(into, next, { ...next, name: 'daily_anew' })
    expect(await up(into)).toEqual(['create'])
    expect((await granted()).filter(({ relname }) => /anew/.test(relname))).toEqual([
      { relname: 'daily_anew', who: writer, what: 'select' },
    ])
  })

  test('and is given to another owner at the same moment', deep, async () => {
    const into = await start(view)
    const owner = `converted_${url.slice(-8)}`
    await sql.unsafe(
      `create role ${owner}; grant ${owner} to current_user; grant usage, create on schema app to ${owner}; grant select on app.orders to ${owner}`,
    )
    await frozen(into, daily(query, 'table', { owner }))
    expect(await up(into)).toEqual(['rebuild'])
    expect(
      await sql`select distinct relowner::regrole::text as owner from pg_class where relname in ('daily', 'daily_query')`,
    ).toEqual([{ owner }])
    expect(await because()).toBe('computes all rows, and writes those that differ; 0 rows written')
    expect(await down(into)).toEqual(['rebuild'])
    await sql.unsafe(`drop schema app cascade; drop role ${owner}`)
  })

  eachCase(
    [
      ['materialized view', 'table'],
      ['table', 'materialized view'],
    ],
    { quick: 1 },
  )('under readers that never fail, and wait for no fill: from %s to %s', async (from, to) => {
    await sql.unsafe(`
      create function app.gate() returns int language plpgsql as $$
        begin perform pg_advisory_xact_lock(hashtext('daily')); return 1; end $$`)
    const gated = 'select day, count(*) as n from app.orders, (select app.gate()) s group by day'
    const into = await start(daily(gated, from))
    await sql`create view app.above as select day, n from app.daily`
    await frozen(into, daily(gated, to))
    let isOver = false
    let work: Promise<unknown> | undefined
    const read = async (reader: Sql) =>
      expect(await reader`select count(*)::int as n from app.above`).toEqual([{ n: 10 }])
    const reads = (async () => {
      while (!isOver) await read(sql)
    })()
    const hurried = await sql.reserve()
    await hurried`set lock_timeout = '30s'`
    let fills = 0
    while (!isOver)
      await withGateClosed(sql, 'daily', async () => {
        work ??= up(into).finally(() => {
          isOver = true
        })
        const fill = () => findAtGate(sql, 'daily')
        // Whoever waits for the fill waits until the reader has read.
        if (
          (await until('a fill stands at the gate, or all is done', async () => isOver || (await fill()))) !==
          true
        ) {
          await read(hurried)
          fills++
        }
      })
    await hurried`reset lock_timeout`
    hurried.release()
    await reads
    expect(await work).toEqual(['rebuild'])
    expect(fills).toBeGreaterThan(0)
  })
})

describe('an incremental table gets other columns', () => {
  test('under its readers, and its old ones back', async () => {
    const into = await start(table)
    await sql.unsafe(hung)
    const before = await parts()
    const next = daily(wider, 'table')
    expect(await frozen(into, next)).toEqual(['002_daily'])
    expect(await up(into)).toEqual(['rebuild'])
    expect(await differences(next)).toEqual([])
    expect(await rows('app.daily')).toEqual(await rows(`(${wider}) q`))
    expect(await rows('app.above')).toEqual(await rows(`(select day, n from (${wider}) q) q`))
    expect(await because()).toBe('computes all rows, and writes those that differ; 0 rows written')
    expect(await down(into)).toEqual(['rebuild'])
    expect(await differences(table)).toEqual([])
    expect(await parts()).toEqual(before)
    expect(await rows('app.daily')).toEqual(await rows(`(${query}) q`))
  })
})

describe('is refused before anything is begun', () => {
  eachCase(
    [
      [view, table, 'create view app.daily_query as select 1 as n', /app\.daily_query is there already/],
      [
        table,
        view,
        'create view app.more as select * from app.daily_query',
        /app\.daily_query goes with app\.daily, and these read it: view app\.more/,
      ],
      [
        table,
        view,
        'create table app.child (day date references app.daily (day))',
        /constraint .* on table app\.child depends on it/,
      ],
      [
        table,
        daily('select day from app.orders group by day', 'table'),
        'create view app.above as select n from app.daily',
        /plain view app\.above reads column n of app\.daily, which the new query does not have/,
      ],
      [
        table,
        view,
        `create function app.f() returns trigger language plpgsql as 'begin return new; end'; create trigger t before insert on app.daily for each row execute function app.f()`,
        /it has trigger t/,
      ],
      [
        table,
        view,
        'create policy p on app.daily using (true)',
        /policy p on table app\.daily depends on it/,
      ],
      [table, view, 'alter table app.daily enable row level security', /it has row security/],
      [table, view, 'create publication daily_rows for table app.daily', /publication/],
      [table, view, 'alter table app.daily alter day set not null', /not.null/],
    ],
    { quick: 3 },
  )('a change of what something hangs on that it could not keep', async (from, to, what, because) => {
    const into = await start(from)
    await sql.unsafe(what)
    const before = await relations()
    await expect(frozen(into, to)).rejects.toThrow(because)
    expect(await relations()).toEqual(before)
  })
})
