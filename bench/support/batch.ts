import type { BatchRequest } from '../../src/batch/start.ts'
import type { Sql } from '../../src/server/database.ts'
import { ownCode } from './code.ts'
import type { Node } from './graphs.ts'
import type { BenchServer } from './server.ts'

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

export const batchCall = {
  trigger: 'cli',
  requestedBy: 'bench',
  caller: 'bench',
  idempotencyKey: null,
} as const

/** Runs one batch, two views at once. `ms` is the time of the call that advances the batch, `wholeMs` that with the request. */
export async function runBatch({ sql, database, code = ownCode }: BenchServer, request: BatchRequest) {
  const asked = { concurrency: 2, exchange: 'each' as const, retries: 0, ...request }
  const asks = performance.now()
  const { batchId: id } = await code.startBatch(asked, { database, ...batchCall })
  const start = performance.now()
  const advanced = await code.advance(id, { database, until: Date.now() + 600_000 })
  const end = performance.now()
  if (!advanced.done || advanced.status !== 'success')
    throw new Error(`batch ${id}: ${JSON.stringify(advanced)}`)
  await sql`checkpoint`
  return { id, ms: end - start, wholeMs: end - asks }
}

/** The milliseconds from the end of each view to the start of each view that reads it. */
export async function readGaps(sql: Sql, batchId: string): Promise<number[]> {
  const rows = await sql<{ ms: number }[]>`
    select (extract(epoch from r.started_at - p.finished_at) * 1000)::float8 as ms
      from viewkeeper.batch_views v
      join viewkeeper.runs r on r.batch_id = v.batch_id and r.definition_id = v.definition_id
      join viewkeeper.runs p on p.batch_id = v.batch_id and p.definition_id = any (v.parents)
     where v.batch_id = ${batchId}`
  return rows.map(({ ms }) => ms)
}
