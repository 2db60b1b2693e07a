import type { Sql } from '../src/server/database.ts'
import { planLog } from '../src/slices/db/log.ts'
import { dropLog, makeLog } from '../src/slices/plan/log.ts'
import { keptMark } from '../src/sql/names.ts'
import { inRounds, measure, refreshWhole } from './support/measure.ts'
import { type BenchServer, withServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

const days = 1000
const products = 10_000
/** The rows of the view, by how many customers a day has. */
const sizes = [
  { rows: '10,000', customers: 10 },
  { rows: '200,000', customers: 200 },
]
const touched = [
  { days: 1, percent: '0.1 %', goal: 0.02 },
  { days: 10, percent: '1 %', goal: 0.03 },
  { days: 100, percent: '10 %', goal: 0.12 },
  { days: 400, percent: '40 %', goal: 1.3 },
  { days: 900, percent: '90 %', goal: 1.3 },
]

/** Measures refreshes that compute only what changed, and what the change log costs writers. */
export const measureSlices = (): Promise<Row[]> =>
  withServer(async (server) => {
    console.error('bench: refreshes by slices over 2,000,000 rows, about ten minutes')
    const { sql } = server
    const rows: Row[] = []
    for (const { rows: count, customers } of sizes) {
      await makeViews(sql, customers)
      for (const { days, percent, goal } of touched) {
        const change = () => changeDays(sql, days)
        const { whole, kept, differing, byHand } = await inRounds(
          {
            whole: async () => {
              await change()
              return measure(sql, () => refreshWhole(server, { view: 'bench.whole', strategy: 'swap' }))
            },
            kept: async () => {
              await change()
              return measure(sql, () => refreshWhole(server, { view: 'bench.kept' }))
            },
            differing: async () => {
              await change()
              return measure(sql, () => refreshWhole(server, { view: 'bench.differing' }))
            },
            byHand: async () => {
              const which = await change()
              return measure(sql, () => writeByHand(sql, which))
            },
          },
          { rounds: 3, warmUp: 1 },
        )
        rows.push(
          {
            title: `PostgreSQL ${server.version}, a view of ${count} rows over 2,000,000, changes in ${percent} of its slices`,
          },
          compare('whole, by swap', whole),
          compare('an incremental table, by its log', kept, { to: whole, goal }),
          compare('an incremental table, all rows by difference', differing, { to: whole, goal: 2.2 }),
          compare('a table, by hand', byHand, { to: whole }),
        )
      }
      rows.push(...(await measureJoined(server, count, customers)))
    }
    return [...rows, ...(await measureWriters(sql))]
  })

const query = (customers: number) =>
  `select day, customer % ${customers} as customer, count(*) as orders, sum(amount) as amount, count(distinct note) as notes from bench.orders group by 1, 2`

/** A view, the same as incremental tables, of which one has a log, and a table with its rows. */
async function makeViews(sql: Sql, customers: number): Promise<void> {
  await sql.unsafe(`
    drop schema if exists bench cascade; create schema bench;
    create table bench.orders as select i as id, date '2024-01-01' + i % ${days} as day, i / ${days} as customer, (i % 997) / 10.0 as amount, i % 13 as note, i % ${products} as product
      from generate_series(1, 2000000) i;
    alter table bench.orders add primary key (id); create index on bench.orders (day);
    create table bench.written as ${query(customers)}; create index on bench.written (day)`)
  await sql.unsafe('vacuum (analyze) bench.orders')
  await sql.unsafe(`
    create materialized view bench.whole as ${query(customers)}; create unique index on bench.whole (day, customer)`)
  for (const table of ['kept', 'differing']) await makeKept(sql, table, query(customers))
  await logChanges(sql, 'kept')
}

const makeKept = (sql: Sql, table: string, query: string) =>
  sql.unsafe(`
    create view bench.${table}_query as ${query};
    comment on view bench.${table}_query is '${keptMark}';
    create table bench.${table} as select * from bench.${table}_query;
    create unique index on bench.${table} (day, customer); create index on bench.${table} (day); alter table bench.${table} replica identity full`)

/** The same of orders that are joined with products, of which each is sold on one day. */
async function measureJoined(server: BenchServer, count: string, customers: number): Promise<Row[]> {
  const { sql } = server
  const query = `select day, customer % ${customers} as customer, count(*) as orders, sum(amount) as amount, max(name) as name
    from bench.orders join bench.products p on p.id = product group by 1, 2`
  await sql.unsafe(`
    create table bench.products as select i as id, 'p' || i as name from generate_series(0, ${products - 1}) i;
    alter table bench.products add primary key (id); create index sold on bench.orders (product);
    create materialized view bench.joined_whole as ${query}; create unique index on bench.joined_whole (day, customer)`)
  await sql.unsafe('vacuum (analyze) bench.products')
  await makeKept(sql, 'joined', query)
  await logChanges(sql, 'joined')
  const change = () => sql`update bench.products set name = name || '.' where id between 101 and 110`
  const { whole, kept } = await inRounds(
    {
      whole: async () => {
        await change()
        return measure(sql, () => refreshWhole(server, { view: 'bench.joined_whole', strategy: 'swap' }))
      },
      kept: async () => {
        await change()
        return measure(sql, () => refreshWhole(server, { view: 'bench.joined' }))
      },
    },
    { rounds: 3, warmUp: 1 },
  )
  // Writers are measured without these.
  await sql.unsafe(`${dropLog({ schema: 'bench', name: 'joined' })}; drop index bench.sold`)
  return [
    {
      title: `PostgreSQL ${server.version}, a view of ${count} rows over 2,000,000 joined with ${products.toLocaleString('en')}, changes in 0.1 % of these`,
    },
    compare('whole, by swap', whole),
    compare('an incremental table, by its log', kept, { to: whole, goal: 0.03 }),
  ]
}

async function logChanges(sql: Sql, name: string): Promise<void> {
  const [row] = await sql<{ oid: number; query: number | null }[]>`
    select ${`bench.${name}`}::regclass::oid::int8 as oid,
           (select k.query::int8 from viewkeeper.kept() k where k.relation = ${`bench.${name}`}::regclass) as query`
  const log = await planLog(sql, { ...row!, schema: 'bench', name }, 'day')
  for (const statement of makeLog(log)) await sql.unsafe(statement)
}

/** Changes an order of each of so many days. */
async function changeDays(sql: Sql, count: number): Promise<string> {
  const which = `day between date '2024-01-01' + 100 and date '2024-01-01' + ${99 + count}`
  await sql.unsafe(`update bench.orders set amount = amount + 1 where ${which} and id <= ${days}`)
  return which
}

async function writeByHand(sql: Sql, which: string): Promise<void> {
  const [row] = await sql.unsafe<{ query: string }[]>(
    `select pg_get_viewdef('bench.whole'::regclass) as query`,
  )
  await sql.unsafe(`begin; delete from bench.written where ${which};
    insert into bench.written select * from (${row!.query.replace(/;$/, '')}) q where ${which}; commit`)
}

/** What writers take with and without a log. */
async function measureWriters(sql: Sql): Promise<Row[]> {
  await sql.unsafe('create table bench.free (like bench.orders including all)')
  const inserts = (table: string, count: number, each: number) => () =>
    measure(sql, async () => {
      for (let at = 0; at < count; at++)
        await sql.unsafe(
          `insert into bench.${table} select nextval('bench.ids'), date '2024-01-01' + i % ${days}, 1, 1, 1, 1 from generate_series(1, ${each}) i`,
        )
    })
  await sql.unsafe('create sequence bench.ids start 3000000')
  const rows: Row[] = []
  for (const [title, count, each, goal] of [
    ['500 inserts of one row', 500, 1, 1.35],
    ['an insert of 200,000 rows', 1, 200_000, 1.1],
  ] as const) {
    const { free, logged } = await inRounds(
      { free: inserts('free', count, each), logged: inserts('orders', count, each) },
      { rounds: 5, warmUp: 1 },
    )
    rows.push({ title }, compare('without a log', free), compare('with a log', logged, { to: free, goal }))
  }
  return rows
}
