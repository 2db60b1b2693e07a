import type { Sql } from '../server/database.ts'
import { problemOf } from '../server/failures.ts'
import { type Plan, statementsOf } from '../sql/plan.ts'
import { Problem, type ProblemCode } from '../words/problem.ts'
import type { RunError } from '../words/run.ts'
import { closeUnclaimed, endOfRefused, skipUnclaimed } from './db/life.ts'
import {
  type EndedAtOnce,
  type RunRequest,
  type RunResponse,
  recordEnded,
  replan,
  startRun,
} from './db/runs.ts'
import type { Skipped } from './db/skip.ts'

/** What was planned for a run: its statements, the rest of its response, and its time limit. */
export interface Planned {
  plan: Plan
  response: RunResponse
  timeoutSeconds: number
}

/** The database cannot be used now. The view is not at fault: no run fails, and the caller tries later. */
const unreachable: ProblemCode[] = [
  'DatabaseUnavailable',
  'DatabaseReadOnly',
  'CredentialsRefused',
  'NotDirect',
  'NotMigrated',
]

/** Plans the run for the view as it is now, over this connection. If it throws a Problem, the plan is refused. */
export type Planning = (sql: Sql) => Promise<Planned | Skipped>

/** Plans the run. If the plan is refused (a Problem), the run ends at once as failed. */
export async function planOrEnd<P extends Planned>(
  planning: () => Promise<P | Skipped>,
): Promise<P | EndedAtOnce> {
  try {
    return await planning()
  } catch (thrown) {
    const problem = problemOf(thrown)
    if (!(problem instanceof Problem) || unreachable.includes(problem.code)) throw problem
    const error = runErrorOf(problem)
    return { status: endOfRefused(error), error }
  }
}

/** What is recorded of a planned run. */
export const recordedOf = ({ plan, response }: Planned): { plan: Plan; response: RunResponse } => ({
  plan,
  response: { ...response, sql: statementsOf(plan) },
})

/**
 * Records a new pending run with its plan, or writes the plan into the run `pending`. Returns the run's id.
 * Null if another run has the idempotency key or the attempt, if the batch does not go on, if `provided` does
 * not hold, or if the run `pending` was claimed meanwhile.
 */
export async function recordPlan(
  sql: Sql,
  run: RunRequest,
  work: Planned,
  { pending = null, provided }: { pending?: number | null; provided?: Parameters<typeof startRun>[4] } = {},
): Promise<number | null> {
  const { plan, response } = recordedOf(work)
  if (pending === null) return startRun(sql, run, plan, response, provided)
  return (await replan(sql, pending, plan, response)) ? pending : null
}

/**
 * Records the end of a run that was never sent, as a new run or in the run `pending`. Returns the run's id,
 * or null in the cases of startRun. A run `pending` that was claimed meanwhile goes on.
 */
export async function recordEnd(
  sql: Sql,
  run: RunRequest,
  end: EndedAtOnce,
  pending: number | null = null,
): Promise<number | null> {
  if (pending === null) return recordEnded(sql, run, end)
  if ('error' in end) await closeUnclaimed(sql, pending, end.error)
  else await skipUnclaimed(sql, pending, end.because, end.unchanged)
  return pending
}

/** A Problem as it is written into a run's record. */
export const runErrorOf = ({ code, parts, details }: Problem): RunError => ({
  class: code,
  ...parts,
  ...(details.sqlstate === undefined ? {} : { sqlstate: details.sqlstate }),
  ...(details.runningRunId === undefined ? {} : { runningRunId: details.runningRunId }),
})
