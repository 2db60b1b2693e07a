import { beforeEach, describe, expect, test } from 'vitest'
import { ensureDefinition } from '../../../src/record/definitions/definitions.ts'
import { planRefresh } from '../../../src/run/plan-refresh.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { dropLog, logsOf, makeLog } from '../../../src/slices/plan/log.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { emptyTables } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { daily, useDaily } from '../../support/slices/daily.ts'
import { makeKept } from '../../support/slices/kept-table.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()

const { make, makeOwnLog, refreshed, slicesRefreshed } = useDaily({ database, sql }, 'day')

/** Ten days of orders; that of day n has product n, days 1 and 6 have product 1, and day 10 has none. */
beforeEach(async () => {
  await emptyTables(sql, 'definitions')
  await sql.unsafe(`
    drop schema if exists app, shop, old, viewkeeper_logs cascade; create schema app;
    create table app.categories (id int primary key, name text);
    create table app.products (id int primary key, tenant int not null default 1, category int, name text, code text, active boolean not null default true);
    create table app.orders (id int primary key generated always as identity, day int, tenant int not null default 1, product_id int, big bigint, code text, amount int not null default 1);
    create table app.days (day int primary key, product_id int); create index on app.orders (product_id); create index on app.orders (code);
    insert into app.categories values (1, 'one'), (2, 'two');
    insert into app.products (id, category, name, code) select i, 1 + i % 2, 'p' || i, 'c' || i from generate_series(1, 9) i;
    insert into app.orders (day, product_id, big, code) select i, nullif(i, 10), i, 'c' || i from generate_series(1, 10) i;
    update app.orders set product_id = 1 where day = 6;
    insert into app.days select i, 11 - i from generate_series(1, 10) i`)
})

/** How many slices a refresh computes after a change, or that it computes all. */
async function computes(change: string): Promise<number | 'all'> {
  const own = await sql.reserve()
  await own.unsafe(change)
  own.release()
  return slicesRefreshed(/^computes all of about /)
}

const rename = "update app.products set name = 'other' where id = 1"
/** Those of days 1 and 6. */
const touched = 2

describe('a change of another table touches the slices that join it, if the query has', () => {
  const total = 'o.day, max(p.name) as name, count(*) as n'
  const joined: { rule: string; query: string; change?: string; computes?: number }[] = [
    {
      rule: 'a join',
      query: `select ${total} from app.orders o join app.products p on p.id = o.product_id where p.active group by o.day`,
    },
    {
      rule: 'an outer join that keeps the orders, and a condition in it',
      query: `select ${total} from app.orders o left join app.products p on o.product_id = p.id and p.active group by o.day`,
    },
    {
      rule: 'the same from the right',
      query: `select ${total} from app.products p right join app.orders o on o.product_id = p.id group by o.day`,
    },
    {
      rule: 'the condition in WHERE',
      query: `select ${total} from app.products p, app.orders o where o.product_id = p.id group by o.day`,
    },
    {
      rule: 'the condition above another join',
      query: `select ${total} from (app.orders o cross join app.products p) join app.days d on d.day = o.day and o.product_id = p.id group by o.day`,
    },
    {
      rule: 'USING',
      query:
        'select o.day, max(name) as name from app.orders o join (select id as product_id, name from app.products where active) p using (product_id) group by o.day',
    },
    {
      rule: 'subqueries that pass the columns',
      query: `with few as (select * from app.orders where amount < 9), named as (select * from (select * from app.products where active) x)
        select ${total} from few o join named p on p.id = o.product_id group by o.day`,
    },
    {
      rule: 'groups by the columns on both sides',
      query: `select ${total} from (select day, product_id, count(*) as n from app.orders group by day, product_id) o
        left join (select id, max(name) as name from app.products group by id) p on p.id = o.product_id group by o.day`,
    },
    {
      rule: 'an equality that follows from another one',
      query: `select ${total} from app.orders o join app.days d on d.product_id = o.product_id join app.products p on p.id = d.product_id group by o.day`,
    },
    {
      rule: 'the join on the side that an outer join fills with nulls, by a column that is equal to the key',
      query: `select d.day, max(o.name) as name from app.days d left join (select o.day, p.name from app.orders o join app.products p on p.id = o.product_id) o on o.day = d.day group by d.day`,
    },
    {
      rule: 'several conditions, by that on a unique column',
      query: `select ${total} from app.orders o join app.products p on p.id = o.product_id and p.tenant = o.tenant group by o.day`,
    },
    {
      rule: 'texts',
      query: `select ${total} from app.orders o join app.products p on p.code = o.code group by o.day`,
      computes: 1,
    },
    {
      rule: 'a branch of a union',
      query: `select o.day, p.name from app.orders o join app.products p on p.id = o.product_id union all select day, 'none' from app.orders where product_id is null`,
    },
  ]
  eachCase(joined, { quick: 4 })('$rule', async ({ query, computes: of = touched }) => {
    const log = await make(query)
    expect(log.tables.find(({ name }) => name === 'app.products')?.joined).toMatchObject({ key: 'day' })
    expect(await computes(rename)).toBe(of)
    expect(await computes("update app.products set name = 'nobody has it' where id = 8")).toBe(1)
    expect(await computes("insert into app.products (id, name, code) values (77, 'new', 'no')")).toBe(0)
  })
})

