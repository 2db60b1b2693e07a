import { traitsOf } from '../catalog/plan/definition.ts'
import { nextScheduled, type Schedules } from '../due/schedules.ts'
import { readBatchRuns } from '../record/batches/attempts.ts'
import { readOpenGroups } from '../record/batches/batch-groups.ts'
import { readBatchViews } from '../record/batches/batch-views.ts'
import { readOutside, readUnseen } from '../record/definitions/discovered.ts'
import type { BatchFacts } from '../record/plan/watch.ts'
import { readProgress } from '../record/runs/history.ts'
import { sinceGone } from '../record/runs/went-wrong.ts'
import { readHeldLocks, readLastBatches, readLastRuns } from '../record/watch/held-locks.ts'
import { groupsByMember, waitsFor } from '../run/plan/turn.ts'
import type { Sql } from '../server/database.ts'
import { readUncounted, readUnusedLog } from './db/examined.ts'
import type { ExaminedView, Standing } from './diagnosis/cause.ts'
import { failedAtLock, runningRun, stoppedLast } from './diagnosis/own-causes.ts'
import type { Standings } from './standings.ts'

/** Among so many runs of a view is the one that tells why it is as old as it is. */
const tellingRuns = 10

/** The most views whose locks are read, besides the view that is asked about. */
const mostLooks = 5

/** A schedule is late after this time: its event is delivered again for a while. */
const lateAfterMs = 15 * 60_000

/**
 * Reads what tells why views stand as they do, in the same order, in few queries however many there are. Locks are read of the view that
 * is asked about, and of the first ones whose runs are running or gave up at a lock.
 */
export async function examineViews(
  sql: Sql,
  views: Standing[],
  { schedules, now, pause }: Omit<Standings, 'views'>,
  asked?: Standing,
): Promise<ExaminedView[]> {
  const ids = views.flatMap(({ id }) => id ?? [])
  const runsOf = Map.groupBy(await readLastRuns(sql, ids, tellingRuns), ({ definitionId }) => definitionId)
  const batches = await readBatches(sql, ids)
  const examined: ExaminedView[] = []
  let looks = 0
  for (const view of views) {
    const runs = (runsOf.get(view.id ?? 0) ?? []).map(({ definitionId: _, ...run }) => run)
    const batch = batches.get(view.id ?? 0) ?? null
    const isIdle = batch?.finishedAt !== null && runs.every(({ finishedAt }) => finishedAt !== null)
    // A view with a target lag is stale sooner than missed.
    const mayMiss = isIdle && pause === null && view.pausedSince === null && view.targetLagSeconds === null
    const plain: ExaminedView = {
      ...view,
      missedAt: mayMiss ? missedAt(view, { runs, batch }, schedules, now) : null,
      runs,
      batch,
      progress: null,
      waits: false,
      locks: [],
      gone: view.missing && view.aside === null ? await sinceGone(sql, view) : null,
      outside: null,
      unseen: null,
      uncounted: null,
      unusedLog: null,
    }
    const isBusy = runningRun(plain) !== undefined || failedAtLock(plain)
    const isLookedAt = view === asked || (isBusy && ++looks <= mostLooks)
    const looked = isLookedAt ? await withLocks(sql, plain) : plain
    examined.push(
      view === asked && view.id !== null
        ? {
            ...looked,
            outside:
              view.asOf === null && view.lastSuccessAt !== null
                ? await readOutside(sql, { ...view, id: view.id })
                : null,
            unseen: view.asOf === null ? await readUnseen(sql, view.id) : null,
            uncounted: await readUncounted(sql, view.id),
            unusedLog: await readUnusedLog(sql, view.id),
          }
        : looked,
    )
  }
  return examined
}

/** When a schedule was due after the last run and the last batch, if that is past; null if no run was due. */
function missedAt(
  { expectedSince, minIntervalSeconds, ...view }: Standing,
  { runs, batch }: Pick<ExaminedView, 'runs' | 'batch'>,
  schedules: Schedules,
  now: Date,
): Date | null {
  if (expectedSince === null) return null
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
  const groups = groupsByMember(await readOpenGroups(sql, batchId))
  return (id) => {
    const view = views.get(id)
    return view === undefined
      ? []
      : waitsFor(view, latest, groups).flatMap((other) => views.get(other)?.view ?? [])
  }
}

/** The phases in which a run waits for locks, if anybody holds them. */
const lockingPhases = ['locking', 'exchange']

async function withLocks(sql: Sql, view: ExaminedView): Promise<ExaminedView> {
  const running = runningRun(view)
  const progress = running === undefined ? null : ((await readProgress(sql, running)) ?? null)
  const strategy = running?.strategy ?? view.strategy
  const exchanges = running !== undefined && !traitsOf(strategy).isInPlace
  const found = await readHeldLocks(sql, view, traitsOf(strategy).lock, exchanges)
  const waits = found.waits || lockingPhases.includes(progress?.phase ?? '')
  // Readers of a view come and go. They matter only to a run that waits for them, or that gave up because of them.
  const locks = found.locks.filter(
    (lock) => lock.mode !== 'AccessShareLock' || waits || stoppedLast(view, lock),
  )
  return { ...view, progress, waits, locks }
}
