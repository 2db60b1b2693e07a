import { beforeEach, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { type RefreshRequest, refresh } from '../../../src/run/refresh.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { emptyTables, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { dropKept, makeKept } from '../../support/slices/kept-table.ts'
import { endProcess } from '../../support/views/slow-view.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()
const call = (changes = {}) => callOn(database, changes)
const slices = (from: string, to: string, { by, ...more }: { by?: string } & Partial<RefreshRequest> = {}) =>
  refresh({ view: 'app.daily', slices: { from, to, by }, ...more }, call())
const whole = (view = 'app.daily') => refresh({ view }, call())

beforeEach(async () => {
  await emptyTables(sql, 'definitions')
  await sql.unsafe(`
    drop schema if exists app cascade; create schema app;
    create table app.orders (id int primary key generated always as identity, day date, region text, amount int, at timestamptz default now());
    insert into app.orders (day, region, amount) select case when i % 50 > 0 then date '2026-11-01' + i % 10 end, 'r' || i % 3, i from generate_series(1, 200) i;
    ${makeKept('app.daily', 'select day, count(*) as n, sum(amount) as total from app.orders group by day')};
    create unique index daily_key on app.daily (day); insert into app.daily table app.daily_query; analyze app.daily`)
})

/** The slices in which a view differs from its query. */
const different = async (key = 'day', view = 'app.daily', query = 'app.daily_query') =>
  (
    await sql.unsafe(`select distinct coalesce(${key}::text, 'null') as key from (
      (table ${view} except table ${query}) union all (table ${query} except table ${view})) d order by 1`)
  ).map((row) => row.key)

describe('a refresh by slices', () => {
  test('computes these slices anew, and keeps all other rows', async () => {
    const before = await describeInCatalog(sql, 'app.daily')
    await sql.unsafe(`
      insert into app.orders (day, amount) values ('2026-11-02', 5), (null, 3), ('2026-12-24', 1);
      delete from app.orders where day = '2026-11-03';
      update app.orders set day = '2026-11-01' where day = '2026-11-08' and id % 20 = 7;
      update app.orders set day = day + 1 where day = '2026-11-05'`)
    const changed = ['01', '02', '03', '05', '06', '08'].map((day) => `2026-11-${day}`)
    expect(await different()).toEqual([...changed, '2026-12-24', 'null'])
    expect(await slices('2026-11-01', '2026-11-05')).toMatchObject({ status: 'updated' })
    expect(await different()).toEqual(['2026-11-06', '2026-11-08', '2026-12-24', 'null'])
    expect(await slices('2026-11-08', '2026-12-24', { by: 'day' })).toMatchObject({ status: 'updated' })
    expect(await different()).toEqual(['2026-11-06', 'null'])
    await whole()
    expect(await different()).toEqual([])
    expect(await describeInCatalog(sql, 'app.daily')).toEqual(before)
    expect(await sql`select nspname from pg_namespace where nspname like 'viewkeeper\\_%'`).toEqual([])
  })

  test('says so in its record and its answer, with the values as the server reads them', async () => {
    const result = await slices('1 Nov 2026', '20261107')
    expect(result).toMatchObject({
      request: { view: 'app.daily', slices: { from: '1 Nov 2026', to: '20261107' } },
      response: {
        strategy: 'difference',
        because: expect.stringMatching(
          /^computes 7 of about 1[01] slices of day anew, from 2026-11-01 to 2026-11-07; 0 rows written$/,
        ),
      },
    })
    const { runId: _, ...told } = result
    const [run] = await sql`select meta from viewkeeper.runs where id = ${result.runId}`
    expect(run?.meta.request).toEqual(told.request)
  })

  test('leaves the view as old as its other rows, until all of it is refreshed', async () => {
    const status = async (name: string) =>
      (
        await sql`select as_of, held_back_by, last_success_at > as_of as later from viewkeeper.view_status where name = ${name}`
      )[0]
    await whole()
    const { as_of } = (await status('daily'))!
    await slices('2026-11-01', '2026-11-05')
    expect(await status('daily')).toEqual({ as_of, held_back_by: 'app.daily', later: true })
    await updateRows(sql, 'definitions', { view: 'app.daily' }, { maxStalenessSeconds: 1 })
    await until(
      'it is stale',
      async () => (await sql`select stale from viewkeeper.view_status where name = 'daily'`)[0]?.stale,
    )
    const [why] = (await getWhy(database, 'app.daily', { schedules: unscheduled, typed: null })).causes
    expect(why).toMatchObject({
      code: 'HeldBack',
      text: expect.stringMatching(
        /^app\.daily is as of .*: since then only slices of it were computed anew\.$/,
      ),
    })
    await whole()
    expect(await status('daily')).toMatchObject({ held_back_by: null })
  })

  test('of a view of unknown age leaves its age unknown', async () => {
    await slices('2026-11-01', '2026-11-05')
    expect(await sql`select as_of from viewkeeper.view_status where name = 'daily'`).toEqual([
      { as_of: null },
    ])
  })

  test('is the answer to no other request, nor is another run its answer', async () => {
    await whole()
    await updateRows(sql, 'definitions', {}, { minIntervalSeconds: 3600 })
    const first = await whole()
    expect(first.coalesced).toBe(true)
    const sliced = await slices('2026-11-01', '2026-11-05')
    expect([sliced.status, sliced.coalesced, sliced.runId === first.runId]).toEqual([
      'updated',
      undefined,
      false,
    ])
    expect(await whole()).toMatchObject({ coalesced: true, runId: first.runId })
    await whileLocked(url, 'lock table app.orders', async ({ commit }) => {
      const goesOn = refresh({ view: 'app.daily', force: true }, call())
      await until('it waits', async () => (await waiting()) !== undefined)
      const refused = await slices('2026-11-01', '2026-11-05')
      expect(refused).toMatchObject({
        error: { class: 'AlreadyRunning', hint: expect.stringContaining('only one of both is by slices') },
      })
      await commit()
      expect(await goesOn).toMatchObject({ status: 'updated' })
    })
  })
})

test('slices are of the key of the definition, unless another is named', async () => {
  await sql.unsafe(makeKept('app.tried', 'select day, region from app.orders group by day, region'))
  await whole('app.tried')
  await updateRows(sql, 'definitions', { view: 'app.tried' }, { slices: { by: 'region' } })
  const because = async (by?: string) => {
    const { response } = await refresh({ view: 'app.tried', slices: { from: 'r1', to: 'r2', by } }, call())
    return response.because
  }
  expect(await because()).toContain('slices of region anew, from r1 to r2')
  await expect(because('day')).rejects.toThrow('day of app.tried has type date')
})

describe('is refused before a run is made, with a sentence that says why:', () => {
  const daily = 'select day, count(*) as n, region from app.orders group by day, region'
  const view = (query: string) => makeKept('app.tried', query)
  const cases: { what: string; made?: string; asked?: object; says: string }[] = [
    {
      what: 'a query that does not fall into slices',
      made: view('select day, sum(amount) over (order by day, id) as total from app.orders'),
      says: 'app.tried does not fall into slices of app.orders: day in its query is not in the PARTITION BY of each window, which so goes over several slices',
    },
    {
      what: 'a query with a clock',
      made: view('select day from app.orders where at < now()'),
      says: 'app.tried does not fall into slices: it calls now(), whose result may change although no table does',
    },
    {
      what: 'several columns, and none is named',
      made: view(daily),
      says: 'app.tried falls into slices of day, or of region: say by which, as in --by day.',
    },
    {
      what: 'an unknown column',
      made: view(daily),
      asked: { by: 'month' },
      says: 'app.tried has no column month: app.tried falls into slices of day, or of region.',
    },
    {
      what: 'a column that is no key',
      made: view(daily),
      asked: { by: 'n' },
      says: 'app.tried does not fall into slices of n: app.tried falls into slices of day, or of region.',
    },
    {
      what: 'a key that depends on settings',
      made: view('select at::date as day, count(*) as n from app.orders group by 1'),
      says: 'app.tried is not refreshed by slices of day: settings such as TimeZone decide how it is computed from app.orders.at, and may have been others when the rows were computed that would be kept. Name the zone in the query.',
    },
    {
      what: 'a materialized view',
      made: `create materialized view app.tried as ${daily}`,
      asked: { by: 'day' },
      says: "app.tried is a materialized view, which has no slices: write storage: 'table' into its definition.",
    },
    {
      what: 'a value that is none of its type',
      asked: { from: 'November' },
      says: 'day of app.daily has type date: invalid input syntax for type date: "November".',
    },
    {
      what: 'a value out of range',
      asked: { to: '2026-11-31' },
      says: 'day of app.daily has type date: date/time field value out of range: "2026-11-31".',
    },
    {
      what: 'a range from the end to the beginning',
      asked: { from: '2026-11-05', to: '2026-11-01' },
      says: 'There is no slice from 2026-11-05 to 2026-11-01: the first comes after the second.',
    },
  ]

  eachCase(cases, { quick: 6 })('$what', async ({ made, asked, says }) => {
    if (made !== undefined) await sql.unsafe(made)
    const refused = refresh(
      {
        view: made === undefined ? 'app.daily' : 'app.tried',
        slices: { from: '2026-11-01', to: '2026-11-05', ...asked },
      },
      call(),
    )
    await expect(refused).rejects.toMatchObject({
      code: 'InvalidRequest',
      message: expect.stringContaining(says),
    })
    expect(await sql`select from viewkeeper.runs`).toEqual([])
  })
})

describe('values and names of every kind', () => {
  const hostile = [
    `'); drop table app.orders; --`,
    `'::text) is not true or true --`,
    `'; select 1; --`,
    `$$ $viewkeeper$ %L %s {0}`,
    `E'\\''`,
    `"double" ''single''`,
    'line\nbreak\r\ttab',
    'ünïcödé 日本 \u202e',
    '--',
    '/*',
  ].map((text) => text.replaceAll('\\n', '\n'))

  test('are values and names, and nothing else', async () => {
    await sql.unsafe(`
      create table app."t'; --" ("k""; --" text collate "C", n int, "%s" text);
      ${makeKept(`app."m'; --"`, `select "k""; --" as "it's", "%s" as "c""d", sum(n) as "$1" from app."t'; --" group by 1, 2`)}`)
    const put = (n: number) =>
      Promise.all(hostile.map((text) => sql`insert into app."t'; --" values (${text}, ${n}, ${text})`))
    await put(1)
    await sql.unsafe(`insert into app."m'; --" table app."m'; --_query"`)
    await put(2)
    const rows = () => sql`select "it's" as key, "$1"::int as n from app."m'; --" order by 1`
    const sorted = hostile.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    for (const [at, value] of sorted.entries()) {
      expect(
        await refresh({ view: `app."m'; --"`, slices: { from: value, to: value, by: "it's" } }, call()),
      ).toMatchObject({ status: 'updated' })
      expect(await rows()).toEqual(sorted.map((key, n) => ({ key, n: n <= at ? 3 : 1 })))
    }
    await expect(
      refresh(
        { view: `app."m'; --"`, slices: { from: 'a', to: 'b', by: `"; drop table app.orders; --` } },
        call(),
      ),
    ).rejects.toMatchObject({ code: 'InvalidRequest' })
    expect(await sql`select from app.orders`).toHaveLength(200)
  })

  test('of every type that has slices', deep, async () => {
    const types = [
      ['int', '7', '9'],
      ['bigint', '-1', '5'],
      ['bool', 'false', 'true'],
      ['uuid', '00000000-0000-0000-0000-000000000001', 'ffffffff-0000-0000-0000-000000000001'],
      ['timestamp', '2026-11-01', '2026-11-01 12:00'],
      ['timestamptz', '2026-11-01 00:00+00', '2026-11-02 00:00+05'],
      ['varchar(3)', 'ab', 'abcde'],
      ['name', 'a', 'b'],
      ['app.mood', 'sad', 'happy'],
      ['bytea', '\\x00', '\\xff'],
      ['app.code', 'A', 'B'],
    ] as const
    await sql.unsafe(
      `create type app.mood as enum ('sad', 'happy'); create domain app.code as text collate "C"`,
    )
    for (const [type, from, to] of types) {
      await sql.unsafe(`
        drop table if exists app.typed cascade; create table app.typed (k ${type}); insert into app.typed values (null), ('${from}');
        ${dropKept('app.counted')}; ${makeKept('app.counted', 'select k, count(*) as n from app.typed group by k')}; insert into app.counted table app.counted_query;
        insert into app.typed values (null), ('${from}')`)
      expect([type, (await refresh({ view: 'app.counted', slices: { from, to } }, call())).error]).toEqual([
        type,
        undefined,
      ])
      expect([type, await different('k', 'app.counted', 'app.counted_query')]).toEqual([type, ['null']])
    }
  })

  describe('in a database that is not in Unicode', () => {
    const latin1 = useDatabase({ encoding: 'LATIN1' })

    test('are refused before a run is made, if it has no such character', async () => {
      await latin1.sql.unsafe(`
        create table t (k text); insert into t values ('é');
        ${makeKept('m', 'select k, count(*) as n from t group by k')}; insert into m table m_query; insert into t values ('é')`)
      const by = (value: string) =>
        refresh({ view: 'm', slices: { from: value, to: value } }, callOn(latin1.database))
      expect(await by('é')).toMatchObject({ status: 'updated' })
      expect(await latin1.sql`select n::int from m`).toEqual([{ n: 2 }])
      await expect(by('日')).rejects.toThrow(
        'from: the database cannot store "日", because its encoding is LATIN1.',
      )
    })
  })
})

describe('a refresh by slices that is not made', () => {
  const state = async () => ({
    catalog: [await describeInCatalog(sql, 'app.daily'), await describeInCatalog(sql, 'app.daily_query')],
    oids: await sql`select 'app.daily'::regclass::oid::int as m, 'app.daily_query'::regclass::oid::int as v`,
    rows: await sql`select * from app.daily order by 1`,
    schemas: await sql`select nspname from pg_namespace where nspname like 'viewkeeper\\_%'`,
  })

  const killed = async (found: () => Promise<number | undefined>) => {
    const before = await state()
    const ended = slices('2026-11-01', '2026-11-05').catch((error) => error)
    await endProcess(sql, await until('it is there', found))
    await ended
    expect(await state()).toEqual(before)
  }

  test('because its process is killed while it computes rows changes nothing', async () => {
    await sql.unsafe(`
      create or replace view app.daily_query as select day, count(*) as n, sum(amount) as total from app.orders, generate_series(1, amount) group by day;
      insert into app.orders (day, amount) select '2026-11-02', 20000000 from generate_series(1, 20)`)
    await killed(() => running('building'))
    await sql`delete from app.orders where amount = 20000000`
    expect(await slices('2026-11-01', '2026-11-10')).toMatchObject({ status: 'updated' })
    expect(await different()).toEqual(['null'])
  })

  test('because the query fails changes nothing', async () => {
    await sql.unsafe(`
      create or replace view app.daily_query as select day, count(*) as n, sum(100 / amount) as total from app.orders group by day;
      insert into app.orders (day, amount) values ('2026-11-02', 0)`)
    const before = await state()
    expect(await slices('2026-11-01', '2026-11-05')).toMatchObject({
      error: { class: 'ViewSqlFailed', sqlstate: '22012' },
    })
    expect(await state()).toEqual(before)
    expect(await slices('2026-11-03', '2026-11-05')).toMatchObject({ status: 'updated' })
  })
})

/** The process of a run in this phase. */
const running = async (phase: string): Promise<number | undefined> =>
  (
    await sql`select pid from pg_stat_activity where application_name like ${`viewkeeper run % ${phase}`} and datname = current_database()`
  )[0]?.pid

/** The process of a run that waits for a lock. */
const waiting = async (): Promise<number | undefined> =>
  (
    await sql`select pid from pg_stat_activity where application_name like 'viewkeeper run %' and wait_event_type = 'Lock' and datname = current_database()`
  )[0]?.pid
