import { findByKey, readRun } from '../../db/runs/runs.ts'
import type { Sql } from '../../db/server/connect.ts'
import { Problem } from '../../problem.ts'
import type { Call } from './call.ts'
import { keyReused } from './key-reused.ts'
import { type Result, resultOf } from './result.ts'
import { waitForRun } from './wait.ts'

/** The answer of the run that the caller's key already stands for; null if the key stands for none. */
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

/** When a caller is answered in any case: soon after the wait is over, but not before a run can have been started. */
export const deadlineOf = ({ waitUntil }: Pick<Call, 'waitUntil'>): number =>
  Math.max(waitUntil, Date.now() + 12_000) + 3000
