import { findView } from '../catalog/db/catalog.ts'
import type { ViewFacts } from '../catalog/plan/live-view.ts'
import { giveUpAfterMs } from '../rebuild/plan/locks.ts'
import { basisHolds, type PlanBasis, readPlanBasis, requestOf } from '../record/batches/attempts.ts'
import type { BatchGroup } from '../record/batches/batch-groups.ts'
import type { BatchView } from '../record/batches/batch-views.ts'
import type { Batch } from '../record/batches/batches.ts'
import type { LatestRun } from '../record/plan/batch.ts'
import { closeLostRuns } from '../record/runs/life.ts'
import { startRunHere } from '../record/runs/runs.ts'
import { pauseReason, skipped } from '../record/runs/skip.ts'
import { type PlannedRefresh, planRefresh } from '../run/plan-refresh.ts'
import {
  findUnchanged,
  planOrEnd,
  recordEnd,
  recordedOf,
  recordPlan,
  skippedUnchanged,
} from '../run/record.ts'
import type { Sql } from '../server/database.ts'
import { actorsOf } from '../sql/run-plan.ts'
import { Problem } from '../words/problem.ts'
import type { AdvancingBatch, Prepared, Sendable } from './advancing.ts'
import { joinRefreshed } from './leave-out.ts'
import { mayLeaveOut } from './plan/selection.ts'

/** The age up to which asPlanned uses a plan without reading the catalog again. */
const stillGoodMs = 10_000

/**
 * Prepares the next attempt at a view that has its turn: plans it for the view as the catalog has it now, and writes its
 * pending row, or the new plan into the pending row that exists already. A paused view is skipped. A refused plan ends the
 * attempt as failed; so does a lock that has been in the way for `lockedForMs` already and for longer than a run waits for
 * its locks.
 */
export async function prepareRun(
  advancing: AdvancingBatch,
  view: BatchView,
  pending: LatestRun | null,
  ahead: PlannedAhead,
  lockedForMs: number,
): Promise<Prepared> {
  const { sql, batch, groups } = advancing
  const run = requestOf(batch, view)
  const group = groups.find(({ members }) => members.includes(view.id))
  if (group?.inPlace) return (await import('./groups.ts')).prepareInPlace(advancing, group)
  if (group !== undefined && pending?.status === 'built')
    return (await import('./shadows.ts')).prepareExchange(advancing, group)
  const recent = asPlanned(advancing, view, pending, ahead)
  if (recent !== undefined) return recent
  const made = pending === null && group === undefined ? ahead.take(view) : undefined
  const [basis, facts, unneeded] = await Promise.all([
    readPlanBasis(sql, batch, view),
    findView(sql, view).catch(() => undefined), // planning reports the error
    // A shadow is filled for the exchange of its group, whatever it reads.
    group === undefined && mayLeaveOut(batch) ? skippedUnchanged(sql, view.id) : undefined,
  ])
  const pause = basis === undefined ? null : reasonToSkip(basis, batch, view, group)
  const isBusy = basis !== undefined && basis.runningRunId !== null
  if (pause === null && isBusy && (await closeLostRuns(sql, view)).length === 0) return 'in the way'
  if (group === undefined && basis?.refreshedSince && mayJoin(batch)) {
    const joined = await joinRefreshed(sql, batch, [view], { pending: pending?.runId ?? null })
    if (joined.size > 0) return 'ended'
  }
  const work = await planOrEnd(async () => {
    if (pause !== null) return skipped(pause)
    if (unneeded !== undefined) return unneeded
    if (made !== undefined && compared(made.basis, made.planned.view) === compared(basis, facts))
      return made.planned
    if (basis === undefined) throw new Problem('UnknownView', `${view.view} has no definition any more.`)
    if (group === undefined) return planAlone(sql, batch, view, basis)
    const { planShadow } = await import('./shadows.ts')
    return planShadow(sql, batch, view, basis, group.number)
  })
  const refusal = 'error' in work ? work.error.class : null
  if (refusal === 'AlreadyRunning') return 'in the way'
  const patienceMs = giveUpAfterMs(basis?.timeoutSeconds ?? 0)
  if (refusal === 'LockTimeout' && lockedForMs < patienceMs) return 'locked'
  const pendingId = pending?.runId ?? null
  if ('status' in work)
    return (await recordEnd(sql, run, work, pendingId)) === null ? 'made elsewhere' : 'ended'
  const runId = await recordPlan(sql, run, work, { pending: pendingId })
  return runId === null ? 'made elsewhere' : sendable(runId, work)
}

