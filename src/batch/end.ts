import { readMissingNames } from '../catalog/db/definitions.ts'
import { isEnded, isScheduled } from '../catalog/plan/run.ts'
import { type Sql, withTransaction } from '../server/connect.ts'
import { dropShadows } from './db/batch-groups.ts'
import type { BatchView } from './db/batch-views.ts'
import { type Batch, lockBatch, readBatch, recordBatchEnd } from './db/batches.ts'
import { followLatestRuns } from './db/latest-runs.ts'
import { planBatchEnd } from './plan/end.ts'
import { planNext } from './plan/next.ts'

/** Ends a batch if it has nothing left to do. Returns the batch if it has ended, otherwise null. */
export async function endBatchIfOver(sql: Sql, batchId: string, views: BatchView[]): Promise<Batch | null> {
  await withTransaction(sql, async (transaction) => {
    const batch = await lockBatch(transaction, batchId)
    if (batch === undefined || batch.finishedAt !== null) return
    const { latest, reload } = followLatestRuns(transaction, batchId)
    await reload()
    const canceled = batch.cancelRequestedAt !== null
    const over = canceled
      ? [...latest.values()].every(({ status }) => isEnded(status))
      : planNext(views, latest).ended
    if (!over) return
    const missing =
      'all' in batch.selection && !isScheduled(batch.trigger) ? await readMissingNames(transaction) : []
    const end = planBatchEnd(views, latest, canceled, missing)
    if (!(await recordBatchEnd(transaction, batchId, end))) return
    await dropShadows(transaction, batch.serial)
  })
  const batch = await readBatch(sql, batchId)
  return batch === undefined || batch.finishedAt === null ? null : batch
}
