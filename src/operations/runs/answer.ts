import { findByKey, readRun } from '../../db/runs/runs.ts'
import type { Sql } from '../../db/server/connect.ts'
import { Problem } from '../../problem.ts'
import type { Call } from './call.ts'
import { keyReused } from './key-reused.ts'
import { type Result, resultOf } from './result.ts'
import { waitForRun } from './wait.ts'

/** The answer of the run that has the caller's idempotency key already; null if there is none. */
export async function replay(
  sql: Sql,
  call: Call,
  run: Parameters<typeof findByKey>[1],
): Promise<Result | null> {
  if (run.idempotencyKey === null) return null
  const earlier = await findByKey(sql, run)
  if (earlier === null) return null
  if (!earlier.sameRequest) throw keyReused(run.idempotencyKey, 'run', earlier.id)
  await waitForRun(sql, earlier.id, call.waitUntil)
  return answer(sql, earlier.id)
}

/** What the record says of a run at this moment. */
export async function answer(sql: Sql, runId: number): Promise<Result> {
  const run = await readRun(sql, runId)
  if (run === undefined)
    throw new Problem('UnknownRun', `Run ${runId} is not in the history any more.`, { runId })
  return resultOf(run)
}

/** The deadline for the answer to a caller: soon after the wait ends, but late enough to start a run. */
export const deadlineOf = ({ waitUntil }: Pick<Call, 'waitUntil'>): number =>
  Math.max(waitUntil, Date.now() + 12_000) + 3000
