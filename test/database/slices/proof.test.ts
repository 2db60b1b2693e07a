import { beforeAll, describe, expect, test } from 'vitest'
import { readSlices } from '../../../src/slices/slices.ts'
import { eachCase } from '../../support/deep.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { fillBySlices, fillWhole, tables } from '../../support/slices/by-hand.ts'

const { database, sql } = useDatabase()

beforeAll(() =>
  sql.unsafe(`${tables}
    create view app.daily as select day, count(*) as n from app.orders group by day;
    create function app.orders_of(integer) returns bigint language sql stable as 'select count(*) from app.orders where customer = $1';
    create collation app.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`),
)

/** What the proof says of a view with this query and app.orders. */
async function proofOf(query: string) {
  await sql.unsafe(
    `drop materialized view if exists app.tried; create materialized view app.tried as ${query}`,
  )
  const [{ oid }] = (await sql`select 'app.tried'::regclass::oid::int8 as oid`) as unknown as [
    { oid: number },
  ]
  const [found] = await database.withConnection((own) => readSlices(own, [{ oid, view: 'app.tried' }]))
  return found
}

const inserted = `insert into app.orders (id, day, shipped, customer, amount, price, code) values (1000, '2026-03-03', '2026-03-09', 3, 100, 1.00, 'A')`
/** The first order of a customer. */
const first = `insert into app.orders (id, day, customer) values (1000, '2026-03-03', 5)`

