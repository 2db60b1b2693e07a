import { findViews } from '../catalog/db/find-views.ts'
import type { Strategy } from '../catalog/plan/definition.ts'
import type { ViewFacts } from '../catalog/plan/live-view.ts'
import type { RunOptions } from '../rebuild/plan/fill.ts'
import { giveUpAfterMs } from '../rebuild/plan/locks.ts'
import {
  findUnchangedAmong,
  type PlanBasis,
  readPlanBases,
  readPlanBasis,
  recordAttempts,
  requestOf,
} from '../record/batches/attempts.ts'
import type { BatchGroup } from '../record/batches/batch-groups.ts'
import type { BatchView } from '../record/batches/batch-views.ts'
import type { Batch } from '../record/batches/batches.ts'
import type { DefinitionDefaults } from '../record/definitions/definitions.ts'
import type { LatestRun } from '../record/plan/batch.ts'
import { closeLostRuns } from '../record/runs/life.ts'
import { readUsualDurations } from '../record/runs/past.ts'
import { pauseReason, skipped } from '../record/runs/skip.ts'
import { concurrent, regular } from '../run/plan/in-place.ts'
import { chooseStrategy, needsSnapshot, shortMs } from '../run/plan/strategy.ts'
import { isDone } from '../run/plan/turn.ts'
import { type PlannedRefresh, planRefresh } from '../run/plan-refresh.ts'
import { planOrEnd, recordEnd, recordedOf, recordPlan, skippedUnchanged } from '../run/planned-run.ts'
import type { Database, Sql } from '../server/database.ts'
import { actorsOf } from '../sql/run-plan.ts'
import { readSettings } from '../sql/settings.ts'
import { Problem } from '../words/problem.ts'
import type { UsualDurations } from '../words/run.ts'
import type { AdvancingBatch, BundledRun, Prepared, Sendable } from './advancing.ts'
import { joinRefreshed } from './leave-out.ts'
import { mayLeaveOut } from './plan/selection.ts'

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
  lockedForMs: number,
): Promise<Prepared> {
  const { sql, batch, groups } = advancing
  const run = requestOf(batch, view)
  const group = groups.find(({ members }) => members.includes(view.id))
  if (group !== undefined && pending?.status === 'built')
    return (await import('./shadows.ts')).prepareExchange(advancing, group)
  const [basis, unneeded] = await Promise.all([
    readPlanBasis(sql, batch, view),
    // A shadow is filled for the exchange of its group, whatever it reads.
    group === undefined && mayLeaveOut(batch) ? skippedUnchanged(sql, view.id) : undefined,
  ])
  const pause = basis === undefined ? null : reasonToSkip(basis, batch, view, group)
  const isBusy = (basis?.runningRunId ?? null) !== null
  if (pause === null && isBusy && (await closeLostRuns(sql, view)).length === 0) return 'in the way'
  const pendingId = pending?.runId ?? null
  if (group === undefined && basis?.refreshedSince && mayJoin(batch)) {
    const joined = await joinRefreshed(sql, batch, [view], { pending: pendingId })
    if (joined.size > 0) return 'ended'
  }
  const work = await planOrEnd(async () => {
    if (pause !== null) return skipped(pause)
    if (unneeded !== undefined) return unneeded
    if (basis === undefined) throw new Problem('UnknownView', `${view.view} has no definition any more.`)
    if (group === undefined) return planAlone(sql, batch, view, basis)
    const { planShadow } = await import('./shadows.ts')
    return planShadow(sql, batch, view, basis, group.number)
  })
  const refusal = 'error' in work ? work.error.class : null
  if (refusal === 'AlreadyRunning') return 'in the way'
  const patienceMs = giveUpAfterMs(basis?.timeoutSeconds ?? 0)
  if (refusal === 'LockTimeout' && lockedForMs < patienceMs) return 'locked'
  if ('status' in work)
    return (await recordEnd(sql, run, work, pendingId)) === null ? 'made elsewhere' : 'ended'
  const runId = await recordPlan(sql, run, work, { pending: pendingId })
  return runId === null ? 'made elsewhere' : sendable(runId, work)
}

/** Whether the batch may take what another run has refreshed: not if it wants a refresh of a certain kind. */
const mayJoin = ({ strategy, request }: Batch): boolean =>
  (strategy ?? 'auto') === 'auto' && request.withoutChecks !== true

/**
 * Prepares the next attempts at several views of one owner, parents before children, which one message refreshes: what is read and written
 * is one statement each. Leaves out, with what reads it, what has to be prepared by itself: a view that is paused or running, that may be left out, or
 * that needs more than a refresh where it is.
 */
