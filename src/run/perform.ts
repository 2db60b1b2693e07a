import type { Sql } from '../server/connect.ts'
import { answer, replay } from './answer.ts'
import type { Call } from './call.ts'
import type { EndedAtOnce, RunRequest } from './db/runs.ts'
import type { RunConnection } from './envelope/run-connection.ts'
import { type Planning, planOrEnd, recordEnd } from './record.ts'
import type { Result } from './result.ts'
import { namingRun, sendNew, untilClaimed } from './send.ts'

/**
 * Performs one run over a connection: plans it, records it as pending, sends it to the server, and answers with its record as
 * it is when the caller stops waiting. If the plan is refused (a Problem), the run ends as failed and the
 * view is untouched.
 */
export async function performRun(
  connection: RunConnection,
  call: Call,
  run: RunRequest,
  planning: Planning,
): Promise<Result> {
  const { sql } = connection
  const work = await planOrEnd(() => planning(sql))
  if ('status' in work) return endAtOnce(sql, call, run, work)
  const sent = await sendNew(connection, run, work)
  if (sent !== null)
    return namingRun(sent.runId, call, () => untilClaimed(connection, call, run, sent, planning))
  // Another run took the key meanwhile. If that run has given the key back since, this call starts over.
  return (await replay(sql, call, run)) ?? performRun(connection, call, run, planning)
}

async function endAtOnce(sql: Sql, call: Call, run: RunRequest, end: EndedAtOnce): Promise<Result> {
  const runId = await recordEnd(sql, run, end)
  if (runId !== null) return answer(sql, runId)
  return (await replay(sql, call, run)) ?? endAtOnce(sql, call, run, end)
}
