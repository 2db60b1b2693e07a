import { checkFailedSince } from '../../record/runs/failing.ts'
import type { Run } from '../../record/runs/runs.ts'
import type { Sql } from '../../server/database.ts'
import type { CommandTarget } from '../../words/commands.ts'
import { utc } from '../../words/phrases.ts'
import type { Cause } from '../diagnosis/cause.ts'
import { runCause } from '../diagnosis/run-cause.ts'

/** A run that has failed or was canceled, with what tells its cause of its view at this moment. */
type FailedRun = Pick<Run, 'id' | 'operation' | 'status' | 'batchId' | 'finishedAt' | 'error' | 'view'> & {
  /** Whether somebody canceled the whole batch of the run. */
  batchCanceled: boolean
  /** As `Examined` has them. */
  lastSuccessAt: Date | null
  populated: boolean
  staleMs: number | null
  checkFailedSince: Date | null
}

/** One run with its view; undefined if the run has neither failed nor was canceled. */
async function readFailedRun(sql: Sql, id: number): Promise<FailedRun | undefined> {
  const [row] = await sql<FailedRun[]>`
    select r.id, r.operation, r.status, r.batch_id as "batchId", r.finished_at as "finishedAt", r.error,
           format('%I.%I', r.schema_name, r.view_name) as view,
           exists (select from viewkeeper.batches b where b.id = r.batch_id and b.cancel_requested_at is not null) as "batchCanceled",
           k.last_success_at as "lastSuccessAt", coalesce(c.relispopulated, false) as populated,
           (date_part('epoch', statement_timestamp() - coalesce(k.as_of, k.last_success_at)) * 1000)::int8 as "staleMs",
           case r.error ->> 'class' when 'CheckFailed' then ${checkFailedSince(sql)} end as "checkFailedSince"
      from viewkeeper.runs r
      left join (select definition_id as id, last_success_at, as_of from viewkeeper.latest_runs) k on k.id = r.definition_id
      left join (select n.nspname, c.relname, c.relispopulated
                   from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                  where c.relkind = 'm') c on c.nspname = r.schema_name and c.relname = r.view_name
     where r.id = ${id} and r.status in ('failed', 'canceled')`
  return row
}

/** Why a run has failed or was canceled, as `why` tells it; undefined if it has ended otherwise, or goes on. */
export async function readCause(sql: Sql, runId: number, typed: CommandTarget): Promise<Cause | undefined> {
  const run = await readFailedRun(sql, runId)
  return run && runCause(run, run, { typed, clock: utc, longest: Infinity })
}
