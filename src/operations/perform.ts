import type { Sql } from '../db/connect.ts'
import { problemOf } from '../db/failures.ts'
import { closeLostRuns } from '../db/lost-runs.ts'
import { sendEnvelope } from '../db/run-connection.ts'
import {
  closeUnclaimed,
  type EndedAtOnce,
  findByKey,
  type RunError,
  type RunRequest,
  type RunResponse,
  readRun,
  recordEnded,
  replan,
  startRun,
} from '../db/runs.ts'
import { type Plan, statementsOf } from '../plan/plan.ts'
import { Problem } from '../problem.ts'
import type { Call } from './call.ts'
import { type Result, resultOf } from './result.ts'
import { waitForRun } from './wait.ts'

/** What was planned for a run: the statements, what else the record says, and the run's whole time. */
export interface Planned {
  plan: Plan
  response: RunResponse
  timeoutSeconds: number
}

/** The part of a run that is known before its view is looked up. */
type Asked = Omit<RunRequest, 'definitionId' | 'schema' | 'name'>

/** The frame of every operation: what the caller's key already stands for is answered again, anything else is worked on. */
export const operate = (
  operation: RunRequest['operation'],
  request: object,
  call: Call,
  work: (sql: Sql, asked: Asked) => Promise<Result>,
): Promise<Result> =>
  call.database.withConnection(
    async (sql) => {
      const { trigger, requestedBy, caller, idempotencyKey } = call
      const asked = { operation, trigger, requestedBy, caller, idempotencyKey, request: { ...request } }
      return (await findReplay(sql, call, asked)) ?? work(sql, asked)
    },
    { deadline: deadlineOf(call) },
  )

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
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return endAtOnce(sql, call, run, { status: 'failed', error: runErrorOf(error) })
  }
  if ('skipBecause' in work)
    return endAtOnce(sql, call, run, { status: 'skipped', because: work.skipBecause })
  const { plan, timeoutSeconds } = work
  const runId = await startRun(sql, run, plan, responseOf(work))
  if (runId === null) return replayOf(sql, call, run)
  return naming(
    runId,
    async () => {
      await sendUntilClaimed(sql, call, runId, timeoutSeconds, planning)
      return answer(sql, runId)
    },
    call,
  )
}

const responseOf = ({ plan, response }: Planned): RunResponse => ({ ...response, sql: statementsOf(plan) })

const mostSends = 3

/** A run that comes back unclaimed, because its plan has gone stale or the connection broke, is planned and sent again. */
async function sendUntilClaimed(
  sql: Sql,
  call: Call,
  runId: number,
  timeoutSeconds: number,
  planning: Planning,
): Promise<void> {
  try {
    for (let sends = 1; ; sends++) {
      if (await sendAndWait(sql, call, runId, timeoutSeconds)) return
      if (sends === mostSends) throw neverClaimed()
      const work = await planning()
      if ('skipBecause' in work) throw neverClaimed()
      if (!(await replan(sql, runId, work.plan, responseOf(work)))) return
    }
  } catch (thrown) {
    const error = problemOf(thrown)
    await closeUnclaimed(sql, runId, error instanceof Problem ? runErrorOf(error) : defect)
    if (!(error instanceof Problem)) throw error
  }
}

const neverClaimed = (): Problem =>
  new Problem(
    'CatalogChanged',
    'The server never took the run on: the view kept changing, or the connection broke. Try again.',
  )

async function endAtOnce(sql: Sql, call: Call, run: RunRequest, end: EndedAtOnce): Promise<Result> {
  const runId = await recordEnded(sql, run, end)
  return runId === null ? replayOf(sql, call, run) : answer(sql, runId)
}

/** The answer of the run that the caller's key already stands for; null where it stands for none. */
async function findReplay(sql: Sql, call: Call, run: Asked): Promise<Result | null> {
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

/** Whether the server has taken the run on. */
async function sendAndWait(sql: Sql, call: Call, runId: number, timeoutSeconds: number): Promise<boolean> {
  const envelope = await sendEnvelope(call.database, runId, timeoutSeconds)
  try {
    return await waitForRun(sql, runId, call.waitUntil, envelope)
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

/** When a caller is answered in any case: soon after they stop waiting, but not before a run can have been started. */
export const deadlineOf = ({ waitUntil }: Pick<Call, 'waitUntil'>): number =>
  Math.max(waitUntil, Date.now() + 12_000) + 3000

const defect: RunError = {
  class: 'InternalError',
  message: 'Viewkeeper could not send the run to the server.',
}

const runErrorOf = ({ code, message, details }: Problem): RunError => ({
  class: code,
  message,
  ...(details.sqlstate === undefined ? {} : { sqlstate: details.sqlstate }),
})
