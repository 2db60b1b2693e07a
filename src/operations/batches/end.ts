import type { BatchView } from '../../db/batches/batch-views.ts'
import { type Batch, lockBatch, readBatch, recordBatchEnd } from '../../db/batches/batches.ts'
import { followAttempts } from '../../db/batches/latest-runs.ts'
import { type Sql, withTransaction } from '../../db/server/connect.ts'
import { planBatchEnd } from '../../plan/batches/end.ts'
import { planBatchSteps } from '../../plan/batches/next.ts'

/** Ends a batch that has nothing left to do, and gives it; null where there is. Whoever else tries finds it ended. */
export async function endBatchIfOver(sql: Sql, batchId: string, views: BatchView[]): Promise<Batch | null> {
  await withTransaction(sql, async (step) => {
    const batch = await lockBatch(step, batchId)
    if (batch === undefined || batch.finishedAt !== null) return
    const { latest, reload } = followAttempts(step, batchId)
    await reload()
    const canceled = batch.cancelRequestedAt !== null
    const isOpen = ({ status }: { status: string }) => status === 'pending' || status === 'running'
    const over = canceled ? ![...latest.values()].some(isOpen) : planBatchSteps(views, latest).ended
    if (over) await recordBatchEnd(step, batchId, planBatchEnd(views, latest, canceled))
  })
  const batch = await readBatch(sql, batchId)
  return batch === undefined || batch.finishedAt === null ? null : batch
}
