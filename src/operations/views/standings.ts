import { readOpenGroups } from '../../db/batches/batch-groups.ts'
import { readBatchRuns } from '../../db/batches/batch-runs.ts'
import { readBatchViews } from '../../db/batches/batch-views.ts'
import { readLastBatches } from '../../db/batches/last-batches.ts'
import { readProgress } from '../../db/runs/history.ts'
import { readLastRuns } from '../../db/runs/last-runs.ts'
import type { Sql } from '../../db/server/connect.ts'
import { type AsideView, listAside } from '../../db/views/aside.ts'
import { type Expectation, readExpectations } from '../../db/views/expectations.ts'
import { readHeldLocks } from '../../db/views/held-locks.ts'
import type { ViewSummary } from '../../db/views/list.ts'
import { readUncounted, readUnseen } from '../../db/views/uncounted.ts'
import { waitsFor } from '../../plan/batches/waits-for.ts'
import { failedAtLock, runningRun, stoppedLast } from '../../plan/diagnosis/own-causes.ts'
import type { BatchFacts, RunFacts, Standing } from '../../plan/diagnosis/standing.ts'
import type { QualifiedName } from '../../plan/names.ts'
import { traitsOf } from '../../plan/views/definition.ts'
import { type Hindrances, readHindrances } from '../monitoring/lags.ts'
import { nextScheduled, type Schedules } from '../monitoring/schedules.ts'

/** Among so many runs of a view is the one that tells why it is as old as it is. */
const tellingRuns = 10

/** The most views whose locks are read, besides the view that is asked about. */
const mostLooks = 5

/** A schedule is late after this time: its event is delivered again for a while. */
const lateAfterMs = 15 * 60_000

/** What holds for all views. */
export interface Times {
  schedules: Schedules
  now: Date
  isAllPaused: boolean
}

/**
 * Reads how views stand, in the same order, in few queries however many there are. Locks are read of the view that
 * is asked about, and of the first ones whose runs are running or gave up at a lock.
 */
export async function readStandings(
  sql: Sql,
  views: ViewSummary[],
  times: Times,
  asked?: ViewSummary,
): Promise<Standing[]> {
  const ids = views.flatMap(({ id }) => id ?? [])
  const runs = Map.groupBy(await readLastRuns(sql, ids, tellingRuns), ({ definitionId }) => definitionId)
  const expectations = new Map((await readExpectations(sql, ids)).map((each) => [each.id, each]))
  const batches = await readBatches(sql, ids)
  const asides = await listAside(sql)
  const hindrances = await readHindrances(sql, views, times.schedules.looks)
  const standings: Standing[] = []
  let looks = 0
  for (const view of views) {
    const id = view.id ?? 0
    const standing = standingOf(view, times, {
      runs: (runs.get(id) ?? []).map(({ definitionId: _, ...run }) => run),
      batch: batches.get(id) ?? null,
      expectation: expectations.get(id),
      aside: asides.find(isNamed(view)),
      hindrances,
    })
    const isBusy = runningRun(standing) !== undefined || failedAtLock(standing)
    const isLookedAt = view === asked || (isBusy && ++looks <= mostLooks)
    const looked = isLookedAt ? await withLocks(sql, view, standing) : standing
    standings.push(
      view === asked && view.id !== null
        ? {
            ...looked,
            unseen: view.asOf === null ? await readUnseen(sql, view.id) : null,
            uncounted: await readUncounted(sql, view.id),
          }
        : looked,
    )
  }
  return standings
}

/** Whether a view has the name. */
export const isNamed =
  ({ schema, name }: QualifiedName) =>
  (view: QualifiedName): boolean =>
    view.schema === schema && view.name === name

interface Read {
  runs: RunFacts[]
  batch: BatchFacts | null
  expectation: Expectation | undefined
  aside: AsideView | undefined
  hindrances: Hindrances
}

