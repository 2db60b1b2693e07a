import { type AttemptBasis, readAttemptBasis } from '../db/attempts.ts'
import type { BatchView } from '../db/batch-views.ts'
import type { Batch } from '../db/batches.ts'
import { findView } from '../db/catalog.ts'
import type { Sql } from '../db/connect.ts'
import { problemOf } from '../db/failures.ts'
import { closeLostRuns } from '../db/lost-runs.ts'
import { closeUnclaimed, type RunRequest, recordEnded, replan, skipUnclaimed, startRun } from '../db/runs.ts'
import type { Attempt } from '../plan/batch-steps.ts'
import { Problem, type ProblemCode } from '../problem.ts'
import { type Planned, responseOf, runErrorOf } from './perform.ts'
import { type PlannedAhead, planBatchRefresh } from './plan-ahead.ts'

/** What became of an attempt that was to be made. */
export type Prepared =
  | { runId: number; timeoutSeconds: number }
  /** Another run of the view is running: to be tried again when it has ended. */
  | 'in the way'
  /** It has ended at once: refused, or left out. */
  | 'ended'
  /** Somebody else has made it. */
  | 'made elsewhere'

/** Not the view's fault: the database cannot be worked with now, and who drives the batch tries again later. */
const unreachable: ProblemCode[] = ['DatabaseUnavailable', 'CredentialsRefused', 'NotDirect', 'NotMigrated']

/**
 * Prepares the next attempt at a view whose turn it is: plans it on what the catalog says now, and writes its pending
 * row, or plans that anew where it is there already. A view that is paused is skipped; a plan that is refused ends the
 * attempt as failed.
 */
export async function prepareAttempt(
  sql: Sql,
  batch: Batch,
  view: BatchView,
  pending: Attempt | null,
  ahead: PlannedAhead,
): Promise<Prepared> {
  const [basis, facts] = await Promise.all([
    readAttemptBasis(sql, view),
    findView(sql, view).catch(() => undefined), // planning says what is wrong with it
  ])
  const run = requestOf(batch, view)
  const isScheduled = batch.trigger === 'schedule' || batch.trigger === 'deploy'
  if (basis?.paused || (basis?.allPaused && isScheduled)) {
    const because = basis.paused ? 'the view is paused' : 'everything scheduled is paused'
    if (pending === null) return endedOr(await recordEnded(sql, run, { status: 'skipped', because }))
    await skipUnclaimed(sql, pending.runId, because)
    return 'ended'
  }
  if (basis?.runningRunId != null && (await closeLostRuns(sql, view)).length === 0) return 'in the way'
  const work = ahead.take(view, basis ?? {}, facts) ?? (await planOrRefuse(sql, view, basis, batch))
  if (work instanceof Problem) {
    const error = runErrorOf(work)
    if (pending === null) return endedOr(await recordEnded(sql, run, { status: 'failed', error }))
    await closeUnclaimed(sql, pending.runId, error)
    return 'ended'
  }
  const { plan, timeoutSeconds } = work
  if (pending === null) {
    const runId = await startRun(sql, run, plan, responseOf(work))
    return runId === null ? 'made elsewhere' : { runId, timeoutSeconds }
  }
  const replanned = await replan(sql, pending.runId, plan, responseOf(work))
  return replanned ? { runId: pending.runId, timeoutSeconds } : 'made elsewhere'
}

const endedOr = (runId: number | null): Prepared => (runId === null ? 'made elsewhere' : 'ended')

async function planOrRefuse(
  sql: Sql,
  view: BatchView,
  basis: AttemptBasis | undefined,
  batch: Batch,
): Promise<Planned | Problem> {
  try {
    if (basis === undefined) throw new Problem('UnknownView', `${view.view} has no definition any more.`)
    return await planBatchRefresh(sql, batch, view, basis)
  } catch (thrown) {
    const problem = problemOf(thrown)
    if (problem instanceof Problem && !unreachable.includes(problem.code)) return problem
    throw problem
  }
}

const requestOf = (batch: Batch, { id, schema, name, view }: BatchView): RunRequest => ({
  definitionId: id,
  schema,
  name,
  operation: 'refresh',
  trigger: 'batch',
  requestedBy: batch.requestedBy,
  caller: '',
  idempotencyKey: null,
  request: { view, ...(batch.strategy === null ? {} : { strategy: batch.strategy }) },
  batch: { id: batch.id, attempt: 1 },
})
