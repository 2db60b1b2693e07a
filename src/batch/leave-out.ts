import { readDependencies } from '../catalog/db/graph.ts'
import { readPausedIds } from '../catalog/db/pause.ts'
import { outsideCircles } from '../catalog/plan/graph.ts'
import { recordEnd, skippedUnchanged } from '../run/record.ts'
import type { Sql } from '../server/connect.ts'
import type { BatchView } from './db/batch-views.ts'
import type { Batch } from './db/batches.ts'
import { mayLeaveOut } from './plan/selection.ts'
import { requestOf } from './prepare.ts'

/** The decision on a batch is one transaction, which others wait for. What is not proved by then is refreshed. */
const longestMs = 10_000

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
