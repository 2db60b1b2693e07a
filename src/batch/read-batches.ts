import { type BatchRun, readBatchRuns } from '../record/batches/attempts.ts'
import { type BatchGroup, readBatchGroups } from '../record/batches/batch-groups.ts'
import { type BatchView, readBatchViews } from '../record/batches/batch-views.ts'
import {
  type Batch,
  type OpenBatch,
  readBatch,
  readBatches,
  readOpenBatches,
} from '../record/batches/batches.ts'
import { mayCloseRuns } from '../record/runs/history.ts'
import { closeLostRuns } from '../record/runs/life.ts'
import { unknown } from '../run/call.ts'
import { groupsByMember, waitsFor } from '../run/plan/turn.ts'
import type { Database } from '../server/database.ts'
import type { BatchStatus, BatchViewStatus } from '../words/run.ts'
import { retryDelayOf } from './plan/next.ts'
import { estimateRest } from './plan/plan-batch.ts'

/** A view within a batch, with its attempts, oldest first. */
interface BatchViewState {
  view: string
  /** The status of the latest run; `waiting` before the first, `pruned` if the history has it no longer. */
  status: BatchViewStatus
  /** Why the batch rebuilds the view although it was not to refresh it; null if the batch was to refresh it. */
  includedBecause: string | null
  /** The views of this batch that come before this one. */
  dependsOn: string[]
  /** While the view waits: the views that are not done yet. Empty if only a slot is missing. */
  waitsFor: string[]
  estimatedMs: number
  runs: Omit<BatchRun, 'definitionId' | 'waitMs'>[]
}

/** A batch with its graph. */
export interface DetailedBatch extends Batch {
  views: BatchViewState[]
  /** How long the batch will probably still take; null if it has ended. */
  estimatedRestMs: number | null
  /** The room on disk of the shadows that the batch builds, by the sizes of their views. */
  shadowBytes: number
  /** The views that are exchanged at one moment. `givenUp` says why each was refreshed by itself instead. */
  groups: ({ views: string[] } & Pick<BatchGroup, 'shadowBytes' | 'inPlace' | 'givenUp'>)[]
}

/** A page of batches, newest first. `next` is the `before` of the next page, null on the last page. */
export function listBatches(
  database: Database,
  filter: { status?: BatchStatus | undefined; before?: number | undefined; limit: number },
): Promise<{ batches: Batch[]; next: number | null }> {
  return database.withConnection(async (sql) => {
    const { rows: batches, next } = await readBatches(sql, filter)
    return { batches, next }
  })
}

/** Every open batch, oldest first, and whether somebody advances it or the server works on a run of it. */
export const listOpenBatches = (database: Database): Promise<OpenBatch[]> =>
  database.withConnection(readOpenBatches)

/** One batch: each view with its state and attempts, the elapsed time, and the time probably left. */
export function getBatch(database: Database, batchId: string): Promise<DetailedBatch> {
  return database.withConnection(async (sql) => {
    if (await mayCloseRuns(sql)) await closeLostRuns(sql, { batchId })
    const batch = await readBatch(sql, batchId)
    if (batch === undefined) throw unknown('batch', batchId)
    const views = await readBatchViews(sql, batchId)
    const runs = Map.groupBy(await readBatchRuns(sql, batchId), ({ definitionId }) => definitionId)
    const groups = await readBatchGroups(sql, batchId)
    const names = new Map(views.map(({ id, view }) => [id, view]))
    const nameOf = (id: number) => names.get(id) ?? ''
    const latest = new Map([...runs].flatMap(([id, all]) => all.slice(-1).map((last) => [id, last] as const)))
    const together = groupsByMember(groups.filter(({ givenUp }) => givenUp === null))
    const isOpen = batch.finishedAt === null
    return {
      ...batch,
      estimatedRestMs: isOpen ? estimateRest(restOf(views, runs), batch.concurrency) : null,
      shadowBytes: groups.reduce((sum, { shadowBytes }) => sum + shadowBytes, 0),
      groups: groups.map(({ number: _, members, ...group }) => ({ views: members.map(nameOf), ...group })),
      views: views.map(({ id, view, includedBecause, parents, estimateMs }) => ({
        view,
        includedBecause,
        status: latest.get(id)?.status ?? (isOpen ? 'waiting' : 'pruned'),
        dependsOn: parents.map(nameOf),
        waitsFor: isOpen ? waitsFor({ id, parents }, latest, together).map(nameOf) : [],
        estimatedMs: estimateMs,
        runs: (runs.get(id) ?? []).map(({ definitionId: _, waitMs: _wait, ...run }) => run),
      })),
    }
  })
}

const restOf = (views: BatchView[], runs: Map<number, BatchRun[]>) =>
  views.map((view) => {
    const last = runs.get(view.id)?.at(-1)
    const delaySeconds = last === undefined ? null : retryDelayOf(view, last)
    return {
      ...view,
      ended:
        last !== undefined && (last.finishedAt !== null || last.status === 'built') && delaySeconds === null,
      elapsedMs: last?.status === 'running' ? last.elapsedMs : null,
      waitMs: delaySeconds === null ? (last?.waitMs ?? 0) : delaySeconds * 1000,
    }
  })
