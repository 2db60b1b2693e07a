import { Problem } from '../problem.ts'
import type { Sql } from '../server/connect.ts'
import type { Call } from './call.ts'
import { findByKey, type Keyed, type Made, readRun } from './db/runs.ts'
import { keyReused } from './refusals.ts'
import { type Result, resultOf } from './result.ts'
import { waitForRun } from './wait.ts'

/** The id of the run or the batch that the same request has made already; null if there is none. */
export async function findEarlier<Kind extends keyof Made>(
  sql: Sql,
  kind: Kind,
  request: Keyed,
): Promise<Made[Kind] | null> {
  const { idempotencyKey: key } = request
  const earlier = key === null ? null : await findByKey(sql, kind, request)
  if (key === null || earlier === null) return null
  if (!earlier.sameRequest) throw keyReused(kind, earlier.id, key)
  return earlier.id
}

/** The answer of the run that the same request has made already; null if there is none. */
export async function replay(sql: Sql, call: Call, request: Keyed): Promise<Result | null> {
  const runId = await findEarlier(sql, 'run', request)
  if (runId === null) return null
  await waitForRun(sql, runId, call.waitUntil)
  return answer(sql, runId)
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
