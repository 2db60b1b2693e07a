import type { BatchEnd } from '../../plan/batches/end.ts'
import { closeLostRuns } from '../runs/lost-runs.ts'
import { type Sql, withTransaction } from '../server/connect.ts'
import { runLocks } from '../server/lock-keys.ts'
import { lockBatch, recordBatchEnd } from './batches.ts'

/** How long nobody may have driven a batch on before it counts as lost: longer than any retry of who drives it. */
export const batchLostAfterSeconds = 20 * 60

const lost: BatchEnd = {
  status: 'failed',
  error: {
    class: 'BatchLost',
    message:
      'Nobody drove this batch on: what did so was stopped, or kept failing. Views that were left are as they were.',
  },
}

/** What was to stop has stopped, though nobody was left to say so. */
const canceled: BatchEnd = {
  status: 'canceled',
  error: { class: 'Canceled', message: 'The batch was canceled; views that were left are as they were.' },
}

/**
 * Closes an open batch that nobody drives on any more, as failed, class BatchLost, or as canceled, with what is left of its runs. True
 * where it has ended now, whoever ended it. One with a run that the server still works on is left alone.
 */
export async function closeLostBatch(sql: Sql, id: string): Promise<boolean> {
  if (!(await isStale(sql, id))) return false
  await closeLostRuns(sql, { batchId: id })
  return withTransaction(sql, async (step) => {
    const batch = await lockBatch(step, id)
    if (batch === undefined || batch.finishedAt !== null) return true
    if (!(await isStale(step, id))) return false
    const running = await step`select from viewkeeper.runs where batch_id = ${id} and status = 'running'`
    if (running.length > 0) return false
    const end = batch.cancelRequestedAt === null ? lost : canceled
    await recordBatchEnd(step, id, end)
    await step`
      update viewkeeper.runs set status = ${end.status}, plan = null, finished_at = clock_timestamp(),
             updated_at = clock_timestamp(), duration_ms = 0, error = ${step.json(end.error as never)}
       where batch_id = ${id} and status = 'pending'`
    await step`update viewkeeper.batches set idempotency_key = null where id = ${id}`
    return true
  })
}

/** The ids of open batches that nobody seems to drive on. */
export async function findStaleBatches(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select b.id from viewkeeper.batches b where b.status in ('pending', 'running') and ${stale(sql)} order by b.serial`
  return rows.map(({ id }) => id)
}

/** Whoever drives a batch on says so every ten seconds. */
const drivenWithinSeconds = 15

/** An open batch, and whether somebody drives it on, or the server works on a run of it. */
export interface OpenBatch {
  id: string
  attended: boolean
}

/** Every open batch, oldest first. */
export const readOpenBatches = (sql: Sql): Promise<OpenBatch[]> => sql<OpenBatch[]>`
  with ${runLocks(sql)}
  select b.id,
         coalesce(b.advanced_at, b.requested_at) > clock_timestamp() - make_interval(secs => ${drivenWithinSeconds})
         or exists (
           select from viewkeeper.runs r join run_locks l on l.id = r.id and l.pid = r.backend_pid
            where r.batch_id = b.id and r.status = 'running') as attended
    from viewkeeper.batches b where b.status in ('pending', 'running') order by b.serial`

const isStale = async (sql: Sql, id: string): Promise<boolean> =>
  (await sql`select from viewkeeper.batches b where b.id = ${id} and ${stale(sql)}`).length > 0

const stale = (sql: Sql) => sql`
  coalesce(b.advanced_at, b.requested_at) < clock_timestamp() - make_interval(secs => ${batchLostAfterSeconds})`
