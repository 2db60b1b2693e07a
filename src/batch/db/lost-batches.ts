import type { BatchEnd } from '../../catalog/plan/run.ts'
import { closeLostRuns, endRunsOfBatch, isOpenBatch } from '../../run/db/life.ts'
import { inTransaction, type Sql } from '../../server/connect.ts'
import { runLocks } from '../../server/lock-keys.ts'
import { lockBatch, recordBatchEnd } from './batches.ts'

/**
 * A batch that nobody has advanced for this long is lost. An advancer that fails is called again every minute, for an hour.
 * So after an outage the monitor waits some minutes before it closes a batch.
 */
export const batchLostAfterSeconds = 20 * 60

const lost: BatchEnd = {
  status: 'failed',
  error: {
    class: 'BatchLost',
    message:
      'Nobody advanced this batch any more: its advancer was stopped, or failed each time. The remaining views were not refreshed.',
  },
}

/** A lost batch that a caller had canceled. */
const canceled: BatchEnd = {
  status: 'canceled',
  error: { class: 'Canceled', message: 'The batch was canceled. The remaining views were not refreshed.' },
}

/**
 * Closes an open batch that nobody advances any more, together with its open runs: as failed, class BatchLost, or as
 * canceled. Returns true if the batch has ended, here or elsewhere. A batch stays open while the server works on one of
 * its runs.
 */
export async function closeLostBatch(sql: Sql, id: string): Promise<boolean> {
  if (!(await isUnadvanced(sql, id))) return false
  await closeLostRuns(sql, { batchId: id })
  return inTransaction(sql, async (transaction) => {
    const batch = await lockBatch(transaction, id)
    if (batch === undefined || batch.finishedAt !== null) return true
    if (!(await isUnadvanced(transaction, id))) return false
    const end = batch.cancelRequestedAt === null ? lost : canceled
    if (!(await recordBatchEnd(transaction, id, end))) return false
    await endRunsOfBatch(transaction, id, end)
    await transaction`update viewkeeper.batches set idempotency_key = null where id = ${id}`
    return true
  })
}

/** The ids of open batches that nobody has advanced for `batchLostAfterSeconds`. */
export async function findUnadvancedBatches(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select b.id from viewkeeper.batches b where ${sql.unsafe(isOpenBatch)} and ${unadvanced(sql)} order by b.serial`
  return rows.map(({ id }) => id)
}

/** The advancer of a batch records itself every ten seconds. */
const advancedWithinSeconds = 15

/** An open batch. */
export interface OpenBatch {
  id: string
  /** Somebody advances the batch, or the server works on one of its runs. */
  attended: boolean
}

/** Every open batch, oldest first. */
export const readOpenBatches = (sql: Sql): Promise<OpenBatch[]> => sql<OpenBatch[]>`
  with ${runLocks(sql)}
  select b.id,
         coalesce(b.advanced_at, b.requested_at) > clock_timestamp() - make_interval(secs => ${advancedWithinSeconds})
         or exists (
           select from viewkeeper.runs r join run_locks l on l.id = r.id and l.pid = r.backend_pid
            where r.batch_id = b.id and r.status = 'running') as attended
    from viewkeeper.batches b where ${sql.unsafe(isOpenBatch)} order by b.serial`

const isUnadvanced = async (sql: Sql, id: string): Promise<boolean> =>
  (await sql`select from viewkeeper.batches b where b.id = ${id} and ${unadvanced(sql)}`).length > 0

const unadvanced = (sql: Sql) => sql`
  coalesce(b.advanced_at, b.requested_at) < clock_timestamp() - make_interval(secs => ${batchLostAfterSeconds})`
