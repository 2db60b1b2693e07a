import type { Sql } from './connect.ts'
import { runLockClass } from './envelope-text.ts'

const byServer =
  'The server process that worked on this run is gone (restart, failover or pg_terminate_backend); its work was rolled back.'
const neverClaimed = 'This run was written down but never reached the server.'

/**
 * Closes runs whose work nobody does any more, as failed, class RunLost, and gives their ids: running ones whose advisory
 * lock is free, and pending ones past their `claim_by`. Looks at one run, at those of one view or batch, or at all. Their
 * idempotency keys are free again, for nothing of theirs was done.
 *
 * Why this is right: a run holds its lock from before it is claimed until after its end is recorded, so a running row
 * with a free lock has lost its server process. Taking the lock, as a transaction lock, keeps a late envelope out, and
 * the update looks again at the row as it is then: a run that ended just now is left alone.
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
    with lost as materialized (
      select r.id from viewkeeper.runs r
       where r.status in ('pending', 'running') and ${chosen}
         and case when r.status = 'running' or r.claim_by < clock_timestamp() -- case: no lock is tried on other rows
             then pg_try_advisory_xact_lock(${runLockClass}, r.id::integer) end)
    update viewkeeper.runs r
       set status = case when r.cancel_requested_at is null then 'failed' else 'canceled' end, plan = null,
           idempotency_key = null, finished_at = clock_timestamp(), updated_at = clock_timestamp(),
           duration_ms = null, -- nobody was there when it ended
           error = jsonb_build_object('class', case when r.cancel_requested_at is null then 'RunLost' else 'Canceled' end,
             'message', case r.status when 'running' then ${byServer}::text else ${neverClaimed}::text end)
      from lost where r.id = lost.id and (r.status = 'running' or r.status = 'pending' and r.claim_by < clock_timestamp())
    returning r.id`
  return rows.map(({ id }) => id)
}
