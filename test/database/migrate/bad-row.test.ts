import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { findBadRow } from '../../../src/migrate/authoring/bad-row.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { makeKept } from '../../support/slices/kept-table.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const { database, sql, url, as } = useDatabase()
const cli = fileURLToPath(new URL('../../../cli/viewkeeper.js', import.meta.url))
const [seller, stranger, auditor] = ['seller', 'stranger', 'auditor'].map(
  (name) => `${name}_${url.slice(-8)}`,
) as [string, string, string]

beforeAll(async () => {
  await sql.unsafe(`
    create schema "My Shop";
    create table "My Shop".orders (id int primary key, customer int, price numeric, qty int, note text);
    insert into "My Shop".orders select i, i % 100, i, 1 + i % 9, i::text from generate_series(1, 20000) i;
    update "My Shop".orders set qty = 0, note = 'twelve' where id = 12345;
    create table "My Shop".rates (customer int primary key, rate int);
    insert into "My Shop".rates select i, 1 from generate_series(0, 99) i;
    create table "My Shop".moves (id int, item int, amount int);
    insert into "My Shop".moves select i, i, 5 from generate_series(1, 5000) i;
    insert into "My Shop".moves values (9001, 77, -3), (9002, 77, -2);
    create table "My Shop".parts (id int, qty int) partition by range (id);
    create table "My Shop".low partition of "My Shop".parts for values from (0) to (1000);
    create table "My Shop".high partition of "My Shop".parts for values from (1000) to (9000);
    insert into "My Shop".parts select i, case i when 1234 then 0 else 1 end from generate_series(1, 5000) i;
    create view "My Shop".plain as select id, customer, price / qty as each from "My Shop".orders o`)
})

/** What is found in a view of this query. */
async function found(query: string, of = database, mostMs = 60_000) {
  await sql.unsafe(`create materialized view "My Shop".sales as ${query} with no data`)
  const before = await wholeCatalog(sql)
  try {
    const culprit = await findBadRow(of, { schema: 'My Shop', name: 'sales' }, { mostMs })
    expect(await wholeCatalog(sql)).toEqual(before)
    if ('works' in culprit) return culprit.as
    const { failure, columns, rows, doubts } = culprit
    return {
      sqlstate: failure.sqlstate,
      columns,
      rows: rows.map(({ relation, values }) => `${relation} ${values?.[0]?.column} ${values?.[0]?.value}`),
      doubts,
    }
  } finally {
    await sql`drop materialized view "My Shop".sales`
  }
}

const order = '"My Shop".orders id 12345'

eachCase(
  [
    ['an expression', 'select id, price / qty as each from "My Shop".orders', '22012', ['each'], [order]],
    ['a condition', 'select id from "My Shop".orders where price / qty > 2', '22012', [], [order]],
    [
      'an aggregate',
      'select customer, sum(price / qty) as each from "My Shop".orders group by 1',
      '22012',
      ['each'],
      [order],
    ],
    ['a cast', 'select id, note::int as note from "My Shop".orders order by id', '22P02', ['note'], [order]],
    [
      'a join',
      'select o.id, r.rate * o.price / o.qty as each from "My Shop".orders o join "My Shop".rates r using (customer)',
      '22012',
      ['each'],
      [order, '"My Shop".rates customer 45'],
    ],
    [
      'the nullable side of a join, and a key that others are grouped by',
      'select r.customer, r.rate, count(o.price / o.qty) as n from "My Shop".rates r left join "My Shop".orders as o(nr, customer) on r.customer = o.customer group by r.customer',
      '22012',
      ['n'],
      ['"My Shop".rates customer 45', order],
    ],
    ['a plain view', 'select p.each + 1 as more from "My Shop".plain p', '22012', ['more'], [order]],
    [
      'a partition',
      'with p as (select * from "My Shop".parts) select 1 / qty as n from p',
      '22012',
      ['n'],
      ['"My Shop".parts id 1234'],
    ],
    [
      'rows that only together make a sum 0',
      'select item, 100 / sum(amount) as n from "My Shop".moves group by item',
      '22012',
      ['n'],
      ['"My Shop".moves id 77', '"My Shop".moves id 9002'],
    ],
    [
      'a subquery',
      'select customer, (select 1 / o.qty from "My Shop".orders o where o.id = r.rate + 12344) as n from "My Shop".rates r',
      '22012',
      ['n'],
      [order, '"My Shop".rates customer 0'],
    ],
  ],
  { quick: 2 },
)('the bad row is found in %s', async (_, query, sqlstate, columns, rows) => {
  expect(await found(query)).toMatchObject({ sqlstate, columns, rows })
})

test('the bad row is found in the query of an incremental table', async () => {
  const query = 'select id, price / nullif(qty, 0) as each from "My Shop".orders where id > 12300'
  await sql.unsafe(makeKept('"My Shop".sold', query))
  await sql.unsafe(`create or replace view "My Shop".sold_query as ${query.replace('nullif(qty, 0)', 'qty')}`)
  expect(await findBadRow(database, { schema: 'My Shop', name: 'sold' }, { mostMs: 60_000 })).toMatchObject({
    failure: { sqlstate: '22012' },
    columns: ['each'],
    rows: [{ values: [{ column: 'id', value: '12345' }, {}, {}, {}, {}] }],
    doubts: [],
  })
})