describe('a change of another table touches all slices, if', () => {
  const total = 'o.day, count(*) as n'
  const whole: { rule: string; query: string; change?: string }[] = [
    {
      rule: 'no equality joins it',
      query: `select ${total} from app.orders o join app.products p on p.id >= o.product_id group by o.day`,
    },
    {
      rule: 'one of several conditions may hold',
      query: `select ${total} from app.orders o join app.products p on p.id = o.product_id or p.active group by o.day`,
    },
    {
      rule: 'the types differ',
      query: `select ${total} from app.orders o join app.products p on p.id = o.big group by o.day`,
    },
    {
      rule: 'it is joined with something computed',
      query: `select ${total} from app.orders o join app.products p on p.id = o.product_id + 1 group by o.day`,
    },
    {
      rule: 'it is read twice',
      query: `select ${total} from app.orders o join app.products p on p.id = o.product_id where (select count(*) from app.products) > 3 group by o.day`,
    },
    {
      rule: 'a WITH of it is read twice',
      query: `with p as (select * from app.products) select ${total} from app.orders o join p on p.id = o.product_id join p q on q.active group by o.day`,
    },
    {
      rule: 'it stands in a subquery of an expression',
      query: `select ${total} from app.orders o where exists (select from app.products p where p.id = o.product_id) group by o.day`,
    },
    {
      rule: 'it is joined through a third table',
      query: `select ${total} from app.orders o join app.categories c on c.id = o.product_id join app.products p on p.category = c.id + 0 group by o.day`,
    },
    {
      rule: 'the condition is in an outer join that does not filter what is joined',
      query: `select ${total}, count(d.day) as days from (app.orders o cross join app.products p) left join app.days d on p.id = o.product_id group by o.day`,
    },
    {
      rule: 'the rows of a limit are joined',
      query: `select ${total} from app.orders o join (select * from app.products order by name limit 3) p on p.id = o.product_id group by o.day`,
    },
    {
      rule: 'the side of the orders has rows without an order',
      query: `select d.day, count(*) as n from ((select day + 0 as day, product_id from app.days) d left join app.orders o on o.day = d.day and o.product_id = d.product_id) join app.products p on p.id = d.product_id and p.name <> 'other' group by d.day`,
    },
    {
      rule: 'a union has rows without an order',
      query: `select ${total} from (select day, product_id from app.orders union all select day, product_id from app.days) o join app.products p on p.id = o.product_id and p.name <> 'other' group by o.day`,
    },
    {
      rule: 'a recursive WITH goes through it',
      query: `with recursive below as (select 1 as id, 'root' as name union all select p.id, p.name from below b join app.products p on p.id = b.id + 1 and b.name <> 'other')
        select ${total} from app.orders o join below b on b.id = o.product_id group by o.day`,
    },
    {
      rule: 'the same, in a subquery',
      query: `with recursive below as (select 1 as id, 'root' as name union all select p.id, p.name from below b join app.products p on p.id = b.id + 1 and b.name <> 'other')
        select ${total} from app.orders o join (select * from below) b on b.id = o.product_id group by o.day`,
    },
    {
      rule: 'the value is computed from several orders',
      query: `select ${total} from (select day, max(product_id) as product_id from app.orders group by day) o join app.products p on p.id = o.product_id group by o.day`,
    },
  ]
  eachCase(whole, { quick: 4 })('$rule', async ({ query }) => {
    const log = await make(query)
    expect(log.tables.find(({ name }) => name === 'app.products')).toMatchObject({ key: null, joined: null })
    expect(await computes(rename)).toBe('all')
    expect(await computes('update app.orders set amount = 2 where day = 3')).toBe(1)
  })
})

