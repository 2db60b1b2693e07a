import { setTimeout as pause } from 'node:timers/promises'
import { Problem } from '../problem.ts'
import type { Sql } from '../server/connect.ts'
import { type Call, keyReused, type Result, resultOf } from './call.ts'
import { closeLostRuns } from './db/life.ts'
import { findByKey, type Keyed, type Made, readRun, readRunStatus } from './db/runs.ts'
import type { SentEnvelope } from './envelope/run-connection.ts'

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

const firstPauseMs = 2
const longestPauseMs = 250

/**
 * Waits for the end of a run until `until` (epoch milliseconds). With an `envelope`, waits at least until the
 * server has claimed the run; false if the server has answered and the run is still pending, so that nobody
 * works on it. What happened is read from the run's record, never concluded from how the connection ended.
 */
export async function waitForRun(
  sql: Sql,
  runId: number,
  until: number,
  envelope?: SentEnvelope,
): Promise<boolean> {
  let answered = envelope === undefined
  const answer = envelope?.answered.then(() => {
    answered = true
  })
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    // Copied before the record is read, so that the record has all that the server wrote before its answer.
    const gone = answered
    const status = await readRunStatus(sql, runId)
    if (status === 'pending' && envelope !== undefined) {
      if (gone) return false
    } else if (Date.now() >= until) return true
    // The record is complete only when the server has answered: counts made aside follow the commit.
    else if (gone && status !== 'pending' && status !== 'running') return true
    if (gone) {
      // If the envelope is answered and the run still running, its session may still hold the run's lock.
      await envelope?.leave()
      await closeLostRuns(sql, { runId })
    }
    await Promise.race([pause(pauseMs), ...(answered || answer === undefined ? [] : [answer])])
  }
}