describe('a query is refused by slices, and would be wrong by them:', () => {
  const refused: {
    rule: string
    query: string
    by?: string
    key?: string
    write?: string
    because: string
  }[] = [
    {
      rule: 'a limit',
      query: 'select day, amount from app.orders order by amount desc limit 3',
      because: 'its query has a LIMIT or an OFFSET, which counts the rows of all slices',
    },
    {
      rule: 'an offset below',
      query:
        'select day, count(*) as n from (select day from app.orders order by amount desc offset 3) top group by day',
      because: 'its subquery top has a LIMIT or an OFFSET, which counts the rows of all slices',
    },
    {
      rule: 'a limit for each row of another table',
      query:
        'select last.day, count(*) as n from app.customers c, lateral (select o.day from app.orders o where o.customer % 5 = c.id % 5 order by amount desc limit 1) last group by last.day',
      because: 'its subquery last has a LIMIT or an OFFSET, which counts the rows of all slices',
    },
    {
      rule: 'one row for all',
      query: 'select max(day) as day, count(*) as n from app.orders',
      write: `insert into app.orders (id, day) values (1000, '2026-03-02')`,
      because: 'its query aggregates without GROUP BY, over all slices',
    },
    {
      rule: 'a limit in a WITH that another one with a comma in its name is not',
      query:
        'with "top,days" as (select day, amount from app.orders), "top\u00a0days" as (select day, amount from app.orders order by amount desc limit 3) select * from "top\u00a0days"',
      because: 'its WITH top\u00a0days has a LIMIT or an OFFSET, which counts the rows of all slices',
    },
    {
      rule: 'totals over slices',
      query: 'select day, customer, count(*) as n from app.orders group by rollup (day, customer)',
      because: 'its query has GROUPING SETS, ROLLUP or CUBE, whose totals are over several slices',
    },
    {
      rule: 'a running window',
      query: 'select day, sum(amount) over (order by day, id) as total from app.orders',
      because:
        'day in its query is not in the PARTITION BY of each window, which so goes over several slices',
    },
    {
      rule: 'a window by something else, beside one by the key',
      query:
        'select day, count(*) over (partition by day) as n, rank() over (partition by customer order by amount desc, id) as place from app.orders',
      because:
        'day in its query is not in the PARTITION BY of each window, which so goes over several slices',
    },
    {
      rule: 'a window over the groups',
      query:
        'with daily as (select day, sum(amount) as total from app.orders group by day) select day, total / sum(total) over () as share from daily',
      because:
        'day in its query is not in the PARTITION BY of each window, which so goes over several slices',
    },
    {
      rule: 'a choice among the rows of several slices',
      query: 'select distinct on (customer) day, amount from app.orders order by customer, amount desc, id',
      because: 'day in its query is not in its DISTINCT ON, which so chooses among several slices',
    },
    {
      rule: 'a table that is joined with itself',
      query:
        'select o.day, count(*) as n from app.orders o join app.orders other on other.customer = o.customer group by o.day',
      because: 'its query joins app.orders with itself, so a row meets those of other slices',
    },
    {
      rule: 'a WITH that is read twice',
      query:
        'with o as (select * from app.orders) select one.day, count(*) as n from o one join o two on two.customer = one.customer group by one.day',
      because: 'its query joins app.orders with itself, so a row meets those of other slices',
    },
    {
      rule: 'a table beside a plain view of it',
      query: 'select o.day, d.n from app.orders o, app.daily d where d.day = o.day + 1',
      because: 'its query joins app.orders with itself, so a row meets those of other slices',
    },
    {
      rule: 'a comparison with all rows',
      query: 'select day, amount from app.orders where amount >= (select max(amount) from app.orders)',
      because: 'its query reads app.orders in a subquery of an expression, which sees all slices',
    },
    {
      rule: 'an anti-join',
      query:
        'select day, id from app.orders o where not exists (select from app.orders x where x.customer = o.customer and x.amount > o.amount)',
      because: 'its query reads app.orders in a subquery of an expression, which sees all slices',
    },
    {
      rule: 'a subquery in GROUP BY',
      query:
        'select day, (select count(*) from app.orders) as all_orders, count(*) from app.orders group by day, (select count(*) from app.orders)',
      write: `insert into app.orders (id, day) values (1000, '2030-01-01')`,
      because: 'its query reads app.orders in a subquery of an expression, which sees all slices',
    },
    {
      rule: 'a subquery in the arguments of a function in FROM',
      query: 'select o.day, g from app.orders o, generate_series(1, (select count(*) from app.daily)) g',
      write: `insert into app.orders (id, day) values (1000, '2030-01-01')`,
      because: 'its query reads app.orders in a subquery of an expression, which sees all slices',
    },
    {
      rule: 'the side of an outer join that has nulls without a match',
      write: first,
      query:
        'select o.day, count(*) as n from app.customers c left join app.orders o on o.customer = c.id group by o.day',
      because:
        'its query has app.orders on the side of an outer join that is null without a match, which depends on all slices',
    },
    {
      rule: 'that side, although another column is equal to the key in it',
      write: first,
      query:
        'select k.day, count(*) as n from (app.orders o join app.calendar k on k.day = o.day) right join app.customers c on c.id = o.customer group by k.day',
      because: 'none of its columns is computed from one column of app.orders alone',
    },
    {
      rule: 'a full join',
      write: first,
      query: 'select o.day, c.id from app.orders o full join app.customers c on c.id = o.customer',
      because:
        'its query has app.orders on the side of an outer join that is null without a match, which depends on all slices',
    },
    {
      rule: 'branches with different keys',
      query: 'select day, 1 as n from app.orders union all select shipped, 2 from app.orders',
      because: 'column 1 of its query is computed from app.orders in different ways by its branches',
    },
    {
      rule: 'a recursive WITH',
      query: `with recursive below as (
          select day, id from app.orders where parent is null union all select b.day, o.id from below b join app.orders o on o.parent = b.id)
        select day, count(*) as n from below group by day`,
      write: 'update app.orders set parent = 5 where id = 6',
      because: 'its query reads app.orders in a recursive WITH, which goes from slice to slice',
    },
    {
      rule: 'a key of many values for one row',
      query: 'select unnest(array[day, day + 1]) as day, count(*) as n from app.orders group by 1',
      because: 'none of its columns is computed from one column of app.orders alone',
    },
    {
      rule: 'a key of two columns',
      query: 'select greatest(day, shipped) as day, count(*) as n from app.orders group by 1',
      because: 'none of its columns is computed from one column of app.orders alone',
    },
    {
      rule: 'an aggregate as the key',
      query: 'select max(day) as day, count(*) as n from app.orders group by customer * amount',
      write: `insert into app.orders (id, day, customer, amount) values (1000, '2026-03-01', 3, 8)`,
      because: 'none of its columns is computed from one column of app.orders alone',
    },
    {
      rule: 'a key that a union casts',
      query: 'select day from app.orders union all select null::timestamptz',
      key: 'day::timestamptz',
      write: `set timezone to 'Pacific/Auckland'; insert into app.orders (id, day) values (1000, '2026-05-05')`,
      because: 'column 1 of its query has different types or collations in its branches',
    },
    {
      rule: 'a key that a union casts after another union',
      query: 'select day from app.orders union all select null::date union all select null::timestamptz',
      key: 'day::timestamptz',
      write: `set timezone to 'Pacific/Auckland'; insert into app.orders (id, day) values (1000, '2026-05-05')`,
      because: 'column 1 of its query has different types or collations in its branches',
    },
    {
      rule: 'equal numbers that look different',
      query:
        'select scale(price) as price, n from (select price, count(*) as n from app.orders group by price) priced',
      by: 'price',
      key: 'scale(price)',
      because: 'price in its subquery priced has a type of which equal values can look different',
    },
    {
      rule: 'texts that a collation takes for equal',
      query: `select code collate "C" as code, n from (select code collate app.ci as code, count(*) as n from app.orders group by 1) coded`,
      by: 'code',
      key: 'code',
      because: 'code in its subquery coded has a collation that takes different texts for equal',
    },
    {
      rule: 'a union under such a collation',
      query: `select code collate "C" as code from (select code from app.orders except all select 'a' collate app.ci) coded`,
      by: 'code',
      key: 'code',
      because: 'column 1 of its subquery coded has different types or collations in its branches',
    },
  ]
  eachCase(refused, { quick: 12 })(
    '$rule',
    async ({ query, by = 'day', key = 'day', write = inserted, because }) => {
      expect(await proofOf(query)).toMatchObject({
        because: null,
        tables: expect.arrayContaining([{ table: 'app.orders', slices: [], because }]),
      })
      expect(await wrong(query, by, key, write)).toBeGreaterThan(0)
    },
  )

  const unknown: { rule: string; query: string; write?: string; because: string }[] = [
    {
      rule: 'a clock',
      query: 'select day, max(clock_timestamp()) as at from app.orders group by day',
      because: 'it calls clock_timestamp(), whose result may change although no table does',
    },
    {
      rule: 'a function of somebody',
      query: 'select day, id, app.orders_of(customer) as n from app.orders',
      because: 'it calls app.orders_of(integer), and nobody knows what that reads',
    },
    {
      rule: 'a sample',
      query: 'select day, id from app.orders tablesample bernoulli (50)',
      because: 'its query has a TABLESAMPLECLAUSE, which is not known to depend only on what it reads',
    },
    {
      rule: 'the place of a row',
      query: 'select day, id, ctid::text as place from app.orders',
      write: `update app.orders set amount = amount; ${inserted}`,
      because: 'it uses tid, which is not known to depend only on what it reads',
    },
    {
      rule: 'the catalog',
      query: `select o.day, o.id, s.n from app.orders o, (select count(*) as n from pg_catalog.pg_constraint) s`,
      write: `alter table app.orders add constraint positive check (id > 0); ${inserted}`,
      because: `it reads pg_constraint, which is the server's own`,
    },
  ]
  eachCase(unknown, { quick: 4 })('$rule', async ({ query, write = inserted, because }) => {
    expect(await proofOf(query)).toEqual({ view: 'app.tried', because, tables: [] })
    expect(await wrong(query, 'day', 'day', write)).toBeGreaterThan(0)
  })

  test('a table that has its rows, too', async () => {
    await sql.unsafe(
      'create table app.every_order (like app.orders); alter table app.orders inherit app.every_order',
    )
    const query =
      'select o.day, count(*) as n from app.orders o join app.every_order e on e.customer = o.customer group by o.day'
    expect((await proofOf(query))?.tables.map(({ because }) => because).toSorted()).toEqual([
      'it also reads app.every_order, which has rows of app.orders',
      'it also reads app.orders, which has rows of app.every_order',
    ])
    expect(await wrong(query, 'day', 'day', inserted)).toBeGreaterThan(0)
    await sql.unsafe('drop materialized view app.tried; alter table app.orders no inherit app.every_order')
  })

  test('rows that a policy hides by what is in other slices', async () => {
    await sql.unsafe(`
      create role watcher; grant create on schema public to watcher; grant usage on schema app to watcher;
      create table app.guarded as table app.customers; alter table app.guarded enable row level security;
      create policy few on app.guarded using ((select sum(amount) from app.orders) < 900); grant all on all tables in schema app to watcher`)
    const query =
      'select o.day, count(*) as n from app.orders o join app.guarded g on g.id = o.customer group by o.day'
    expect(await proofOf(query)).toMatchObject({
      because:
        'it reads app.guarded, which is no view and no logged table of the server without row security',
    })
    expect(await wrong(query, 'day', 'day', inserted, 'watcher')).toBeGreaterThan(0)
    await sql.unsafe('drop owned by watcher; drop role watcher')
  })

  test('an unlogged table, which a crash empties', async () => {
    await sql.unsafe('create unlogged table app.loose (day date)')
    expect(await proofOf('select day, count(*) as n from app.loose group by day')).toMatchObject({
      because: 'it reads app.loose, which is no view and no logged table of the server without row security',
    })
    await sql.unsafe('drop materialized view if exists app.tried; drop table app.loose')
  })

  test('a foreign table', async () => {
    await sql.unsafe(
      `create foreign data wrapper far; create server far foreign data wrapper far; create foreign table app.far (day date) server far`,
    )
    expect(
      await proofOf('select o.day from app.orders o join app.far f using (day) with no data'),
    ).toMatchObject({
      because: 'it reads app.far, which is a foreign table',
    })
  })

  test('a key that depends on the session, under another time zone', async () => {
    const query = 'select at::date as day, count(*) as n from app.orders group by 1'
    expect(await proofOf(query)).toMatchObject({
      tables: [{ table: 'app.orders', slices: [{ by: 'day', column: 'at', bySettings: true }] }],
    })
    const write = `insert into app.orders (id, at) values (1000, '2026-05-05')`
    expect(await wrong(query, 'day', 'at::date', write)).toBe(0)
    expect(
      await wrong(query, 'day', 'at::date', `set timezone to 'Pacific/Auckland'; ${write}`),
    ).toBeGreaterThan(0)
  })

  test('a column that is not in its GROUP BY, if two heirs of the table can have one primary key', async () => {
    await sql.unsafe(`
      create table app.family (id int primary key, day date); create table app.child () inherits (app.family);
      insert into app.family values (1, '2026-03-02'); insert into app.child values (1, '2026-03-03')`)
    const query = 'select day, count(*) as n from app.family group by id'
    expect(await proofOf(query)).toMatchObject({
      tables: [{ because: 'day in its query is not in its GROUP BY' }],
    })
    expect(await proofOf('select day from app.family')).toMatchObject({ tables: [{ because: null }] })
    // One row for two days: it shows the first, and counts both.
    expect(await sql.unsafe(query)).toMatchObject([{ n: 2 }])
  })

  test('of nothing but materialized views', async () => {
    await sql`create materialized view app.first as select day from app.orders`
    expect(await proofOf('select day from app.first')).toMatchObject({
      because: 'it reads views, and no table',
    })
    expect(await proofOf('select 1 as one')).toMatchObject({ because: 'it reads no table' })
  })

  test('but not because of the type of a column that a join offers, and the query does not read', async () => {
    await sql.unsafe(
      'create domain app.small as int check (value > 0); alter table app.customers add few app.small',
    )
    const query = (column: string) =>
      `select o.day, max(c.${column}) as most from app.orders o join app.customers c on c.id = o.customer group by o.day`
    expect(await proofOf(query('region'))).toMatchObject({ because: null })
    expect(await proofOf(query('few'))).toMatchObject({
      because: expect.stringMatching(/^it uses app.small/),
    })
  })

  /** In how many rows the view would differ after a refresh by slices. Everything is undone. */
  async function wrong(
    query: string,
    by: string,
    key: string,
    write: string,
    role = 'none',
  ): Promise<number> {
    const own = await sql.reserve()
    try {
      await own.unsafe(`set role ${role}`)
      await fillWhole(own, query)
      return await fillBySlices(own, { query, by, key }, write)
    } finally {
      await own.unsafe(
        `reset role; reset timezone; delete from app.orders where id >= 1000; drop table if exists kept, before`,
      )
      own.release()
    }
  }
})
