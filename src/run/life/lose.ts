import type { Sql } from '../../server/connect.ts'
import { runLocks } from '../../server/lock-keys.ts'
import { endsNow, hasStatus, type Transition } from './transition.ts'

/** A run ends that nobody works on any more, or that nobody can claim any more. */
export const loss: Transition = {
  from: ['pending', 'built', 'running'],
  to: ['failed', 'canceled'],
  proof:
    'running: the server process that the row names does not hold the lock of the run; pending or built: the time to claim the run is over, or the definition is gone',
}

const byServer =
  'The server process that worked on this run is gone (restart, failover or pg_terminate_backend); its work was rolled back.'
const neverClaimed = 'The server never claimed this run.'

/**
 * Closes lost runs as failed (RunLost) or, if their cancel was requested, as canceled, and returns their ids: running runs
 * whose server process does not hold the run's advisory lock, and runs that nobody can claim any more. Looks at one run with
 * those of its group, at the runs of one view or batch, or at all runs. The idempotency keys of lost runs are free again,
 * because none of their work remains.
 *
 * Why this is right: the process of a run holds the run's lock from before the claim until after the end is recorded. So if
 * the process of a running run does not hold the lock, the process is gone. The same lock in another session proves nothing.
 * The update checks the row again: a run that has just ended or has just been claimed is left alone.
 */
export async function closeLostRuns(
  sql: Sql,
  which?: { runId: number } | { schema: string; name: string } | { batchId: string },
): Promise<number[]> {
  const chosen =
    which === undefined
      ? sql`true`
      : 'runId' in which
        ? sql`(r.id = ${which.runId} or r.group_run_id = ${which.runId})`
        : 'batchId' in which
          ? sql`r.batch_id = ${which.batchId}`
          : sql`r.schema_name = ${which.schema} and r.view_name = ${which.name}`
  const rows = await sql<{ id: number }[]>`
    with ${runLocks(sql)},
    lost as materialized (
      select r.id, r.status from viewkeeper.runs r
       where ${chosen} and case r.status
         when 'running' then not exists (select from run_locks l where l.id = r.id and l.pid = r.backend_pid)
         -- Nobody can claim a run of a batch any more whose definition was deleted.
         else r.claim_by < clock_timestamp() or r.batch_id is not null and r.definition_id is null end
         and ${sql.unsafe(hasStatus(loss.from))})
    update viewkeeper.runs r
       set status = case when r.cancel_requested_at is null then 'failed' else 'canceled' end, ${sql.unsafe(endsNow)},
           idempotency_key = null,
           duration_ms = null, -- nobody knows when the process ended
           error = jsonb_build_object('class', case when r.cancel_requested_at is null then 'RunLost' else 'Canceled' end,
             'message', case r.status when 'running' then ${byServer}::text else ${neverClaimed}::text end)
      from lost where r.id = lost.id and r.status = lost.status
    returning r.id`
  return rows.map(({ id }) => id)
}

/**
 * Whether the session may close lost runs. A login that only reads may not, nor a standby, which does not even
 * have the primary's locks.
 */
export async function mayCloseRuns(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ may: boolean }[]>`
    select has_table_privilege('viewkeeper.runs', 'update') and not current_setting('transaction_read_only')::boolean as may`
  return row?.may ?? false
}