test('what no row decides is said', deep, async () => {
  expect(await found('select 1 / (r.rate - r.rate) as n from "My Shop".rates r')).toMatchObject({
    columns: ['n'],
  })
  expect(await found('select 1 / (select count(*) from "My Shop".rates where rate > 5) as n')).toMatchObject({
    rows: [],
    doubts: [expect.stringContaining('No row of a table decides')],
  })
  expect(await found('select id from "My Shop".orders')).toBe('owner')
  expect(await found('select pg_sleep(60)::text as n', database, 50)).toMatchObject({
    doubts: ['The time is up.'],
  })
  const slow =
    'select 1 / p.qty as n from "My Shop".parts p, (select count(*) from "My Shop".rates where rate = 1) r where pg_sleep(case r.count when 0 then 60 else 0 end)::text = \'\''
  expect(await found(slow, database, 20_000)).toMatchObject({
    columns: null,
    rows: ['"My Shop".parts id 1234'],
    doubts: ['The time is up.'],
  })
})

test('the query fails under the rights of the login: hidden rows are not shown', async () => {
  await sql.unsafe(`
    create role ${seller} login password 'secret'; create role ${stranger} login password 'secret';
    create role ${auditor} login password 'secret';
    grant usage on schema "My Shop" to ${seller}, ${stranger}, ${auditor};
    grant select on "My Shop".orders to ${seller}; grant select on "My Shop".plain to ${auditor};
    alter table "My Shop".orders enable row level security;
    create policy small on "My Shop".orders using (id < 100)`)
  const query = 'select id, price / qty as each from "My Shop".orders'
  expect(await found(query, as(seller).database)).toBe('login')
  expect(await found(query, as(stranger).database)).toMatchObject({
    sqlstate: '42501',
    columns: null,
    rows: [],
  })
  expect(await found('select each from "My Shop".plain', as(auditor).database)).toMatchObject({
    sqlstate: '22012',
    columns: null,
    rows: [],
  })
})

test('the command prints columns, rows and values, and nothing that moves the cursor', deep, async () => {
  await sql.unsafe(`
    create table "My Shop".texts as select 1 as t, E'1\\x1b[2Jx' as text;
    create materialized view "My Shop".numbers as select text::int as number from "My Shop".texts with no data`)
  const run = promisify(execFile)(process.execPath, [cli, 'bad-row', '"My Shop".numbers'], {
    env: { PATH: process.env.PATH, DATABASE_URL: url, NO_COLOR: '1' },
  })
  const { code, stdout } = await run.then(
    () => {
      throw new Error('the query works')
    },
    (error) => error,
  )
  expect(code).toBe(1)
  expect(stdout.split('\n')).toEqual([
    '  invalid input syntax for type integer: U&"1\\001B[2Jx" (22P02)',
    '  in column number',
    '  "My Shop".texts, ctid (0,1)',
    '    t      1',
    '    text   1x',
    `  next: correct what is wrong there, or change the query; then viewkeeper refresh '"My Shop".numbers'`,
    '',
  ])
})

test('code of a role that may do less is executed only if the role is trusted', async () => {
  await sql.unsafe(`
    create materialized view "My Shop".theirs as select 1 / 0 as n with no data;
    alter materialized view "My Shop".theirs owner to ${seller}`)
  const name = { schema: 'My Shop', name: 'theirs' }
  const look = (trusted: string | null) => findBadRow(database, name, { trusted, mostMs: 60_000 })
  expect(await refusalOf(look(null))).toMatchObject({ code: 'InsufficientPrivilege' })
  expect(await look(seller)).toMatchObject({ failure: { sqlstate: '22012' } })
})

test('of rows that a unique index refuses: the index, the key, and how many they are', async () => {
  const name = { schema: 'My Shop', name: 'twice' }
  await sql.unsafe(`
    create materialized view "My Shop".twice as
      select id % 4999 as "the key", case when id < 4999 then id end as low, upper(id::text) as text from "My Shop".moves;
    create unique index by_text on "My Shop".twice (lower(text)) where text <> '77';
    create unique index by_low on "My Shop".twice (low)`)
  const look = () => findBadRow(database, name, { mostMs: 60_000 })
  expect(await look()).toMatchObject({ works: true, equal: [] })
  await sql.unsafe(`insert into "My Shop".moves values (77, 1, 1), (78, 1, 1), (78, 1, 1)`)
  const equal = [
    { index: '"My Shop".by_low', rows: 2, values: [{ column: 'low', value: '77' }] },
    { index: '"My Shop".by_text', rows: 3, values: [{ column: 'lower(text)', value: '78' }] },
  ]
  expect(await look()).toMatchObject({
    equal: [expect.objectContaining({ index: equal[0]!.index }), equal[1]],
  })
  await sql.unsafe(`delete from "My Shop".moves where id = 78`)
  expect(await look()).toMatchObject({ equal: [equal[0]] })
  await sql.unsafe(`delete from "My Shop".moves where id = 77; drop materialized view "My Shop".twice`)
})

test('a unique index whose expression fails with a row of the query is named', async () => {
  await sql.unsafe(`
    create materialized view "My Shop".tried as select id from "My Shop".moves where id > 1;
    create unique index by_quotient on "My Shop".tried ((id + 0 / (id - 500000)))`)
  await sql.unsafe('insert into "My Shop".moves values (500000, 1, 1)')
  expect(await findBadRow(database, { schema: 'My Shop', name: 'tried' }, { mostMs: 60_000 })).toMatchObject({
    failure: { sqlstate: '22012', hint: expect.stringContaining('"My Shop".by_quotient') },
  })
  await sql.unsafe('delete from "My Shop".moves where id = 500000; drop materialized view "My Shop".tried')
})
