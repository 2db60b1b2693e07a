import type { RefreshRequest } from '../../src/run/refresh.ts'
import type { Sql } from '../../src/server/connect.ts'
import { ownCode } from './code.ts'
import type { Sample } from './rounds.ts'
import type { BenchServer } from './server.ts'

/** Does `work`. Returns the time, and how much WAL the server wrote meanwhile. */
export async function measure(sql: Sql, work: () => Promise<unknown>): Promise<Sample> {
  const before = await readWalPosition(sql)
  const start = performance.now()
  await work()
  const ms = performance.now() - start
  return { ms, walBytes: (await readWalPosition(sql)) - before, reads: [] }
}

async function readWalPosition(sql: Sql): Promise<number> {
  const [row] = await sql<{ at: number }[]>`select (pg_current_wal_insert_lsn() - '0/0')::int8 as at`
  return row!.at
}

/** One refresh as the functions do it, from connecting to the answer that the run has ended. */
export async function refreshWhole(
  { database, code = ownCode }: BenchServer,
  request: RefreshRequest,
): Promise<void> {
  const result = await code.refresh(request, {
    database,
    trigger: 'cli',
    requestedBy: 'bench',
    caller: 'bench',
    idempotencyKey: null,
    waitUntil: Date.now() + 600_000,
  })
  if (result.status !== 'updated') throw new Error(`${request.view}: ${JSON.stringify(result)}`)
}
