import { setTimeout as pause } from 'node:timers/promises'
import type { Sql } from '../server/connect.ts'
import { readRunStatus } from './db/runs.ts'
import type { SentEnvelope } from './envelope/run-connection.ts'
import { closeLostRuns } from './life/lose.ts'

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
