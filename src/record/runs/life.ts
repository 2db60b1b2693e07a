import type { Sql } from '../../server/database.ts'
import { mayRetry } from '../../words/problem.ts'
import { openBatchStatuses, type RunError, type RunStatus, type Unchanged } from '../../words/run.ts'

/**
 * A query that has a row if the session with this pid, start and role exists. The start tells it from a later session of the same
 * pid. A login that may not see the start, because the session is another login's, compares the role instead. The list
 * of sessions is read anew, not as the transaction has seen it before.
 */
export const session = (pid: string, start: string, role: string): string => `
  select from pg_stat_get_activity(case when pg_stat_clear_snapshot()::text is not null then ${pid} end) a
   where a.datid = (select oid from pg_database where datname = current_database())
     and coalesce(a.backend_start = ${start}, pg_has_role(a.usesysid, to_regrole(quote_ident(${role}))::oid, 'member'))`

/**
 * SQL for whether a server process works on run `r`: the session that claimed the run exists and executes something. An envelope is
 * one statement, so a session that is idle, or asks this, has finished its run; and after an envelope that failed, no session
 * executes another. Neither locks nor application_name prove it, because others may take a lock, and code of a view may
 * change the name.
 */
export const isWorkedOn = `exists (${session('r.backend_pid', 'r.backend_start', 'r.planned_by')}
     and a.pid <> pg_backend_pid() and coalesce(a.state, '') not like 'idle%')`

/** A way in which the status of a run changes. A run that has ended never changes its status again. */
export interface Transition {
  from: readonly RunStatus[]
  to: readonly RunStatus[]
  /** The condition of the change, in words. The SQL that makes the change has the same condition. */
  proof: string
}

/** SQL for whether a run or a batch has one of these statuses. `row`: the alias of its table. */
export const hasStatus = (statuses: readonly RunStatus[], row = 'r'): string =>
  `${row}.status in (${statuses.map((status) => `'${status}'`).join(', ')})`

/** SQL for whether batch `b` has not ended. */
export const isOpenBatch = hasStatus(openBatchStatuses, 'b')

/** For `set`: the columns that each run gets at its end. */
export const endsNow = 'plan = null, finished_at = clock_timestamp(), updated_at = clock_timestamp()'

/** The end of a run whose plan was refused, or that nobody could send. */
export const refusal: Transition = {
  from: ['pending'],
  to: ['failed', 'skipped'],
  proof: 'the server has not claimed the run',
}

/** The status of a run whose plan was refused: `skipped` if another run of the view is running, else `failed`. */
export const endOfRefused = ({ class: why }: RunError): 'failed' | 'skipped' =>
  why === 'AlreadyRunning' ? 'skipped' : 'failed'

/** Closes a pending run, and those that follow it, with the error. Does nothing if the server has claimed the run. */
export async function closeUnclaimed(sql: Sql, id: number, error: RunError): Promise<void> {
  await sql`
    update viewkeeper.runs r set status = ${endOfRefused(error)}, ${sql.unsafe(endsNow)}, duration_ms = 0, error = ${sql.json(error as never)},
           idempotency_key = case when ${mayRetry(error.class)} then null else idempotency_key end
     where (r.id = ${id} or r.group_run_id = ${id}) and ${sql.unsafe(hasStatus(refusal.from))}`
}

/** The end of a run that is not needed any more. */
export const skipping: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'the server has not claimed the run',
}

/** Closes a pending run, and those that follow it, as skipped. Does nothing if the server has claimed the run. */
export async function skipUnclaimed(
  sql: Sql,
  id: number,
  because: string,
  unchanged?: Unchanged,
): Promise<void> {
  await sql`
    update viewkeeper.runs r set status = 'skipped', ${sql.unsafe(endsNow)}, duration_ms = 0,
           as_of = ${unchanged?.asOf ?? null}::text::timestamptz, held_back_by = ${unchanged?.heldBackBy ?? null},
           meta = jsonb_set(meta, '{response}', ${sql.json({ because })})
     where (r.id = ${id} or r.group_run_id = ${id}) and ${sql.unsafe(hasStatus(skipping.from))}`
}

/** The end of the runs of a group's other members, because the pending run that they follow gets another plan. */
export const planningAgain: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'the run follows the run that gets another plan',
}

/** The statement that ends the runs which follow run `id`. */
export const endFollowers = (sql: Sql, id: number) => sql`
  update viewkeeper.runs r set status = 'skipped', ${sql.unsafe(endsNow)}, duration_ms = 0,
         meta = jsonb_set(meta, '{response,because}', '"the refresh of the group was planned again"')
   where r.group_run_id = ${id} and ${sql.unsafe(hasStatus(planningAgain.from))}`

/** The end of a run that nobody works on any more, or that nobody can claim any more. */
export const loss: Transition = {
  from: ['pending', 'built', 'running'],
  to: ['failed', 'canceled'],
  proof:
    'running: the session that the row names is gone, or executes nothing; pending or built: the time to claim the run is over, or the definition is gone',
}

const byServer =
  'The server process that worked on this run is gone (restart, failover or pg_terminate_backend); its work was rolled back.'
const neverClaimed = 'The server never claimed this run.'

/**
 * Closes lost runs as failed (RunLost) or, if their cancel was requested, as canceled, and returns their ids. Lost are running runs
 * that no server process works on, and runs that nobody can claim any more. `which`: one run with those of its group, the
 * runs of one view, or those of one batch. Default: all runs. The idempotency keys of lost runs become free, because none of
 * their work remains. `duration_ms` is null, because nobody knows when the process was lost.
 *
 * Proof: the session of a run executes one statement from before the commit of the claim until after the commit of the end. The
 * update checks the row again, so it leaves a run alone that has just ended or was just claimed.
 * Nobody can claim a run of a batch whose definition was deleted.
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
    with lost as materialized (
      select r.id, r.status, r.updated_at from viewkeeper.runs r
       where ${chosen} and case r.status
         when 'running' then not ${sql.unsafe(isWorkedOn)}
         else r.claim_by < clock_timestamp() or r.batch_id is not null and r.definition_id is null end
         and ${sql.unsafe(hasStatus(loss.from))})
    update viewkeeper.runs r
       set status = case when r.cancel_requested_at is null then 'failed' else 'canceled' end, ${sql.unsafe(endsNow)},
           idempotency_key = null,
           duration_ms = null,
           error = jsonb_build_object('class', case when r.cancel_requested_at is null then 'RunLost' else 'Canceled' end,
             'message', case r.status when 'running' then ${byServer}::text else ${neverClaimed}::text end)
      from lost where r.id = lost.id and r.status = lost.status and r.updated_at = lost.updated_at
    returning r.id`
  return rows.map(({ id }) => id)
}
