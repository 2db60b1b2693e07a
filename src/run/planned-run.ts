import { closeUnclaimed, endOfRefused, skipUnclaimed } from '../record/runs/life.ts'
import {
  type EndedAtOnce,
  type RunRequest,
  type RunResponse,
  recordEnded,
  replan,
  startRun,
} from '../record/runs/runs.ts'
import { readUnchanged, type Skipped, skipped } from '../record/runs/skip.ts'
import type { Sql } from '../server/database.ts'
import { problemOf } from '../server/failures.ts'
import { type RunPlan, statementsOf } from '../sql/run-plan.ts'
import { Problem, type ProblemCode } from '../words/problem.ts'
import type { RunError, Unchanged } from '../words/run.ts'

/** What was planned for a run: its statements, the rest of its response, and its time limit. */
export interface PlannedRun {
  plan: RunPlan
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
export type Planning = (sql: Sql) => Promise<PlannedRun | Skipped>

/** Whether the slices that somebody asks for are none: nothing is recorded, because the view is not at fault. */
const isOfSlices = ({ code, details: { field = '' } }: Problem): boolean =>
  code === 'InvalidRequest' && /^slices/.test(field)

/** Plans the run. If the plan is refused (a Problem), the run ends at once as failed. */
export async function planOrEnd<P extends PlannedRun>(
  planning: () => Promise<P | Skipped>,
): Promise<P | EndedAtOnce> {
  try {
    return await planning()
  } catch (thrown) {
    const problem = problemOf(thrown)
    if (!(problem instanceof Problem) || unreachable.includes(problem.code) || isOfSlices(problem))
      throw problem
    const error = runErrorOf(problem)
    return { status: endOfRefused(error), error }
  }
}

/** What is recorded of a planned run. */
export const recordedOf = ({ plan, response }: PlannedRun): { plan: RunPlan; response: RunResponse } => ({
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
  work: PlannedRun,
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

/** Proves that a refresh of the view would change nothing; undefined if that cannot be proved. */
async function findUnchanged(sql: Sql, definitionId: number): Promise<Unchanged | undefined> {
  const [{ unchanged }] = await readUnchanged(sql, definitionId)
  if (unchanged === null) return undefined
  const { whyNotKnown } = await import('../slices/db/read-queries.ts')
  return (await whyNotKnown(sql, unchanged.relation)) === null ? unchanged : undefined
}

const becauseOf = ({ counted, asOf }: Unchanged) =>
  `${counted ? `nothing was committed before ${asOf} in what the view reads since its last refresh` : 'nothing that the view reads has been refreshed since'}; "force" refreshes it all the same`

/** A run that would change nothing, if that is proved; undefined if the view has to be refreshed. */
export async function skippedUnchanged(sql: Sql, definitionId: number): Promise<Skipped | undefined> {
  const unchanged = await findUnchanged(sql, definitionId)
  return unchanged && { ...skipped(becauseOf(unchanged)), unchanged }
}

/** Why the server does not claim a pending run, however often the run is sent. */
export const neverClaimed = (): Problem =>
  new Problem(
    'CatalogChanged',
    'The server never claimed the run: it or its view kept changing, or the connection broke. Try again.',
  )
