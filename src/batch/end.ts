import { setTimeout as pause } from 'node:timers/promises'
import { readMissingNames } from '../catalog/db/definitions.ts'
import { isEnded, isScheduled } from '../catalog/plan/run.ts'
import { deadlineOf } from '../run/answer.ts'
import { type Call, endedBefore, unknown } from '../run/call.ts'
import { closeLostRuns } from '../run/db/life.ts'
import { type Sql, withTransaction } from '../server/connect.ts'
import { cancelBatchRuns, followLatestRuns } from './db/attempts.ts'
import { dropShadows } from './db/batch-groups.ts'
import { type BatchView, readBatchViews } from './db/batch-views.ts'
import {
  type Batch,
  lockBatch,
  readBatch,
  recordBatchEnd,
  requestBatchCancel,
  type StartedBatch,
  startedOf,
} from './db/batches.ts'
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

const pauseMs = 100

/**
 * Cancels a batch: none of its runs starts any more, and the server cancels those that are running. Waits, as
 * long as the caller does, until the batch has ended. Canceling a canceled batch is no error. A batch that
 * ended in any other way is refused with BatchEnded.
 */
export function cancelBatch(
  batchId: string,
  call: Pick<Call, 'database' | 'waitUntil' | 'requestedBy'>,
): Promise<StartedBatch> {
  const work = async (sql: Sql) => {
    const requested = await requestBatchCancel(sql, batchId, call.requestedBy)
    if (requested) return endCanceled(sql, batchId, call.waitUntil)
    const batch = await readBatch(sql, batchId)
    if (batch === undefined) throw unknown('batch', batchId)
    if (batch.status !== 'canceled') throw endedBefore('batch', batchId, batch.status)
    return startedOf(batch)
  }
  return call.database.withConnection(work, { deadline: deadlineOf(call) })
}

/** Ends the batch here, because maybe no call advances the batch any more. */
async function endCanceled(sql: Sql, batchId: string, until: number): Promise<StartedBatch> {
  const views = await readBatchViews(sql, batchId)
  for (;;) {
    await cancelBatchRuns(sql, batchId)
    await closeLostRuns(sql, { batchId })
    const ended = await endBatchIfOver(sql, batchId, views)
    if (ended !== null) return startedOf(ended)
    if (Date.now() >= until) return { batchId, status: 'running', error: null }
    await pause(pauseMs)
  }
}
