import { outsideCircles } from '../catalog/plan/graph.ts'
import { requestOf } from '../record/batches/attempts.ts'
import { type BatchView, readPausedIds, readRefreshed } from '../record/batches/batch-views.ts'
import type { Batch } from '../record/batches/batches.ts'
import { readDependencies } from '../record/definitions/read-graph.ts'
import { skipped } from '../record/runs/skip.ts'
import { recordEnd, skippedUnchanged } from '../run/planned-run.ts'
import type { Sql } from '../server/database.ts'
import { mayLeaveOut } from './plan/selection.ts'

/** The decision on a batch is one transaction, which others wait for. What is not proved by then is refreshed. */
const longestMs = 10_000

/**
 * Leaves out these views of a batch, parents first, as far as another run has refreshed them that began after the batch was requested,
 * and after what they read was refreshed last, or at one moment with it. Returns their ids. `inTurn`: the batch is done with what they read; otherwise that has
 * to be left out with them. `pending`: the run that waits for it.
 */
export async function joinRefreshed(
  sql: Sql,
  batch: Batch,
  views: BatchView[],
  inTurn?: { pending: number | null },
): Promise<Set<number>> {
  const runs = new Map((await readRefreshed(sql, batch.id, views)).map((each) => [each.id, each]))
  const joined = new Set<number>()
  for (const view of views) {
    const { runId, unchanged } = runs.get(view.id) ?? {}
    if (runId === undefined || !(inTurn || view.parents.every((parent) => joined.has(parent)))) continue
    const because = `run ${runId} has refreshed it since the batch was requested`
    await recordEnd(sql, requestOf(batch, view), { ...skipped(because), unchanged }, inTurn?.pending)
    joined.add(view.id)
  }
  return joined
}

/**
 * Leaves out the views of a batch that cannot have changed, parents first, and returns the ids of the views that need no shadow:
 * these, and paused ones. A view that reads another one is left out only if that one stays as it is, be it in the batch or not:
 * one outside may be rebuilt, too, because it reads a view of the batch.
 */
export async function leaveOutUnchanged(sql: Sql, batch: Batch, views: BatchView[]): Promise<Set<number>> {
  const stays = new Set<number>()
  if (!mayLeaveOut(batch)) return stays
  const reads = await readDependencies(sql)
  const paused = await readPausedIds(sql)
  const inBatch = new Map(views.map((view) => [view.view, view]))
  const still = new Set<string>()
  const until = Date.now() + longestMs
  for (const name of outsideCircles(reads)) {
    if (Date.now() > until) break
    if (!(reads.get(name) ?? []).every((parent) => still.has(parent))) continue
    const view = inBatch.get(name)
    if (view !== undefined && !paused.has(view.id)) {
      const unneeded = await skippedUnchanged(sql, view.id)
      if (unneeded === undefined) continue
      await recordEnd(sql, requestOf(batch, view), unneeded)
    }
    still.add(name)
    if (view !== undefined) stays.add(view.id)
  }
  return stays
}
