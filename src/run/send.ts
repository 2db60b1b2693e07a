import { setTimeout as pause } from 'node:timers/promises'
import type { RunError } from '../catalog/plan/run.ts'
import { mayRetry, Problem } from '../problem.ts'
import type { Sql } from '../server/connect.ts'
import { problemOf } from '../server/failures.ts'
import { lockIsHeld } from '../server/lock-keys.ts'
import type { Plan } from '../sql/plan.ts'
import { answer, deadlineOf } from './answer.ts'
import type { Call } from './call.ts'
import type { RunRequest } from './db/runs.ts'
import { openForRun, type RunConnection } from './envelope/run-connection.ts'
import { variantOf } from './life/ours.ts'
import { closeUnclaimed } from './life/unclaimed.ts'
import { type Planning, recordPlan, runErrorOf } from './record.ts'
import type { Result } from './result.ts'
import { waitForRun } from './wait.ts'

const mostSends = 8
// Callers that refresh one view at once invalidate each other's plans. Random pauses separate them.
const longestPauseMs = (sends: number): number => 20 * 2 ** sends

/** A pending run, and the connection to send it over. */
interface Sendable {
  runId: number
  plan: Plan
  timeoutSeconds: number
  connection: RunConnection
}

/**
 * Sends a pending run until the server claims it, and waits for its end as long as the caller does. A run
 * that comes back unclaimed, because its plan no longer holds, the connection broke or the server is short of
 * disk or memory, is planned and sent again.
 */
export async function sendUntilClaimed(
  sql: Sql,
  call: Call,
  run: RunRequest,
  first: Sendable,
  planning: Planning,
): Promise<void> {
  const { runId } = first
  try {
    for (let sends = 1, sendable = first; ; sends++) {
      const back = await sendAndWait(sql, call, sendable)
      if (back === 'claimed') return
      if (sends === mostSends) throw back ?? (await neverClaimed(sql, runId))
      await pause(Math.random() * longestPauseMs(sends))
      const work = await planning()
      if ('status' in work) throw await neverClaimed(sql, runId)
      if ((await recordPlan(sql, run, work, { pending: runId })) === null) return
      sendable = { ...first, plan: work.plan, connection: await openForRun(call.database) }
    }
  } catch (thrown) {
    const error = problemOf(thrown)
    await closeUnclaimed(sql, runId, error instanceof Problem ? runErrorOf(error) : defect)
    if (!(error instanceof Problem)) throw error
  }
}

/**
 * Sends the run once, and waits for it. If the server has not claimed the run: what it is short of, if that is the reason.
 * Throws the Problem if no further try can help.
 */
async function sendAndWait(
  sql: Sql,
  call: Call,
  { runId, plan, timeoutSeconds, connection }: Sendable,
): Promise<'claimed' | Problem | undefined> {
  const envelope = connection.send(runId, timeoutSeconds, variantOf(plan))
  try {
    if (await waitForRun(sql, runId, call.waitUntil, envelope)) return 'claimed'
    const refused = await envelope.answered
    if (refused !== undefined && !mayRetry(refused.code)) throw refused
    return refused
  } finally {
    await envelope.leave()
  }
}

/** How long the server may still claim a run after the run's connection broke. */
const onItsWayMs = 1000

/**
 * Makes sure that the caller learns of a recorded run if `work` fails, because the server may go on with the
 * run when our connection breaks. The record is read once more on another connection; if that fails too, the
 * Problem has the run's id.
 */
export async function namingRun(runId: number, call: Call, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (thrown) {
    const problem = problemOf(thrown)
    if (!(problem instanceof Problem)) throw thrown
    try {
      return await call.database.withConnection((sql) => answerAfterBreak(sql, runId, call, problem), {
        deadline: deadlineOf(call),
      })
    } catch {
      throw new Problem(
        problem.code,
        `${problem.message} Run ${runId} may still be going on: look at its record.`,
        { ...problem.details, runId, cause: problem },
      )
    }
  }
}

async function answerAfterBreak(sql: Sql, runId: number, call: Call, problem: Problem): Promise<Result> {
  // A run that is still unclaimed was never sent, or the server could not read its envelope any more.
  await waitForRun(sql, runId, Date.now() + onItsWayMs)
  await closeUnclaimed(sql, runId, runErrorOf(problem))
  await waitForRun(sql, runId, call.waitUntil)
  return answer(sql, runId)
}

const defect: RunError = {
  class: 'InternalError',
  message: 'Viewkeeper could not send the run to the server.',
}

/** Why the server does not claim a pending run, however often the run is sent. */
export const neverClaimed = async (sql: Sql, runId: number): Promise<Problem> =>
  (await lockIsHeld(sql, runId, `run ${runId}`)) ??
  new Problem(
    'CatalogChanged',
    'The server never claimed the run: the view or the run kept changing, or the connection broke. Try again.',
  )