function standingOf(
  view: ViewSummary,
  { schedules, now, isAllPaused }: Times,
  { runs, batch, expectation, aside, hindrances }: Read,
): Standing {
  const next = nextScheduled(view, schedules, now)
  const isPaused = isAllPaused || view.paused
  const suspended = hindrances.suspended.get(view.view)
  const isOpen = batch?.finishedAt === null || runs.some(({ finishedAt }) => finishedAt === null)
  return {
    view: view.view,
    missing: view.missing,
    populated: view.populated,
    aside: aside === undefined ? null : { since: aside.since, by: aside.by },
    pausedSince: view.paused ? (expectation?.pausedSince ?? now) : null,
    stale: view.stale,
    staleMs: view.staleMs,
    maxStaleMs: view.maxStaleMs,
    lastSuccessAt: view.lastSuccessAt,
    asOf: view.asOf,
    heldBackBy: view.heldBackBy,
    checkFailedSince: view.checkFailedSince,
    scheduled: next !== null,
    nextRun: isPaused ? null : (next?.at ?? null),
    lagWorksMs: isPaused ? null : (hindrances.works.get(view.view) ?? null),
    targetLagMs: view.targetLagSeconds === null ? null : view.targetLagSeconds * 1000,
    suspended:
      isPaused || suspended === undefined
        ? null
        : { failures: suspended.failures, until: new Date(suspended.until) },
    missedAt:
      isPaused || isOpen || expectation === undefined
        ? null
        : view.targetLagSeconds !== null
          ? null // it is stale sooner than missed
          : missedAt(view, expectation, { runs, batch }, schedules, now),
    runs,
    batch,
    progress: null,
    waits: false,
    locks: [],
  }
}

/** When a schedule was due after the last run and the last batch, if that is past; null if no run was due. */
function missedAt(
  view: ViewSummary,
  { expectedSince, minIntervalSeconds }: Expectation,
  { runs, batch }: Pick<Read, 'runs' | 'batch'>,
  schedules: Schedules,
  now: Date,
): Date | null {
  const last = runs.find(({ operation }) => operation !== 'drop')
  const since = Math.max(
    expectedSince.getTime(),
    last?.requestedAt.getTime() ?? 0,
    batch?.requestedAt.getTime() ?? 0,
    // A schedule within the minimum interval leaves no run.
    (view.lastSuccessAt?.getTime() ?? 0) + minIntervalSeconds * 1000,
  )
  if (since > now.getTime()) return null
  const due = nextScheduled(view, schedules, new Date(since))?.at
  return due !== undefined && due.getTime() + lateAfterMs < now.getTime() ? due : null
}

/** The newest batch of each definition; of an open one also which views come first. */
async function readBatches(sql: Sql, ids: number[]): Promise<Map<number, BatchFacts>> {
  const last = await readLastBatches(sql, ids)
  const open = new Set(last.flatMap(({ id, finishedAt }) => (finishedAt === null ? [id] : [])))
  const waits = new Map<string, (definitionId: number) => string[]>()
  for (const id of open) waits.set(id, await readWaits(sql, id))
  return new Map(
    last.map(({ definitionId, ...batch }) => [
      definitionId,
      { ...batch, waitsFor: waits.get(batch.id)?.(definitionId) ?? [] },
    ]),
  )
}

async function readWaits(sql: Sql, batchId: string): Promise<(definitionId: number) => string[]> {
  const views = new Map((await readBatchViews(sql, batchId)).map((view) => [view.id, view]))
  // Attempts come in their order, so the latest one of each view stays.
  const latest = new Map((await readBatchRuns(sql, batchId)).map((run) => [run.definitionId, run]))
  const groups = await readOpenGroups(sql, batchId)
  return (id) => {
    const view = views.get(id)
    return view === undefined
      ? []
      : waitsFor(view, latest, groups).flatMap((other) => views.get(other)?.view ?? [])
  }
}

/** The phases in which a run waits for locks, if anybody holds them. */
const lockingPhases = ['locking', 'cut-over']

async function withLocks(sql: Sql, view: ViewSummary, standing: Standing): Promise<Standing> {
  const running = runningRun(standing)
  const progress = running === undefined ? null : ((await readProgress(sql, running)) ?? null)
  const strategy = running?.strategy ?? view.strategy
  const exchanges = running !== undefined && !traitsOf(strategy).isInPlace
  const found = await readHeldLocks(sql, view, traitsOf(strategy).lock, exchanges)
  const waits = found.waits || lockingPhases.includes(progress?.phase ?? '')
  // Readers of a view come and go. They matter only to a run that waits for them, or that gave up because of them.
  const locks = found.locks.filter(
    (lock) => lock.mode !== 'AccessShareLock' || waits || stoppedLast(standing, lock),
  )
  return { ...standing, progress, waits, locks }
}
