import { setTimeout as pause } from 'node:timers/promises'
import type { Sql } from '../db/connect.ts'
import { closeLostRuns } from '../db/lost-runs.ts'
import type { SentEnvelope } from '../db/run-connection.ts'
import { closeUnclaimed, readRunStatus } from '../db/runs.ts'

const firstPauseMs = 2
const longestPauseMs = 250

/**
 * Waits for the end of a run until `until` (epoch milliseconds), and in any case until the server has claimed it.
 * What happened is read from the run's record, never concluded from how the connection ended.
 */
export async function waitForRun(
  sql: Sql,
  runId: number,
  until: number,
  envelope?: SentEnvelope,
): Promise<void> {
  let answered = envelope === undefined
  const answer = envelope?.answered.then(() => {
    answered = true
  })
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    const gone = answered // before the look at the record: what the server wrote before its answer is seen by it
    const status = await readRunStatus(sql, runId)
    if (status !== 'pending' && Date.now() >= until) return
    if (status === 'pending' && gone && envelope !== undefined)
      return closeUnclaimed(sql, runId, neverClaimed)
    // The record is complete when the server has answered: counts that come aside follow the commit.
    if (status !== 'pending' && status !== 'running' && gone) return
    if (status === 'pending' && envelope === undefined && Date.now() >= until) return
    if (status === 'running' && gone) await closeLostRuns(sql)
    await Promise.race([pause(pauseMs), ...(answered || answer === undefined ? [] : [answer])])
  }
}

const neverClaimed = {
  class: 'RunLost',
  message: 'The connection broke before the server took the run on; nothing was done. Try again.',
} as const
