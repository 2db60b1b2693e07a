import type { Sql } from '../server/connect.ts'
import { answer, replay } from './answer.ts'
import type { Call } from './call.ts'
import type { EndedAtOnce, RunRequest } from './db/runs.ts'
import { openForRun } from './envelope/run-connection.ts'
import { closeLostRuns } from './life/lose.ts'
import { type Planning, planOrEnd, recordEnd, recordPlan } from './record.ts'
import type { Result } from './result.ts'
import { namingRun, sendUntilClaimed } from './send.ts'

/**
 * Performs one run: plans it, records it as pending, sends it to the server, and answers with its record as
 * it is when the caller stops waiting. If the plan is refused (a Problem), the run ends as failed and the
 * view is untouched.
 */
export async function performRun(sql: Sql, call: Call, run: RunRequest, planning: Planning): Promise<Result> {
  await closeLostRuns(sql, run)
  const work = await planOrEnd(planning)
  if ('status' in work) return endAtOnce(sql, call, run, work)
  // Opened before the run is recorded: if no second connection is free, no run is recorded.
  const connection = await openForRun(call.database)
  try {
    const runId = await recordPlan(sql, run, work)
    if (runId !== null) {
      return await namingRun(runId, call, async () => {
        await sendUntilClaimed(sql, call, run, { runId, ...work, connection }, planning)
        return answer(sql, runId)
      })
    }
  } finally {
    await connection.leave()
  }
  // Another run took the key meanwhile. If that run has given the key back since, this call starts over.
  return (await replay(sql, call, run)) ?? performRun(sql, call, run, planning)
}

async function endAtOnce(sql: Sql, call: Call, run: RunRequest, end: EndedAtOnce): Promise<Result> {
  const runId = await recordEnd(sql, run, end)
  if (runId !== null) return answer(sql, runId)
  return (await replay(sql, call, run)) ?? endAtOnce(sql, call, run, end)
}