describe('of a table that is joined,', () => {
  const query =
    'select o.day, max(p.name) as name, count(*) as n from app.orders o left join app.products p on p.id = o.product_id group by o.day'

  eachCase<readonly [string, string, number | 'all']>(
    [
      ['a change of the column', 'update app.products set id = 100 where id = 2', 1],
      [
        'a change to what an order has',
        'delete from app.products where id = 3; update app.products set id = 3 where id = 9',
        2,
      ],
      [
        'a row that was deleted and inserted',
        "begin; delete from app.products where id = 1; insert into app.products (id, name) values (1, 'again'); commit",
        2,
      ],
      [
        'an order that moves to the changed row in the same transaction',
        "begin; update app.orders set product_id = 5 where day = 4; update app.products set name = 'both' where id = 5; commit",
        2,
      ],
      [
        'an order that leaves it, and is on another day',
        "begin; update app.products set name = 'left' where id = 1; update app.orders set product_id = 2, day = 8 where day = 6; commit",
        3,
      ],
      [
        'an order without a day',
        "update app.orders set day = null where day = 7; update app.products set name = 'x' where id = 7",
        2,
      ],
      ['a change that is undone', "begin; update app.products set name = 'x'; rollback", 0],
      ['a truncation', 'truncate app.products', 'all'],
      [
        'more rows than the log names',
        'insert into app.products (id) select i from generate_series(1000, 11001) i',
        'all',
      ],
    ],
    { quick: 3 },
  )('%s touches what it joins', async (_, change, of) => {
    await make(query)
    expect(await computes(change)).toBe(of)
    expect(await computes('update app.orders set amount = 2 where day = 3')).toBe(1)
  })

  test('partitions and child tables are heard', async () => {
    await sql.unsafe(`
      drop table app.products; create table app.products (id int not null, name text) partition by range (id);
      create table app.few partition of app.products for values from (0) to (5); create table app.more partition of app.products for values from (5) to (100);
      insert into app.products select i, 'p' || i from generate_series(1, 9) i`)
    await make(query)
    expect(await computes("update app.few set name = 'x' where id = 1")).toBe(2)
    expect(await computes('update app.products set id = 8 where id = 2')).toBe(2)
    expect(await computes('truncate app.more')).toBe('all')
  })

  test('the owner of the view reads the orders himself, or all are computed', async () => {
    await sql.unsafe(`
      create role seller; create role maker; create role reader; grant usage on schema app to seller, maker;
      grant create, usage on schema app to reader;
      alter table app.orders owner to seller; alter table app.products owner to maker;
      create view app.sold as select * from app.orders; alter view app.sold owner to seller;
      create view app.made as select * from app.products; alter view app.made owner to maker; grant select on app.sold, app.made to reader; grant select (id) on app.products to reader; grant select (day) on app.orders to reader`)
    try {
      await sql.unsafe(
        makeKept('app.daily', query.replace('app.orders', 'app.sold').replace('app.products', 'app.made')),
      )
      await sql.unsafe('alter table app.daily owner to reader; alter view app.daily_query owner to reader')
      await makeOwnLog()
      await refreshed()
      expect(await computes(rename)).toBe('all')
      expect(await computes('update app.orders set amount = 2 where day = 3')).toBe(1)
      await computes('grant select (product_id) on app.orders to reader')
      expect(await computes("update app.products set name = 'read' where id = 1")).toBe(touched)
      await sql`revoke select (day) on app.orders from reader`
      expect(await refreshed()).toContain(
        'is not used: app.daily has no change log: reader may not select app.orders.day',
      )
    } finally {
      await sql.unsafe('drop owned by seller, maker, reader cascade; drop role seller, maker, reader')
    }
  })

  test(
    'a role that the owner of the view is not a member of any more ends that at the next refresh',
    deep,
    async () => {
      await sql.unsafe(`
      create role readers; create role "the Reader" in role readers; grant create, usage on schema app to "the Reader"; grant select on app.orders, app.products to readers;
      create view app.sold as select * from app.orders; create view app.made as select * from app.products; grant select on app.sold, app.made to "the Reader"`)
      try {
        await sql.unsafe(
          makeKept('app.daily', query.replace('app.orders', 'app.sold').replace('app.products', 'app.made')),
        )
        await sql.unsafe(
          'alter table app.daily owner to "the Reader"; alter view app.daily_query owner to "the Reader"',
        )
        await makeOwnLog()
        await refreshed()
        expect(await computes(rename)).toBe(touched)
        await sql`revoke readers from "the Reader"`
        expect(await computes("update app.products set name = 'not read' where id = 1")).toBe('all')
      } finally {
        await sql.unsafe('drop owned by readers, "the Reader" cascade; drop role readers, "the Reader"')
      }
    },
  )

  eachCase(['alter table app.orders rename to ordered', 'alter table app.orders rename product_id to item'], {
    quick: 1,
  })('the orders are read by the name that they have: %s', async (change) => {
    await make(query)
    expect(await computes(`${change}; ${rename}`)).toBe('all')
    expect(await computes("update app.products set name = 'once more' where id = 1")).toBe(touched)
  })

  eachCase(
    [
      ['the orders', 'alter table shop.orders rename to ordered'],
      ['their schema', 'alter schema shop rename to old; create schema shop'],
    ],
    { quick: 2 },
  )('another table that has taken the name of %s undoes the refresh', async (_, change) => {
    await sql.unsafe(
      'create schema shop; alter table app.orders set schema shop; create view app.orders as table shop.orders',
    )
    await make(query)
    await sql.unsafe(rename)
    await whileLocked(url, 'lock table app.daily in share mode', async ({ commit }) => {
      const run = refresh({ view: 'app.daily' }, callOn(database))
      await until('the refresh waits for the table', async () => {
        const waits = await sql`select from pg_locks where relation = 'app.daily'::regclass and not granted`
        return waits.length > 0
      })
      await commit(`${change}; create table shop.orders (day int, product_id int)`)
      expect(await run).toMatchObject({ status: 'error', error: { class: 'CatalogChanged' } })
    })
    expect(await sql`select name from app.daily where day = 1`).toEqual([{ name: 'p1' }])
    await refreshed()
  })

  eachCase(
    [
      ['none', ''],
      ['one that only narrows down', 'create index on app.orders using brin (code)'],
      ['one of another collation', 'create index on app.orders (code collate "POSIX")'],
      ['one of some rows', 'create index on app.orders (code) where day > 0'],
    ],
    { quick: 2 },
  )('without an index that looks up the orders, all are computed: %s', async (_, index) => {
    await make(
      'select o.day, max(p.name) as name from app.orders o join app.products p on p.code = o.code group by o.day',
    )
    expect(await computes(rename)).toBe(1)
    await computes(
      `drop index app.orders_code_idx; ${index}; alter table app.products alter name set statistics 7`,
    )
    expect(await computes("update app.products set name = 'once more' where id = 1")).toBe('all')
  })

  test('orders that inherit may have no index, so all are computed', deep, async () => {
    await sql`create table app.more_orders () inherits (app.orders)`
    await make(query)
    expect(await computes(rename)).toBe('all')
  })

  test('the log that is there does without what it does not note', async () => {
    const log = await make(query)
    const part = logsOf(log).find(({ table }) => table.joined !== null)!
    const older = {
      ...log,
      tables: log.tables.map((each) => (each.joined ? { ...each, key: null, joined: null } : each)),
    }
    for (const statement of [dropLog(daily), ...makeLog(older)]) await sql.unsafe(statement)
    expect(await refreshed()).not.toContain('is not used')
    expect(await computes(rename)).toBe('all')
    expect(await computes('update app.orders set amount = 2 where day = 3')).toBe(1)
    expect(
      await sql`select attname from pg_attribute where attrelid = ${part.log}::regclass and attnum > 0`,
    ).toHaveLength(2)
  })

  test('values that the owner of the view may not read are not noted', deep, async () => {
    await sql.unsafe(`
      create role reader; grant create, usage on schema app to reader; create view app.made as select * from app.products; grant select on app.made, app.orders to reader`)
    try {
      await sql.unsafe(makeKept('app.daily', query.replace('app.products', 'app.made')))
      await sql.unsafe('alter table app.daily owner to reader; alter view app.daily_query owner to reader')
      const log = await makeOwnLog()
      expect(log.tables.map(({ joined }) => joined)).toEqual([null, null])
    } finally {
      await sql.unsafe('drop owned by reader cascade; drop role reader')
    }
  })

  test('a change of more rows than a refresh reads notes no more than these', async () => {
    const part = logsOf(await make(query)).find(({ table }) => table.joined !== null)!
    await sql`insert into app.products (id) select i from generate_series(1000, 13000) i`
    expect(await sql.unsafe(`select count(*)::int as n from ${part.log}`)).toEqual([{ n: 10_001 }])
  })

  test('a unique index that is made later does not make another column of what is noted', async () => {
    await sql`update app.products set tenant = id`
    await sql`update app.orders set tenant = product_id where product_id is not null`
    await make(query.replace('p.id = o.product_id', 'p.tenant = o.tenant and p.id = o.product_id'))
    await computes('create unique index on app.products (tenant); alter table app.products add more int')
    expect(await computes(rename)).toBe(touched)
  })

  eachCase(
    [
      ['texts', 'text collate "POSIX"', "'a'", "'b'", touched],
      ['shorts', 'app.short', "'a'", "'b'", touched],
      ['sizes', 'app.size', "'s'", "'m'", touched],
      ['flag', 'boolean', 'true', 'false', touched],
      ['bits', 'bit(3)', "'101'", "'111'", 'all'],
      ['names', 'name', "'a'", "'b'", 'all'],
      ['many', 'int[]', "'{1}'", "'{2}'", 'all'],
    ],
    { quick: 2 },
  )(
    'it is joined by any type that a key may have, whatever the collations: %s',
    async (column, type, one, two, of) => {
      await sql.unsafe(`
      create domain app.short as varchar(10); create type app.size as enum ('s', 'm');
      create table app.odd (id int, ${column} ${type}); create table app.keyed (day text collate "C", ${column} ${type});
      insert into app.odd values (1, ${one}), (2, ${two}); insert into app.keyed values ('a', ${one}), ('b', ${one}), ('c', ${two}); create index on app.keyed (${column})`)
      await make(
        `select k.day, max(o.id) as id from app.keyed k join app.odd o on k.${column} = o.${column} group by k.day`,
      )
      expect(await computes('update app.odd set id = 11 where id = 1')).toBe(of)
    },
  )

  test('a third table in a row touches all', deep, async () => {
    await make(
      'select o.day, max(c.name) as name from app.orders o join app.products p on p.id = o.product_id join app.categories c on c.id = p.category group by o.day',
    )
    expect(await computes('update app.products set category = 2 where id = 4')).toBe(1)
    expect(await computes("update app.categories set name = 'other' where id = 1")).toBe('all')
  })

  test('a domain over an enumeration is no key of a log', deep, async () => {
    await sql.unsafe(`
      create type app.size as enum ('s', 'm'); create domain app.sized as app.size; create table app.boxes (day app.sized, n int)`)
    await sql.unsafe(makeKept('app.daily', 'select day, count(*) as n from app.boxes group by day'))
    await expect(makeOwnLog()).rejects.toThrow('day has type app.sized, of which a log cannot note values')
  })
})

test('how slices are found is not asked for a refresh that believes no log', async () => {
  await sql.unsafe(
    makeKept(
      'app.daily',
      'select o.day, max(p.name) as name from app.orders o join app.products p on p.id = o.product_id group by o.day',
    ),
  )
  await makeOwnLog()
  /** How often a plan asks that in a query of its own. */
  const asks = () =>
    database.withConnection(async (own) => {
      let count = 0
      const unsafe: typeof own.unsafe = (text, ...rest) => {
        if (/^select \(\s*select jsonb_object_agg\(j\.log/.test(text)) count++
        return own.unsafe(text, ...rest)
      }
      const seen = new Proxy(own, {
        get: (of, key) => (key === 'unsafe' ? unsafe : Reflect.get(of, key)),
      })
      const definition = await ensureDefinition(own, daily)
      await planRefresh(seen, daily, definition, { ifRunning: 'skip' })
      return count
    })
  expect(await asks()).toBe(0)
  await refreshed()
  await sql`create schema old`
  expect(await asks()).toBe(1)
})
