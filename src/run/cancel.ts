import { cancelRun } from '../record/runs/cancel.ts'
import { closeLostRuns } from '../record/runs/life.ts'
import { readRun } from '../record/runs/runs.ts'
import type { Sql } from '../server/database.ts'
import { type Call, deadlineOf, endedBefore, type Result, resultOf, unknown, waitForRun } from './call.ts'

/** After this time a signal counts as lost, for example in a function of the view that catches it, and is sent again. */
const signalLostMs = 5500

/**
 * Cancels a run on the server and waits, as long as the caller does, until the run's record says so.
 * Canceling a canceled run is no error. A run that ended in any other way is refused with RunEnded.
 */
export function cancel(
  runId: number,
  call: Pick<Call, 'database' | 'waitUntil' | 'requestedBy'>,
): Promise<Result> {
  const work = async (sql: Sql) => {
    const run = await readRun(sql, runId)
    if (run === undefined) throw unknown('run', runId)
    await closeLostRuns(sql, { runId })
    const requested = await cancelRun(sql, runId, call.requestedBy)
    let [ended, asked] = [run, requested]
    do {
      if (asked) await waitForRun(sql, runId, Math.min(call.waitUntil, Date.now() + signalLostMs))
      ended = (await readRun(sql, runId)) ?? run
      asked &&=
        ended.status === 'running' && Date.now() < call.waitUntil && (await cancelRun(sql, runId, null))
    } while (asked)
    if (!requested && ended.status !== 'canceled') throw endedBefore('run', runId, ended.status)
    return resultOf(ended)
  }
  return call.database.withConnection(work, { deadline: deadlineOf(call), writes: true })
}
