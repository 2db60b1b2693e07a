import type { BatchView } from '../../db/batches/batch-views.ts'
import type { Batch } from '../../db/batches/batches.ts'
import { basisHolds, type PlanBasis, readPlanBasis } from '../../db/batches/latest-runs.ts'
import { closeLostRuns } from '../../db/runs/lost-runs.ts'
import {
  closeUnclaimed,
  type EndedAtOnce,
  type RunRequest,
  recordEnded,
  replan,
  skipUnclaimed,
  startRun,
} from '../../db/runs/runs.ts'
import type { Sql } from '../../db/server/connect.ts'
import { problemOf } from '../../db/server/failures.ts'
import { findView } from '../../db/views/catalog.ts'
import type { LatestRun } from '../../plan/batches/next.ts'
import type { ViewFacts } from '../../plan/views/view-facts.ts'
import { Problem, type ProblemCode } from '../../problem.ts'
import { type Planned, responseOf, runErrorOf } from '../runs/perform.ts'
import { type PlanAhead, type PlannedAhead, planBatchRefresh } from './plan-ahead.ts'

/** What became of an attempt that was to be made. */
export type Prepared =
  | { runId: number; timeoutSeconds: number }
  /** Another run of the view is running: to be tried again when it has ended. */
  | 'in the way'
  /** It has ended at once: refused, or left out. */
  | 'ended'
  /** Somebody else has made it. */
  | 'made elsewhere'

/** How long a plan made ahead is followed after no more than a glance. */
const stillGoodMs = 10_000

/** Not the view's fault: the database cannot be worked with now, and who advances the batch tries again later. */
const unreachable: ProblemCode[] = ['DatabaseUnavailable', 'CredentialsRefused', 'NotDirect', 'NotMigrated']

/**
 * Prepares the next attempt at a view whose turn it is: plans it on what the catalog says now, and writes its pending
 * row, or plans that anew where it is there already. A view that is paused is skipped; a plan that is refused ends the
 * attempt as failed.
 */
export async function prepareRun(
  sql: Sql,
  batch: Batch,
  view: BatchView,
  pending: LatestRun | null,
  ahead: PlannedAhead,
): Promise<Prepared> {
  const run = requestOf(batch, view)
  const made = pending === null ? ahead.take(view) : undefined
  const quick = made === undefined ? null : await startAsPlanned(sql, run, view, made)
  if (quick !== null) return quick
  const [basis, facts] = await Promise.all([
    readPlanBasis(sql, view),
    findView(sql, view).catch(() => undefined), // planning says what is wrong with it
  ])
  const because = pauseOf(batch, basis)
  if (because !== null) return endAtOnce(sql, run, pending, { status: 'skipped', because })
  if (basis?.runningRunId != null && (await closeLostRuns(sql, view)).length === 0) return 'in the way'
  const holds = made !== undefined && standsOn(made.basis, made.planned.view) === standsOn(basis, facts)
  const work = holds ? made.planned : await planOrRefuse(sql, view, basis, batch)
  if (work instanceof Problem)
    return endAtOnce(sql, run, pending, { status: 'failed', error: runErrorOf(work) })
  const runId = await writeDown(sql, run, pending, work)
  return runId === null ? 'made elsewhere' : { runId, timeoutSeconds: work.timeoutSeconds }
}

/** Follows a fresh plan that still holds, in one round trip. Null where there is more to look at. */
async function startAsPlanned(
  sql: Sql,
  run: RunRequest,
  view: BatchView,
  { planned, basis, madeAt }: PlanAhead,
): Promise<Prepared | null> {
  if (Date.now() - madeAt > stillGoodMs) return null
  const provided = basisHolds(sql, view, basis, planned.view)
  const runId = await startRun(sql, run, planned.plan, responseOf(planned), provided)
  return runId === null ? null : { runId, timeoutSeconds: planned.timeoutSeconds }
}

function pauseOf({ trigger }: Batch, basis: PlanBasis | undefined): string | null {
  if (basis?.paused) return 'the view is paused'
  const isScheduled = trigger === 'schedule' || trigger === 'deploy'
  return basis?.allPaused && isScheduled ? 'everything scheduled is paused' : null
}

async function writeDown(
  sql: Sql,
  run: RunRequest,
  pending: LatestRun | null,
  work: Planned,
): Promise<number | null> {
  if (pending === null) return startRun(sql, run, work.plan, responseOf(work))
  return (await replan(sql, pending.runId, work.plan, responseOf(work))) ? pending.runId : null
}

async function endAtOnce(
  sql: Sql,
  run: RunRequest,
  pending: LatestRun | null,
  end: EndedAtOnce,
): Promise<Prepared> {
  if (pending === null) return (await recordEnded(sql, run, end)) === null ? 'made elsewhere' : 'ended'
  if (end.status === 'failed') await closeUnclaimed(sql, pending.runId, end.error)
  else await skipUnclaimed(sql, pending.runId, end.because)
  return 'ended'
}

const standsOn = (basis: PlanBasis | undefined, facts: ViewFacts | undefined): string =>
  JSON.stringify([basis, facts])

async function planOrRefuse(
  sql: Sql,
  view: BatchView,
  basis: PlanBasis | undefined,
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
