import type { BatchRequest } from '../../src/batch/start.ts'
import type { Sql } from '../../src/server/connect.ts'
import { ownCode } from './code.ts'
import type { BenchServer } from './server.ts'

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
