import { setTimeout as pause } from 'node:timers/promises'
import { closeUnclaimed } from '../record/runs/life.ts'
import { type RunRequest, type RunRow, startRunHere, withWords } from '../record/runs/runs.ts'
import type { Sql } from '../server/database.ts'
import { problemOf, sqlstateOf } from '../server/failures.ts'
import { displayName } from '../words/names.ts'
import { mayRetry, Problem } from '../words/problem.ts'
import type { RunError } from '../words/run.ts'
import { answer, type Call, deadlineOf, type Result, resultOf, waitForRun } from './call.ts'
import {
  type RunConnection,
  type SentRun,
  sendEnvelope,
  sendRun,
  takeBack,
  takeRuns,
  withRunConnection,
} from './connections/run-connection.ts'
import {
  neverClaimed,
  type PlannedRun,
  type Planning,
  recordedOf,
  recordPlan,
  runErrorOf,
} from './planned-run.ts'

const mostSends = 8
// Callers that refresh one view at once invalidate each other's plans. Random pauses separate them.
const longestPauseMs = (sends: number): number => 20 * 2 ** sends

/** A run that was sent, with its plan. */
interface SentAttempt extends SentRun {
  runId: number
  work: PlannedRun
}

/** Records a new run as pending, and sends it, in one message. Null in the cases of startRun. */
export async function sendNew(
  connection: RunConnection,
  run: RunRequest,
  work: PlannedRun,
  call: Call,
): Promise<SentAttempt | null> {
  const { sql } = connection
  const sentAs = crypto.randomUUID()
  const recorded = startRunHere(sql, { ...run, sentAs }, recordedOf(work), (id) => takeRuns(id, work))
  const sent = sendEnvelope(connection)
  const runId = await recorded.catch(async (error) => {
    if (sqlstateOf(error) !== undefined) throw error
    return (await import('../record/runs/sent.ts')).findSentRun(call.database, run, sentAs, problemOf(error))
  })
  if (runId !== null) return { runId, work, ...sent }
  takeBack(connection)
  return null
}

/** A run that takes longer is watched over a second connection. */
export const momentMs = 250

/**
 * Waits for the end of a sent run as long as the caller does, at least until the server claims the run. A run
 * that comes back unclaimed, because its plan no longer holds, the connection broke or the server is short of
 * disk or memory, is planned and sent again. Returns what the record says.
 */
export async function untilClaimed(
  connection: RunConnection,
  call: Call,
  run: RunRequest,
  sent: SentAttempt,
  planning: Planning,
  sends = 1,
): Promise<Result> {
  const { runId } = sent
  const again = (on: RunConnection) => sendAgain(on, call, run, sent, planning, sends)
  const told = (record: RunRow | undefined) =>
    record?.id === runId && record.status === 'pending' ? again(connection) : endOf(sent, record)
  const soon = await told(await within(momentMs, sent.record))
  if (soon !== undefined) return soon
  let watches = false
  const watched = withRunConnection(
    call.database,
    async (watch) => {
      watches = true
      if (await waitForRun(watch.sql, runId, call.waitUntil, sent)) return answer(watch.sql, runId)
      await sent.leave()
      return again(watch)
    },
    { name: 'viewkeeper watching', deadline: deadlineOf(call), once: true },
  ).catch(async (error) => {
    if (watches) throw error
    // Without a second connection, the answer is what the run's own one brings while the caller waits.
    const left = Math.max(call.waitUntil - Date.now(), momentMs)
    const brought = await within(
      left,
      sent.record.then((record) => ({ record })),
    )
    const end = brought && (await told(brought.record))
    if (end !== undefined) return end
    const { code } = problemOf(error) as { code?: string }
    if (brought === undefined && code === 'TooManyConnections') return goingOn(run, sent)
    throw error // the run's own connection broke, too, or may have
  })
  const end = await Promise.race([
    watched,
    sent.record.then((record) => (watches ? watched : endOf(sent, record))),
  ])
  // A login that is on its way would outlast the answer.
  if (end !== undefined)
    await within(
      longestLoginMs,
      watched.catch(() => {}),
    )
  return end ?? watched
}

/** The longest wait for a login that the answer does not need any more. */
const longestLoginMs = 1000

/** The answer, if the record says that the run has ended. */
const endOf = ({ runId }: SentAttempt, record: RunRow | undefined): Promise<Result> | undefined =>
  record?.id === runId && record.status !== 'pending' && record.status !== 'running'
    ? resultOf(record)
    : undefined

/** The answer of a run that nobody watches. */
async function goingOn(run: RunRequest, { runId, work }: SentAttempt): Promise<Result> {
  const view = displayName(run)
  const unknown = { rowCountBefore: null, rowCountAfter: null, durationMs: null }
  const { response } = recordedOf(work)
  return {
    runId,
    view,
    operation: run.operation,
    status: 'running',
    request: run.request,
    response: { view, ...(await withWords(response)), ...unknown },
  }
}

/** What comes within so many milliseconds; undefined if nothing does. */
const within = <T>(ms: number, coming: Promise<T>): Promise<T | undefined> =>
  Promise.race([coming, pause<undefined>(ms, undefined, { ref: false })])

/** Plans a run anew that came back unclaimed, and sends it again. If no further try can help, the run ends as failed. */
async function sendAgain(
  on: RunConnection,
  call: Call,
  run: RunRequest,
  { runId, answered }: SentAttempt,
  planning: Planning,
  sends: number,
): Promise<Result> {
  const { sql } = on
  let sent: SentAttempt
  try {
    const refused = await answered
    takeBack(on)
    if (refused !== undefined && !mayRetry(refused.code)) throw refused
    if (sends === mostSends) throw refused ?? neverClaimed()
    await pause(Math.random() * longestPauseMs(sends))
    const work = await planning(sql)
    if ('status' in work) throw neverClaimed()
    // The server may have claimed the run after all.
    if ((await recordPlan(sql, run, work, { pending: runId })) === null) return endAnswer(sql, runId, call)
    sent = { runId, work, ...sendRun(on, runId, work) }
  } catch (thrown) {
    const error = problemOf(thrown)
    await closeUnclaimed(sql, runId, error instanceof Problem ? runErrorOf(error) : defect)
    if (!(error instanceof Problem)) throw error
    return endAnswer(sql, runId, call)
  }
  return untilClaimed(on, call, run, sent, planning, sends + 1)
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
  return endAnswer(sql, runId, call)
}

/** What the record says of a run at its end, or when the caller waits no longer. */
async function endAnswer(sql: Sql, runId: number, { waitUntil }: Call): Promise<Result> {
  await waitForRun(sql, runId, waitUntil)
  return answer(sql, runId)
}

const defect: RunError = {
  class: 'InternalError',
  message: 'Viewkeeper could not send the run to the server.',
}
