import { setTimeout as pause } from 'node:timers/promises'
import { closeLostRuns } from '../../db/runs/lost-runs.ts'
import { openForRun, type RunConnection } from '../../db/runs/run-connection.ts'
import {
  closeUnclaimed,
  type EndedAtOnce,
  type RunError,
  type RunRequest,
  type RunResponse,
  recordEnded,
  replan,
  startRun,
} from '../../db/runs/runs.ts'
import type { Sql } from '../../db/server/connect.ts'
import { problemOf } from '../../db/server/failures.ts'
import { type Plan, statementsOf } from '../../plan/plan.ts'
import { Problem } from '../../problem.ts'
import type { Call } from './call.ts'
import { neverClaimed } from './never-claimed.ts'
import { answer, deadlineOf, replay } from './operate.ts'
import type { Result } from './result.ts'
import { waitForRun } from './wait.ts'

/** What was planned for a run: the statements, what else the record says, and the run's whole time. */
export interface Planned {
  plan: Plan
  response: RunResponse
  timeoutSeconds: number
}

/** There is nothing to do, for this reason. */
interface Skip {
  skipBecause: string
}

/** Looks at the view as it is now, and plans. A Problem that it throws is a refusal. */
type Planning = () => Promise<Planned | Skip>

/**
 * Performs one run: records it as pending with its plan, has the server do it, and answers with what the record says
 * when the caller stops waiting. A plan that is refused (a Problem) is a run too: it ends failed, the view untouched.
 */
export async function performRun(sql: Sql, call: Call, run: RunRequest, planning: Planning): Promise<Result> {
  await closeLostRuns(sql, run)
  let work: Planned | Skip
  try {
    work = await planning()
  } catch (thrown) {
    const error = problemOf(thrown)
    if (!(error instanceof Problem)) throw error
    return endAtOnce(sql, call, run, { status: 'failed', error: runErrorOf(error) })
  }
  if ('skipBecause' in work)
    return endAtOnce(sql, call, run, { status: 'skipped', because: work.skipBecause })
  // Before the run is written down: where no second connection is free, there is no run that failed.
  const connection = await openForRun(call.database)
  try {
    const runId = await startRun(sql, run, work.plan, responseOf(work))
    if (runId !== null) {
      const send = () => sendUntilClaimed(sql, call, { runId, ...work, connection }, planning)
      return await naming(runId, () => send().then(() => answer(sql, runId)), call)
    }
  } finally {
    await connection.leave()
  }
  // The key was taken meanwhile; and if it has been given back since, this run is the first again.
  return (await replay(sql, call, run)) ?? performRun(sql, call, run, planning)
}

/** What the record says of a plan. */
export const responseOf = ({ plan, response }: Planned): RunResponse => ({
  ...response,
  sql: statementsOf(plan),
})

const mostSends = 8
// Those who refresh one view at the same moment each make the plans of the others stale: so they come back one by one.
const longestPauseMs = (sends: number): number => 20 * 2 ** sends

/** A pending run, and the connection to send it over. */
interface Sendable {
  runId: number
  timeoutSeconds: number
  connection: RunConnection
}

/** A run that comes back unclaimed, because its plan has gone stale or the connection broke, is planned and sent again. */
async function sendUntilClaimed(sql: Sql, call: Call, first: Sendable, planning: Planning): Promise<void> {
  const { runId } = first
  try {
    for (let sends = 1, sendable = first; ; sends++) {
      if (await sendAndWait(sql, call, sendable)) return
      if (sends === mostSends) throw await neverClaimed(sql, runId)
      await pause(Math.random() * longestPauseMs(sends))
      const work = await planning()
      if ('skipBecause' in work) throw await neverClaimed(sql, runId)
      if (!(await replan(sql, runId, work.plan, responseOf(work)))) return
      sendable = { ...first, connection: await openForRun(call.database) }
    }
  } catch (thrown) {
    const error = problemOf(thrown)
    await closeUnclaimed(sql, runId, error instanceof Problem ? runErrorOf(error) : defect)
    if (!(error instanceof Problem)) throw error
  }
}

async function endAtOnce(sql: Sql, call: Call, run: RunRequest, end: EndedAtOnce): Promise<Result> {
  const runId = await recordEnded(sql, run, end)
  if (runId !== null) return answer(sql, runId)
  return (await replay(sql, call, run)) ?? endAtOnce(sql, call, run, end)
}

/** Whether the server has taken the run on. */
async function sendAndWait(
  sql: Sql,
  call: Call,
  { runId, timeoutSeconds, connection }: Sendable,
): Promise<boolean> {
  const envelope = connection.send(runId, timeoutSeconds)
  try {
    if (await waitForRun(sql, runId, call.waitUntil, envelope)) return true
    const refused = await envelope.answered
    if (refused !== undefined) throw refused
    return false
  } finally {
    await envelope.leave()
  }
}

/** How long a run that was sent over a connection that broke may still be claimed. */
const onItsWayMs = 1000

/**
 * Once the run is on record the server may well go on with it when our connection breaks: so the record is read once more
 * on another one, and if that fails too, the caller at least learns the run's id.
 */
async function naming(runId: number, work: () => Promise<Result>, call: Call): Promise<Result> {
  try {
    return await work()
  } catch (thrown) {
    const problem = problemOf(thrown)
    if (!(problem instanceof Problem)) throw thrown
    try {
      return await call.database.withConnection(
        async (sql) => {
          // Nobody has taken it on: it was never sent, or the way broke before the server had read it.
          await waitForRun(sql, runId, Date.now() + onItsWayMs)
          await closeUnclaimed(sql, runId, runErrorOf(problem))
          await waitForRun(sql, runId, call.waitUntil)
          return answer(sql, runId)
        },
        { deadline: deadlineOf(call) },
      )
    } catch {
      throw new Problem(
        problem.code,
        `${problem.message} Run ${runId} may still be going on: look at its record.`,
        {
          ...problem.details,
          runId,
          cause: problem,
        },
      )
    }
  }
}

const defect: RunError = {
  class: 'InternalError',
  message: 'Viewkeeper could not send the run to the server.',
}

/** A Problem as a run's record has it. */
export const runErrorOf = ({ code, message, details }: Problem): RunError => ({
  class: code,
  message,
  ...(details.sqlstate === undefined ? {} : { sqlstate: details.sqlstate }),
})