/** Whether the batch may take what another run has refreshed: not if it wants a refresh of a certain kind. */
const mayJoin = ({ strategy, request }: Batch): boolean =>
  (strategy ?? 'auto') === 'auto' && request.withoutChecks !== true

/** A run by a recent plan, if there is one. It is recorded only if the basis of the plan still holds. */
export function asPlanned(
  { batch, groups }: Pick<AdvancingBatch, 'batch' | 'groups'>,
  view: BatchView,
  pending: LatestRun | null,
  ahead: PlannedAhead,
): Sendable | undefined {
  if (pending !== null || groups.some(({ members }) => members.includes(view.id))) return undefined
  const made = ahead.take(view, stillGoodMs)
  if (made === undefined) return undefined
  const { planned, basis } = made
  const run = requestOf(batch, view)
  return sendable(
    (sql, take) =>
      startRunHere(sql, run, recordedOf(planned), take, basisHolds(sql, batch, view, basis, planned.view)),
    planned,
  )
}

function sendable(run: Sendable['run'], work: PlannedRefresh): Sendable {
  const { plan, view } = work
  const [owner = null, ...others] = new Set([view.owner, ...actorsOf(plan)])
  // A role that may not alter a view cannot keep it from being given away while the run waits for its lock.
  return { run, work, owner: others.length === 0 && view.mayAlter ? owner : null }
}

/** A view that comes along is rebuilt only together with its group. */
const reasonToSkip = (
  basis: PlanBasis,
  { trigger }: Batch,
  { includedBecause }: BatchView,
  group: BatchGroup | undefined,
): string | null =>
  includedBecause !== null && group === undefined
    ? `the group with which the batch was to rebuild the view was given up (${includedBecause})`
    : pauseReason(basis, trigger)

/** The names of a shadow are other ones at each look. */
const compared = (basis: PlanBasis | undefined, facts: ViewFacts | undefined): string =>
  JSON.stringify([basis, { ...facts, aside: undefined }])

/**
 * Plans a refresh as part of a batch, as a request for this view alone would: if another run of the view is running, this one
 * waits for it. Does not wait for a lock: throws LockTimeout or AlreadyRunning at once.
 */
const planAlone = (
  sql: Sql,
  { strategy, maxShadowBytes, request }: Batch,
  view: BatchView,
  basis: PlanBasis,
): Promise<PlannedRefresh> =>
  planRefresh(sql, view, basis, {
    strategy: strategy ?? undefined,
    ifRunning: 'wait',
    withoutChecks: request.withoutChecks === true,
    inBatch: { maxShadowBytes },
  })

/** Plans that are made before their views have their turn, so that no time is lost then. */
export interface PlannedAhead {
  /** Plans these views in the background, instead of what is left of an earlier call. */
  expect(views: BatchView[]): void
  /** Takes the plan of a view; undefined if there is none, or none any more, or if it is older. */
  take(view: BatchView, maxAgeMs?: number): PlanAhead | undefined
}

/** A plan, and the state that the plan depends on but the claim does not compare. */
interface PlanAhead {
  planned: PlannedRefresh
  basis: PlanBasis
  /** Epoch milliseconds. */
  madeAt: number
}

/** So many plans are made at once: their statements travel together. */
const mostAtOnce = 4

/** Plans ahead on `sql`, in the background. Errors are ignored: planning in the view's turn shows them. */
export function planAhead(sql: Sql, batch: Batch): PlannedAhead {
  const plans = new Map<number, PlanAhead>()
  const tried = new Set<number>()
  let expected: BatchView[] = []
  let busy = 0

  const work = async () => {
    busy++
    for (let view = expected.shift(); view !== undefined; view = expected.shift()) {
      if (tried.has(view.id)) continue
      tried.add(view.id)
      try {
        const madeAt = Date.now()
        const basis = await readPlanBasis(sql, batch, view)
        if (basis === undefined || basis.paused || basis.allPaused) continue
        if (basis.runningRunId !== null || basis.refreshedSince) continue
        // Its turn may come with a proof that nothing is to be done.
        if (mayLeaveOut(batch) && (await findUnchanged(sql, view.id)) !== undefined) continue
        plans.set(view.id, { planned: await planAlone(sql, batch, view, basis), basis, madeAt })
      } catch {}
    }
    busy--
  }

  return {
    expect(views) {
      expected = views.filter(({ id }) => !tried.has(id))
      while (busy < Math.min(mostAtOnce, expected.length)) void work()
    },
    take(view, maxAgeMs = Number.POSITIVE_INFINITY) {
      const plan = plans.get(view.id)
      if (plan === undefined || Date.now() - plan.madeAt > maxAgeMs) return undefined
      plans.delete(view.id)
      return plan
    },
  }
}
