import { beforeEach, describe, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { emptyTables, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { daily, useDaily } from '../../support/slices/daily.ts'
import { makeKept } from '../../support/slices/kept-table.ts'

const { database, sql } = useDatabase()

const { planned, make, refreshed, slicesRefreshed } = useDaily({ database, sql }, 'k')
const log = 'viewkeeper_logs."app.daily_0"'

/** Ten orders, at noon of ten days in three months, in a table of its own time types. */
beforeEach(async () => {
  await emptyTables(sql, 'definitions')
  await sql.unsafe(`
    drop schema if exists app, types, viewkeeper_logs cascade; create schema app; create domain app.stamp as timestamp(0);
    create table app.orders (id int primary key, at timestamp, tz timestamptz, day date, stamp app.stamp, product_id int, zone text default 'UTC', amount int not null default 1);
    insert into app.orders select i, d, d at time zone 'UTC', d, d, i from generate_series(1, 10) i, lateral (select timestamp '2026-01-20 12:00' + i * interval '5 days') t(d);
    create table app.products (id int primary key, name text); insert into app.products select i, 'p' || i from generate_series(1, 10) i;
    create index on app.orders (product_id)`)
})

const counting = (key: string, where = 'true') =>
  `select ${key} as k, count(*) as n, sum(amount) as amount from app.orders where ${where} group by 1`

/** How many slices a refresh computes after a change, or that it computes all. */
async function computes(change: string): Promise<number | 'all'> {
  const own = await sql.reserve()
  try {
    await own.unsafe(change)
  } finally {
    await own.unsafe('reset all')
    own.release()
  }
  // How long refreshes of so few rows took decides nothing.
  await updateRows(sql, 'runs', {}, { meta: sql`meta #- '{response,fillMs}'` })
  return slicesRefreshed(/^computes all /)
}

/** Sessions of writers whose settings name zones, and write times, in their own way. */
const settings = [
  "set timezone = 'Asia/Tokyo'; set datestyle = 'SQL, DMY'; set timezone_abbreviations = 'Australia'",
  "set timezone = '<EUROPE/BERLIN>-11'; set datestyle = 'German'",
  "set timezone = 'UTC+11'",
]

describe('a key that is computed from a time', () => {
  eachCase<readonly [key: string, moved?: number]>(
    [
      ["date_trunc('day', at)"],
      ["date_trunc('MONTH', at)", 1],
      ['at::date'],
      ['day::timestamp'],
      ["date_trunc('week', day::timestamp)::date"],
      ["(tz at time zone 'utc')::date"],
      ["tz at time zone 'Europe/Berlin'"],
      ["date_trunc('day', tz at time zone 'Europe/Berlin') at time zone 'Europe/Berlin'"],
      ["date_trunc('hour', timezone('America/Argentina/Buenos_Aires', tz))"],
      ["date_trunc('day', tz, 'Europe/Berlin')"],
      ["date_trunc('hour', tz, 'UTC')"],
    ],
    { quick: 5 },
  )('has a log: %s', async (key, moved = 2) => {
    const { tables } = await make(counting(key))
    expect(tables).toMatchObject([{ key: { computed: expect.stringContaining('pg_catalog.') } }])
    const other = (id: number) => `at, tz, day, stamp from app.orders where id = ${id}`
    for (const setting of ['select 1', ...settings]) {
      const within = (change: string) => computes(`${setting}; ${change}`)
      expect(await within(`insert into app.orders (id, at, tz, day, stamp) select 11, ${other(3)}`)).toBe(1)
      expect(
        await within(`update app.orders set (at, tz, day, stamp) = (select ${other(6)}) where id = 7`),
      ).toBe(moved)
      expect(
        await within(`update app.orders set (at, tz, day, stamp) = (select ${other(1)}) where id = 7`),
      ).toBeGreaterThanOrEqual(2)
      expect(
        await within('update app.orders set at = null, tz = null, day = null, stamp = null where id = 8'),
      ).toBe(2)
      expect(await within('update app.orders set amount = amount + 1 where id = 8')).toBe(1)
      expect(await within('delete from app.orders where id in (8, 11)')).toBe(2)
      expect(await within('update app.orders set amount = 2 where false')).toBe(0)
      expect(
        await within(
          `insert into app.orders (id, at, tz, day, stamp) select 8, '2026-02-28 12:00', '2026-02-28 12:00+00', '2026-02-28', '2026-02-28 12:00'`,
        ),
      ).toBe(1)
      expect(
        await within(
          `update app.orders set (at, tz, day, stamp) = (select at + interval '5 days', tz + interval '5 days', day + 5, stamp + interval '5 days' from app.orders where id = 6) where id = 7`,
        ),
      ).toBeGreaterThanOrEqual(2)
    }
  })

  eachCase(
    [
      ["date_trunc('day', tz)", 'as settings say: name the zone'],
      ['tz::date', 'as settings say: name the zone'],
      ["date_trunc('day', day)", 'as settings say: name the zone'],
      ["date_trunc('day', tz, 'IST')", 'otherwise than by date_trunc'],
      ["date_trunc('day', tz, zone)", 'none of its columns is computed from one column of app.orders alone'],
      ["tz at time zone 'IST'", 'otherwise than by date_trunc'],
      ["tz at time zone 'EST5EDT'", 'otherwise than by date_trunc'],
      ["tz at time zone 'Ü/ü'", 'otherwise than by date_trunc'],
      ["tz at time zone interval '1 h'", 'otherwise than by date_trunc'],
      ["date_trunc('fortnight', at)", 'otherwise than by date_trunc'],
      ["date_trunc('day', at + interval '1 h')", 'otherwise than by date_trunc'],
      ['date_trunc(null, at)', 'otherwise than by date_trunc'],
      ['day + 1', 'otherwise than by date_trunc'],
      ["date_trunc('day', stamp)", 'otherwise than by date_trunc'],
      [
        'coalesce(at, tz at time zone zone)',
        'none of its columns is computed from one column of app.orders alone',
      ],
    ],
    { quick: 4 },
  )('has none: %s', async (key, because) => {
    await sql.unsafe(makeKept('app.daily', counting(key)))
    await expect(planned()).rejects.toThrow(because)
  })

  test('is found by an index of its expression', async () => {
    await make(counting("date_trunc('day', at)"))
    await sql.unsafe("create index by_day on app.orders (date_trunc('day', at)); analyze app.orders")
    const plan = await sql.begin(async (own) => {
      await own`set local enable_seqscan = off`
      return own`explain select * from app.daily_query where k = any (array(select at from app.orders where id < 3))`
    })
    expect(JSON.stringify(plan)).toContain('by_day')
  })

  test('may be equal to a column of something else', async () => {
    await sql.unsafe(
      "create table app.days (day date primary key); insert into app.days select date '2026-01-21' + i from generate_series(1, 40) i",
    )
    await make(
      'select d.day as k, count(o.id) as n from app.days d left join app.orders o on o.at::date = d.day group by d.day',
    )
    expect(await computes("update app.orders set at = at + interval '1 day' where id = 3")).toBe(2)
    expect(await computes("insert into app.days values ('2030-01-01')")).toBe(1)
  })

  test('may stand below, and in branches of a union', deep, async () => {
    await make(
      `with o as (select date_trunc('day', at) as day, amount from app.orders), few as (select day, amount from o where amount < 9)
       select day::date as k, sum(amount) as n from few group by 1 union all select day::date, 0 from few where amount > 5`,
    )
    expect(await computes('update app.orders set amount = 7 where id in (3, 4)')).toBe(2)
  })

  test('notes no more than a refresh reads', deep, async () => {
    await make(counting('at::date'))
    const insert =
      "insert into app.orders (id, at) select 100 + i, timestamp '2000-01-01' + i * interval '1 day' from generate_series(1, 12000) i"
    await sql.unsafe(insert)
    expect(await sql.unsafe(`select count(*)::int as n from ${log}`)).toEqual([{ n: 10_001 }])
    expect(await computes('select 1')).toBe('all')
  })
})

describe('no writer fails', () => {
  eachCase(
    [
      [
        "tz at time zone 'Asia/Tokyo'",
        "insert into app.orders (id, tz) values (11, '294276-12-31 23:59:59+00')",
      ],
      [
        "(tz at time zone 'America/New_York')::date",
        "insert into app.orders (id, tz) values (11, '4714-11-24 00:00:00+00 BC')",
      ],
      ["date_trunc('millennium', at)", "update app.orders set at = '4714-11-24 BC' where id = 3"],
      ["date_trunc('week', day::timestamp)", "insert into app.orders (id, day) values (11, '5874897-12-31')"],
    ],
    { quick: 2 },
  )('over a value of which %s cannot be computed: all slices are', async (key, change) => {
    await make(
      counting(
        key,
        "at between '2000-01-01' and '2100-01-01' and tz < '2100-01-01' and tz > '2000-01-01' and day < '2100-01-01'",
      ),
    )
    expect(await computes(change)).toBe('all')
    expect(await computes('update app.orders set amount = 2 where id = 4')).toBe(1)
    await sql`delete from app.orders where id in (3, 11)`
  })

  test('over infinity, which is a slice', async () => {
    await make(counting("(tz at time zone 'Asia/Tokyo')::date"))
    expect(await computes("insert into app.orders (id, tz) values (11, 'infinity'), (12, '-infinity')")).toBe(
      2,
    )
    expect(await computes('update app.orders set amount = 2 where id > 10')).toBe(2)
  })

  test('over a zone that the server does not know any more', async () => {
    await make(counting("date_trunc('day', tz at time zone 'Europe/Berlin')"))
    const [{ source }] = await sql<[{ source: string }]>`
      select pg_get_functiondef(${`${log}()`}::regprocedure) as source`
    await sql.unsafe(source.replaceAll('Europe/Berlin', 'Europe/Atlantis'))
    await sql`update app.orders set amount = 2 where id = 4`
    expect(await sql.unsafe(`select k, whole from ${log}`)).toEqual([{ k: null, whole: true }])
    expect(await refreshed()).toContain('of the log is not as freeze made it')
  })

  eachCase(
    [
      ['alter table app.orders rename at to found'],
      ['alter table app.orders rename at to found; alter table app.orders add at json'],
      ['alter table app.orders rename at to found; alter table app.orders add at interval'],
      [
        "alter table app.orders rename at to found; alter table app.orders add at timestamptz default '2026-01-01'",
      ],
      ['alter table app.orders rename at to found; alter table app.orders add at date'],
    ],
    { quick: 2 },
  )('over a column that is another one: %s', async (change) => {
    await make(counting("date_trunc('day', at)"))
    expect(await computes(`${change}; update app.orders set amount = 7 where id = 5`)).toBe('all')
    for (const write of [
      "insert into app.orders (id, day) values (12, '2026-01-01')",
      'update app.orders set amount = amount + 1 where false',
      'delete from app.orders where id = 6',
    ])
      expect(await computes(write)).toBe('all')
  })

  test('and calls no cast that the owner of a type has made', async () => {
    await make(counting("date_trunc('day', at)"))
    await sql.unsafe(`
      create schema types; create table types.loot (who name); create type types.kind as enum ('a', 'b');
      create function types.loot(int) returns int language plpgsql as $$ begin insert into types.loot values (current_user); return 1; end $$;
      create function types.stamp(types.kind) returns timestamp language sql as $$ select timestamp '2026-01-01' + types.loot(1) * interval '1 day' $$;
      create cast (types.kind as timestamp) with function types.stamp(types.kind) as implicit;
      alter table app.orders rename at to found; alter table app.orders add at types.kind`)
    expect(await computes("update app.orders set at = 'a', amount = 3")).toBe('all')
    expect(await sql`table types.loot`).toEqual([])
  })

  test('and casts no array of another type, even if a statement has no rows', async () => {
    await sql`alter table app.orders add text text`
    await make('select text as k, count(*) as n from app.orders group by 1')
    await sql.unsafe(`
      create schema types; create table types.loot (who name); create type types.kind as enum ('a', 'b');
      create function types.loot(types.kind[]) returns text[] language plpgsql as $$ begin insert into types.loot values (current_user); return '{}'; end $$;
      create cast (types.kind[] as text[]) with function types.loot(types.kind[]) as assignment;
      drop view app.daily_query; alter table app.orders alter text type types.kind using 'a'`)
    await sql`update app.orders set amount = 3 where false`
    await sql`update app.orders set amount = 3`
    expect(await sql`table types.loot`).toEqual([])
    await sql.unsafe(`drop cast (types.kind[] as text[])`)
  })
})

test('a time that the query itself cannot compute, or another TimeZone, puts no log of plain keys out of use', async () => {
  await sql`alter table app.orders add text text default '2026-01-01'`
  const query =
    "select id as k, max(d) as d from (select id, to_date(text, 'YYYY-MM-DD') as d from app.orders) o group by 1"
  await make(query)
  await sql`update app.orders set text = '2026-02-30' where id = 4`
  expect(await refresh({ view: 'app.daily' }, callOn(database))).toMatchObject({
    error: { sqlstate: '22008' },
  })
  await sql`update app.orders set text = '2026-02-28' where id = 4`
  expect(await computes('update app.orders set amount = 7 where id = 5')).toBe(2)
  const [{ name }] = await sql<[{ name: string }]>`select current_database() as name`
  await sql`alter database ${sql(name)} set timezone = 'UTC+3'`
  await refresh({ view: 'app.daily' }, callOn(database))
  expect(await computes('update app.orders set amount = 8 where id = 5')).toBe(1)
  await sql`alter database ${sql(name)} reset timezone`
})

test('a generated key is none where a partition has its columns in other places: the server shows an inserted row without it', async () => {
  await sql.unsafe(`
    create table app.parts (id int, at timestamp, k date generated always as (at::date) stored) partition by list (id);
    create table app.one partition of app.parts for values in (1);
    create table app.two (k date generated always as (at::date) stored, gone int, at timestamp, id int); alter table app.two drop gone;
    insert into app.parts select 1, timestamp '2026-02-01' + i * interval '1 day' from generate_series(1, 9) i`)
  const log = await make('select k, count(*) as n from app.parts group by k')
  const insert = (id: number) => computes(`insert into app.parts values (${id}, '2026-03-0${id}')`)
  expect(await insert(1)).toBe(1)
  await sql`alter table app.parts attach partition app.two for values in (2)`
  // As freeze would, if the layout did not matter.
  for (const statement of [dropLog(daily), ...makeLog(log)]) await sql.unsafe(statement)
  expect(await insert(2)).toBe('all')
  expect(await insert(2)).toBe('all')
  await expect(planned()).rejects.toThrow(
    'app.parts.k is generated, and app.two has its columns in other places',
  )
})

test('a key that a parent of its table lacks is no variable of the trigger', async () => {
  await sql.unsafe(`create table app.parent (id int); create table app.child (found boolean) inherits (app.parent);
    insert into app.child values (1, true), (2, false), (3, null)`)
  await make('select found as k, count(*) as n, sum(id) as ids from app.child group by 1')
  expect(await computes('update app.parent set id = id + 10 where id = 1')).toBe('all')
  expect(await computes('update app.child set id = id + 10 where id = 3')).toBe(1)
  expect(await computes('update app.parent set id = id + 10 where false')).toBe(0)
})

describe('all slices are computed', () => {
  test('after a refresh by the log met a time that the query leaves out, until the log is made anew', async () => {
    await sql`create table app.good as select id from app.orders`
    const log = await make(
      "select (o.tz at time zone 'Asia/Tokyo')::date as k, count(*) as n from app.orders o join app.good g on g.id = o.id group by 1",
    )
    expect(await computes("insert into app.orders (id, tz) values (11, '294276-12-31 23:59:59+00')")).toBe(
      'all',
    )
    await sql`update app.orders set tz = tz + interval '1 day' where id = 4`
    expect(await refresh({ view: 'app.daily' }, callOn(database))).toMatchObject({
      error: { sqlstate: '22008' },
    })
    expect(await refreshed()).toContain('a time beyond the range of its type')
    expect(await computes("update app.orders set tz = tz + interval '1 day' where id = 5")).toBe('all')
    await sql`delete from app.orders where id = 11`
    const slices = { from: '2026-01-01', to: '2026-01-02' }
    expect(await refresh({ view: 'app.daily', slices }, callOn(database))).toMatchObject({
      status: 'updated',
    })
    expect(await refreshed()).toContain('a time beyond the range of its type')
    for (const statement of [dropLog(daily), ...makeLog(log)]) await sql.unsafe(statement)
    expect(await computes("update app.orders set tz = tz + interval '1 day' where id = 6")).toBe('all')
    expect(await computes("update app.orders set tz = tz + interval '1 day' where id = 7")).toBe(2)
  })

  test('by a login whose TimeZone may give another meaning to names of zones', async () => {
    await make(counting("(tz at time zone 'utc')::date"))
    const [{ name }] = await sql<[{ name: string }]>`select current_database() as name`
    for (const zone of ['UTC+3', '<EUROPE/BERLIN>-11', 'XYZ-5UTC,M1.1.0,M12.5.0', 'ASIA/TOKYO-5']) {
      await sql`alter database ${sql(name)} set timezone = ${sql.unsafe(`'${zone}'`)}`
      const because = async () => (await refresh({ view: 'app.daily' }, callOn(database))).response?.because
      expect(await because()).toContain(`TimeZone ${zone}`)
      expect(await because()).toContain(`TimeZone ${zone}`)
    }
    await sql`alter database ${sql(name)} reset timezone`
  })
})

describe('a computed key and', () => {
  const query = `select date_trunc('day', o.at) as k, max(p.name) as name, count(*) as n from app.orders o left join app.products p on p.id = o.product_id group by 1`

  test('another table: a change touches the slices that join it', async () => {
    await make(query)
    expect(await computes("update app.products set name = 'x' where id in (3, 4)")).toBe(2)
    await sql`update app.orders set product_id = 3 where id > 8`
    expect(await computes("update app.products set name = 'y' where id = 3")).toBe(3)
    expect(await computes('delete from app.products where id = 3')).toBe(3)
  })

  test('a record in which somebody has written other SQL: it is not executed', deep, async () => {
    await make(query)
    const other = `"(select timestamp '2026-01-01' from %s)"`
    const meta = sql`jsonb_set(meta, '{response,slices,joins,0,computed}', ${other}::text::jsonb)`
    await updateRows(sql, 'runs', {}, { meta })
    expect(await computes("update app.products set name = 'x' where id = 3")).toBe('all')
  })

  eachCase(["date_trunc('week', at)", "date_trunc('day', at + interval '1 h')"], { quick: 1 })(
    'another query: the log is not used: %s',
    async (key) => {
      await make(counting("date_trunc('day', at)"))
      await sql.unsafe(`create or replace view app.daily_query as ${counting(key)}`)
      expect(await computes('update app.orders set amount = 7 where id = 5')).toBe('all')
      expect(await refreshed()).toContain('its change log is not used')
    },
  )

  test('another zone of its function: the log is not used', async () => {
    await make(counting("date_trunc('day', tz at time zone 'Europe/Berlin')"))
    await sql.unsafe(`alter function ${log}() set timezone = 'Asia/Tokyo'`)
    expect(await refreshed()).toContain('of the log is not as freeze made it')
  })
})
