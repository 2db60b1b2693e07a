import { setTimeout as pause } from 'node:timers/promises'
import { deadlineOf } from '../run/answer.ts'
import { type Call, endedBefore, unknown } from '../run/call.ts'
import { closeLostRuns } from '../run/db/life.ts'
import type { Sql } from '../server/connect.ts'
import { cancelBatchRuns } from './db/attempts.ts'
import { readBatchViews } from './db/batch-views.ts'
import { readBatch, requestBatchCancel } from './db/batches.ts'
import { endBatchIfOver } from './end.ts'
import { type StartedBatch, startedOf } from './start.ts'

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
