import type { BatchableView } from '../../src/record/plan/batch.ts'
import type { Sql } from '../../src/server/database.ts'

export const rowsOfBigView = 2_500_000

/**
 * Makes the table that everything reads, and the views. `bench.versions` decides how many rows of the big
 * view the next refresh changes: its `half` is in every second row, its `hundredth` in every hundredth.
 */
export async function makeData(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create schema bench;
    create table bench.orders (id integer primary key, customer integer, amount numeric(10,2), note text);
    insert into bench.orders
      select id, id * 7919::bigint % 200000, id % 100000 / 100.0, 'order ' || md5(id::text)
        from generate_series(1, ${rowsOfBigView}) id;
    create table bench.versions (half integer, hundredth integer);
    insert into bench.versions values (1, 1)`)
  for (const table of ['orders', 'versions']) await sql.unsafe(`vacuum (freeze, analyze) bench.${table}`)
  await sql.unsafe(
    `create materialized view bench.tiny as select id, amount from bench.orders where id <= 10`,
  )
  for (const view of ['big', 'other']) {
    await sql.unsafe(`
      create materialized view bench.${view} as
        select o.id, o.customer, o.amount, o.note,
               case when o.id % 2 = 1 then v.half when o.id % 100 = 0 then v.hundredth else 0 end as version
          from bench.orders o cross join bench.versions v;
      create unique index ${view}_id on bench.${view} (id);
      create index ${view}_customer on bench.${view} (customer);
      analyze bench.${view}`)
  }
}

/** Makes the next refresh of the big view change `percent` of its rows. */
export async function change(sql: Sql, percent: 0 | 1 | 50): Promise<void> {
  if (percent === 0) return
  const column = percent === 50 ? 'half' : 'hundredth'
  await sql.unsafe(`update bench.versions set ${column} = ${column} + 1`)
}

/** Makes view `bench.second`, which takes this server about a second to refresh. */
export async function makeSecondLongView(sql: Sql): Promise<void> {
  const make = (rows: number) =>
    sql.unsafe(`
      create materialized view bench.second as
        select id % 1000 as key, max(md5(note)) as greatest from bench.orders where id <= ${rows} group by 1`)
  const tried = 1_000_000
  await make(tried)
  await sql`refresh materialized view bench.second`
  const start = performance.now()
  await sql`refresh materialized view bench.second`
  const ms = performance.now() - start
  await sql`drop materialized view bench.second`
  await make(Math.min(rowsOfBigView, Math.round((tried * 1000) / ms)))
}

/** A view to be made, with the time that its refresh takes. */
export interface Node {
  name: string
  reads: string[]
  seconds: number
}

/** The same numbers every time, between 0 and 1. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Views of 0.1 to 2 seconds, most of them short. Each reads up to four others; names do not tell the order.
 */
export function unevenGraph(seed: number, count: number): Node[] {
  const next = random(seed)
  const names = Array.from({ length: count }, (_, at) => ({ name: `v${at}`, key: next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ name }) => name)
  return names.map((name, at) => ({
    name,
    seconds: 0.1 + 1.9 * next() ** 2,
    reads: names
      .slice(0, at)
      .filter(() => next() < 0.08)
      .slice(-4),
  }))
}

/** A graph for the planner alone: `count` views, each of which reads up to three others. */
export function plannableGraph(count: number): {
  views: BatchableView[]
  dependencies: Map<string, string[]>
} {
  const next = random(count)
  const views = Array.from({ length: count }, (_, id) => ({
    id,
    schema: 'bench',
    name: `v${id}`,
    view: `bench.v${id}`,
    inAll: true,
    schedule: null,
    timeZone: null,
    paused: false,
    retries: 1,
    retryDelaySeconds: 300,
    usualMs: next() < 0.9 ? Math.round(next() * 60_000) : null,
  }))
  const dependencies = new Map(
    views.map(({ id, view }) => {
      const reads = id === 0 ? [] : Array.from({ length: 3 }, () => `bench.v${Math.floor(next() * id)}`)
      return [view, [...new Set(reads)]]
    }),
  )
  return { views, dependencies }
}
