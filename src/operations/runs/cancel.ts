import { cancelRun } from '../../db/runs/cancel.ts'
import { closeLostRuns } from '../../db/runs/lost-runs.ts'
import { readRun } from '../../db/runs/runs.ts'
import type { Sql } from '../../db/server/connect.ts'
import { Problem } from '../../problem.ts'
import { deadlineOf } from './answer.ts'
import type { Call } from './call.ts'
import { unknownRun } from './read.ts'
import { type Result, resultOf } from './result.ts'
import { waitForRun } from './wait.ts'

/**
 * Cancels a run on the server and waits, as long as the caller does, for its record to say so. Canceling a run that is
 * canceled is no error; one that has ended otherwise is refused with RunEnded.
 */
export function cancel(runId: number, call: Pick<Call, 'database' | 'waitUntil'>): Promise<Result> {
  const work = async (sql: Sql) => {
    const run = await readRun(sql, runId)
    if (run === undefined) throw unknownRun(runId)
    await closeLostRuns(sql, { runId })
    const asked = await cancelRun(sql, runId)
    if (asked) await waitForRun(sql, runId, call.waitUntil)
    const ended = (await readRun(sql, runId)) ?? run
    if (!asked && ended.status !== 'canceled') {
      throw new Problem(
        'RunEnded',
        `Run ${runId} ended before it could be canceled: its status is ${ended.status}.`,
        { runId },
      )
    }
    return resultOf(ended)
  }
  return call.database.withConnection(work, { deadline: deadlineOf(call) })
}
