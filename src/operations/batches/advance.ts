import { readBatchViews } from '../../db/batches/batch-views.ts'
import { type Batch, readBatch, stampBatch } from '../../db/batches/batches.ts'
import type { Database } from '../../db/server/connect.ts'
import type { BatchError } from '../../plan/batches/end.ts'
import type { RunStatus } from '../../plan/run.ts'
import { advanceUntil } from './advance-until.ts'

/** What a call has come to: called again and again, it is done at last. */
export type Advanced =
  | { batchId: string; done: false }
  | { batchId: string; done: true; status: RunStatus; error: BatchError | null }

/** How a batch is advanced. */
interface Driving {
  database: Database
  /** Epoch milliseconds. */
  until: number
  /** The runs that this call sends at once, at most, however many the batch may have. */
  mostAtOnce?: number
}

/** Time for what was begun to be left in good order. */
const leaveWithinMs = 15_000

/**
 * Drives a batch on until it has ended, or until `until` (epoch milliseconds), when it leaves: what the server works on
 * goes on without us. All state is in the database, so any call may be repeated, killed, or made twice at once. How the
 * batch ended is returned, also that it failed; what is thrown may pass by itself.
 */
export function advance(
  batchId: string,
  { database, until, mostAtOnce = Number.POSITIVE_INFINITY }: Driving,
): Promise<Advanced> {
  return database.withConnection(
    async (sql) => {
      const stamped = stampBatch(sql, batchId)
      const [batch, views] = await Promise.all([
        readBatch(sql, batchId),
        readBatchViews(sql, batchId),
        stamped,
      ])
      if (batch === undefined) return unknown(batchId)
      if (batch.finishedAt !== null) return done(batch)
      const ended = await advanceUntil({ sql, database, batch, views, until, mostAtOnce })
      return ended === null ? { batchId, done: false } : done(ended)
    },
    { deadline: Math.max(until, Date.now()) + leaveWithinMs },
  )
}

const done = ({ id, status, error }: Batch): Advanced => ({ batchId: id, done: true, status, error })

const unknown = (batchId: string): Advanced => ({
  batchId,
  done: true,
  status: 'failed',
  error: { class: 'UnknownBatch', message: `There is no batch ${batchId} in the history.` },
})
