import type { Sql } from '../server/connect.ts'
import { runLocks } from '../server/lock-keys.ts'

const byServer =
  'The server process that worked on this run is gone (restart, failover or pg_terminate_backend); its work was rolled back.'
const neverClaimed = 'This run was written down but never reached the server.'

/**
 * Closes runs whose work nobody does any more, as failed, class RunLost, and gives their ids: running ones whose server
 * process does not hold their advisory lock, and pending ones past their `claim_by`. Looks at one run, at those of one view or
 * batch, or at all. Their idempotency keys are free again, for nothing of theirs was done.
 *
 * Why this is right: the process of a run holds the run's lock from before the claim until after the end is recorded, so a
 * running row whose process does not hold it has lost that. Anybody else may hold it, and proves nothing. The update
 * looks again at the row as it is then: a run that ended, or was claimed, just now is left alone.
 */
export async function closeLostRuns(
  sql: Sql,
  which?: { runId: number } | { schema: string; name: string } | { batchId: string },
): Promise<number[]> {
  const chosen =
    which === undefined
      ? sql`true`
      : 'runId' in which
        ? sql`r.id = ${which.runId}`
        : 'batchId' in which
          ? sql`r.batch_id = ${which.batchId}`
          : sql`r.schema_name = ${which.schema} and r.view_name = ${which.name}`
  const rows = await sql<{ id: number }[]>`
    with ${runLocks(sql)},
    lost as materialized (
      select r.id, r.status from viewkeeper.runs r
       where ${chosen} and case r.status
         when 'running' then not exists (select from run_locks l where l.id = r.id and l.pid = r.backend_pid)
         when 'pending' then r.claim_by < clock_timestamp() end
         and r.status in ('pending', 'running'))
    update viewkeeper.runs r
       set status = case when r.cancel_requested_at is null then 'failed' else 'canceled' end, plan = null,
           idempotency_key = null, finished_at = clock_timestamp(), updated_at = clock_timestamp(),
           duration_ms = null, -- nobody was there when it ended
           error = jsonb_build_object('class', case when r.cancel_requested_at is null then 'RunLost' else 'Canceled' end,
             'message', case r.status when 'running' then ${byServer}::text else ${neverClaimed}::text end)
      from lost where r.id = lost.id and r.status = lost.status
    returning r.id`
  return rows.map(({ id }) => id)
}
