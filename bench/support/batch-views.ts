import type { Sql } from '../../src/server/connect.ts'
import type { Node } from './graphs.ts'

/** How many units of `bench.burn` keep one core busy for a second, on this machine at this moment. */
export async function calibrate(sql: Sql): Promise<number> {
  await sql.unsafe(`
    create schema if not exists bench;
    create or replace function bench.burn(n integer) returns bigint language sql volatile as
      $$ select count(*) from pg_catalog.generate_series(1, n) g where pg_catalog.md5(g::text) < '8' $$`)
  const units = 1_000_000
  const times: number[] = []
  for (let round = 0; round < 3; round++) {
    const start = performance.now()
    await sql`select bench.burn(${units}::integer)`
    times.push(performance.now() - start)
  }
  return (units / Math.min(...times)) * 1000
}

/** Makes and fills the views of a graph in a schema of its own; each burns its seconds, or sleeps them. */
export async function makeViews(sql: Sql, schema: string, nodes: Node[], unitsPerSecond: number | 'asleep') {
  await sql.unsafe(`drop schema if exists ${schema} cascade; create schema ${schema}`)
  for (const { name, reads, seconds } of nodes) {
    const work =
      unitsPerSecond === 'asleep'
        ? `(select pg_sleep(${seconds}))::text`
        : `bench.burn(${Math.round(seconds * unitsPerSecond)})`
    const columns = [
      '1 as id',
      `${work} as work`,
      ...reads.map((read, at) => `(select max(id) from ${schema}.${read}) as read_${at}`),
    ]
    await sql.unsafe(`create materialized view ${schema}.${name} as select ${columns.join(', ')}`)
  }
}
