import type { Sql } from '../db/connect.ts'
import { closeLostRuns } from '../db/lost-runs.ts'
import { sendEnvelope } from '../db/run-connection.ts'
import {
  closeUnclaimed,
  findByKey,
  type RunError,
  type RunRequest,
  type RunResponse,
  readRun,
  recordRefusal,
  startRun,
} from '../db/runs.ts'
import type { Plan } from '../plan/plan.ts'
import { Problem } from '../problem.ts'
import type { Call } from './call.ts'
import { type Result, resultOf } from './result.ts'
import { waitForRun } from './wait.ts'

/** What was planned for a run: the statements, what the record says of them, and the run's whole time. */
export interface Planned {
  plan: Plan
  response: RunResponse
  timeoutSeconds: number
}

/**
 * Performs one run: records it as pending with its plan, has the server do it, and answers with what the record says
 * when the caller stops waiting. A plan that is refused (a Problem) is a run too: it ends failed, the view untouched.
 */
export async function performRun(
  sql: Sql,
  call: Call,
  run: RunRequest,
  planned: () => Planned,
): Promise<Result> {
  await closeLostRuns(sql, run)
  let work: Planned
  try {
    work = planned()
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const refusal = await recordRefusal(sql, run, runErrorOf(error))
    return refusal === null ? replayOf(sql, call, run) : answer(sql, refusal)
  }
  const runId = await startRun(sql, run, work.plan, work.response)
  if (runId === null) return replayOf(sql, call, run)
  return naming(runId, async () => {
    await sendAndWait(sql, call, runId, work.timeoutSeconds)
    return answer(sql, runId)
  })
}

/** The answer of the run that the caller's key already stands for; null where it stands for none. */
export async function findReplay(
  sql: Sql,
  call: Call,
  run: Pick<RunRequest, 'trigger' | 'requestedBy' | 'operation' | 'idempotencyKey' | 'request'>,
): Promise<Result | null> {
  if (run.idempotencyKey === null) return null
  const earlier = await findByKey(sql, run)
  if (earlier === null) return null
  if (!earlier.sameRequest) {
    throw new Problem(
      'IdempotencyKeyReused',
      `Idempotency-Key ${JSON.stringify(run.idempotencyKey)} already stands for run ${earlier.id}, which was asked for ` +
        'something else. Send a new key with a new request.',
      { field: 'Idempotency-Key', runId: earlier.id },
    )
  }
  await waitForRun(sql, earlier.id, call.waitUntil)
  return answer(sql, earlier.id)
}

async function replayOf(sql: Sql, call: Call, run: RunRequest): Promise<Result> {
  return (await findReplay(sql, call, run)) as Result
}

async function sendAndWait(sql: Sql, call: Call, runId: number, timeoutSeconds: number): Promise<void> {
  let envelope: Awaited<ReturnType<typeof sendEnvelope>>
  try {
    envelope = await sendEnvelope(call.database, runId, timeoutSeconds)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return closeUnclaimed(sql, runId, runErrorOf(error))
  }
  try {
    await waitForRun(sql, runId, call.waitUntil, envelope)
  } finally {
    await envelope.leave()
  }
}

async function answer(sql: Sql, runId: number): Promise<Result> {
  const run = await readRun(sql, runId)
  if (run === undefined)
    throw new Problem('UnknownRun', `Run ${runId} is not in the history any more.`, { runId })
  return resultOf(run)
}

/** Whatever goes wrong once the run is on record, the caller learns its id: the server may well go on with it. */
async function naming<T>(runId: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Problem) || error.details.runId !== undefined) throw error
    throw new Problem(
      error.code,
      `${error.message} Run ${runId} may still be going on: look at its record.`,
      {
        ...error.details,
        runId,
        cause: error,
      },
    )
  }
}

const runErrorOf = ({ code, message, details }: Problem): RunError => ({
  class: code,
  message,
  ...(details.sqlstate === undefined ? {} : { sqlstate: details.sqlstate }),
})