export async function prepareBundle(
  { sql, database, batch, latestRuns: { latest } }: AdvancingBatch,
  views: BatchView[],
): Promise<BundledRun[]> {
  const [bases, facts, usual, unchanged] = await Promise.all([
    readPlanBases(sql, batch, views),
    findViews(sql, views),
    readUsualDurations(sql, views),
    mayLeaveOut(batch)
      ? findUnchangedAmong(
          sql,
          views.map(({ id }) => id),
        )
      : new Set<number>(),
  ])
  const owner = facts.get(views[0]!.view)?.owner
  const unknown = views.flatMap(({ id, view }, at) => {
    const [fact, durations] = [facts.get(view), usual[at]!]
    const isAuto = (batch.strategy ?? bases.get(id)?.strategy) === 'auto'
    const isOfOwner = fact?.populated && fact.owner === owner
    return isAuto && isOfOwner && isUnknown(durations) ? [{ fact, durations }] : []
  })
  if (unknown.length > 0) await measure(database, unknown)
  const planned = new Map<number, { view: BatchView; work: PlannedRefresh }>()
  /** The first of them, whose owner and time limit the others have. */
  let first: PlannedRefresh | undefined
  for (const [at, view] of views.entries()) {
    const basis = bases.get(view.id)
    const fact = facts.get(view.view)
    const readsPlanned = view.parents.some((parent) => planned.has(parent))
    if (
      basis === undefined ||
      fact === undefined ||
      basis.runningRunId !== null ||
      basis.refreshedSince ||
      reasonToSkip(basis, batch, view, undefined) !== null ||
      (unchanged.has(view.id) && !readsPlanned) ||
      !view.parents.every((parent) => planned.has(parent) || isDone(latest.get(parent)))
    )
      continue
    const work = await planOrEnd(
      async () => planInPlace(fact, basis, usual[at]!, batch.strategy) ?? skipped(''),
    )
    if ('status' in work || sendable(0, work).owner !== fact.owner) continue
    first ??= work
    if (fact.owner !== first.view.owner || work.timeoutSeconds !== first.timeoutSeconds) continue
    work.plan.bundle = fact.owner
    planned.set(view.id, { view, work })
  }
  const chosen = [...planned.values()]
  if (chosen.length === 0) return []
  const runs = await recordAttempts(
    sql,
    batch.id,
    chosen.map(({ view, work }) => {
      const { plan, response } = recordedOf(work)
      const pending = latest.get(view.id)?.runId ?? null
      return { id: view.id, pending, plan, meta: { request: requestOf(batch, view).request, response } }
    }),
  )
  return chosen.flatMap(({ view, work }) => {
    const run = runs.get(view.id)
    return run === undefined ? [] : { ...sendable(run, work), viewId: view.id }
  })
}

/** To write so much, indexes and TOAST included, takes less than a swap of the view does. */
const mostMeasuredBytes = 256 * 1024

/** Whether no refresh has told how long a view takes, and a short one may be regular. */
const isUnknown = ({ regularMs, fillMs, upToMs }: UsualDurations): boolean =>
  regularMs === null && fillMs === null && upToMs > 0

/**
 * Notes how long small views of one owner take, so that the first batch need not exchange each of them: their queries are executed beside
 * their readers, in a session that does nothing else, each for at most half as long as a regular refresh may lock readers out. What takes
 * longer stays unknown, and so does everything while the server lets no more sessions in.
 */
async function measure(
  database: Database,
  views: { fact: ViewFacts; durations: UsualDurations }[],
): Promise<void> {
  const { measureQuery } = await import('../catalog/db/try-query.ts')
  const measured = database.withConnection(async (sql) => {
    for (const { fact, durations } of views) {
      const most = { mostMs: Math.floor(durations.upToMs / 2), mostBytes: mostMeasuredBytes }
      if (fact.counting) durations.fillMs = await measureQuery(sql, fact.counting, fact.oid, most)
    }
  })
  await measured.catch((error) => {
    if (!(error instanceof Problem && error.code === 'TooManyConnections')) throw error
  })
}

/**
 * Plans a refresh of a view where it is, in a batch, by facts that were read with those of other views. Undefined if more has to be read
 * for it, or if it is refused.
 */
function planInPlace(
  view: ViewFacts,
  definition: DefinitionDefaults,
  usual: UsualDurations,
  requested: Strategy | null,
): PlannedRefresh | undefined {
  const wanted = requested ?? definition.strategy
  const short = wanted === 'auto' ? shortMs(usual) : null
  const hasChecks = Object.keys(definition.checks).length > 0
  if (hasChecks || (short === null && needsSnapshot(wanted, view))) return undefined
  const { timeoutSeconds } = definition
  const options: RunOptions = {
    timeoutSeconds,
    ifRunning: 'wait',
    settings: readSettings(view.view, definition.settings),
    insistsOnOwner: true,
    checking: null,
  }
  const response = chooseStrategy(wanted, view, [], null, short)
  const plan = (response.strategy === 'concurrent' ? concurrent : regular).plan(view, options)
  if (plan instanceof Problem) return undefined
  if (definition.skipsUnchanged) plan.counted = true
  return { plan, timeoutSeconds, response, view }
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
