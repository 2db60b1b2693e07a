import { hintsQuery, isMember } from '../../catalog/plan/rights.ts'
import {
  type BatchEnd,
  openBatchStatuses,
  type RunError,
  type RunStatus,
  type Unchanged,
} from '../../catalog/plan/run.ts'
import { mayRetry } from '../../problem.ts'
import type { Sql } from '../../server/connect.ts'
import { problemOf, sqlstateOf } from '../../server/failures.ts'
import { runLocks } from '../../server/lock-keys.ts'
import { readMissingRights } from '../../server/rights.ts'

/** A way in which the status of a run changes. A run that has ended never changes its status again. */
interface Transition {
  from: readonly RunStatus[]
  to: readonly RunStatus[]
  /** What has to hold for the change, in words. The SQL of the transition insists on it. */
  proof: string
}

/** Whether a run or a batch has one of these statuses, as SQL. `row` is what the statement calls its row. */
const hasStatus = (statuses: readonly RunStatus[], row = 'r'): string =>
  `${row}.status in (${statuses.map((status) => `'${status}'`).join(', ')})`

/** Whether batch `b` has not ended, as SQL. */
export const isOpenBatch = hasStatus(openBatchStatuses, 'b')

/** What every run gets at its end, for `set`. */
const endsNow = 'plan = null, finished_at = clock_timestamp(), updated_at = clock_timestamp()'

/** A run ends whose plan was refused, or which nobody could send. */
const refusal: Transition = {
  from: ['pending'],
  to: ['failed', 'skipped'],
  proof: 'the server has not claimed the run',
}

/** How a run ends whose plan was refused. A run that is not needed has not failed. */
export const endOfRefused = ({ class: why }: RunError): 'failed' | 'skipped' =>
  why === 'AlreadyRunning' ? 'skipped' : 'failed'

/** Closes a pending run with the error. Does nothing if the server has claimed the run. */
export async function closeUnclaimed(sql: Sql, id: number, error: RunError): Promise<void> {
  await sql`
    update viewkeeper.runs r set status = ${endOfRefused(error)}, ${sql.unsafe(endsNow)}, duration_ms = 0, error = ${sql.json(error as never)},
           idempotency_key = case when ${mayRetry(error.class)} then null else idempotency_key end
     where (r.id = ${id} or r.group_run_id = ${id}) and ${sql.unsafe(hasStatus(refusal.from))}`
}

/** A run ends that is not needed any more. */
const skipping: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'the server has not claimed the run',
}

/** Closes a pending run as skipped, with the reason. Does nothing if the server has claimed the run. */
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

/** The runs of the other members of a group end, because the pending run that they follow gets another plan. */
const planningAgain: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'the run follows the run that gets another plan',
}

/** The statement that ends the runs which follow run `id`. */
export const endFollowers = (sql: Sql, id: number) => sql`
  update viewkeeper.runs r set status = 'skipped', ${sql.unsafe(endsNow)}, duration_ms = 0,
         meta = jsonb_set(meta, '{response,because}', '"the refresh of the group was planned again"')
   where r.group_run_id = ${id} and ${sql.unsafe(hasStatus(planningAgain.from))}`

// What the envelope does to a run: `envelope.sql` has the statements.

/** A server process begins to work on a run, and on the runs of the other members of its group. */
const claim: Transition = {
  from: ['pending', 'built'],
  to: ['running'],
  proof:
    'the server process holds the lock of the run, its role wrote the plan, no other run of the view is running, and it is the turn of the run',
}

/** A run ends because another run of its view is running. */
const alreadyRunning: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'another run of the view, or of a member of the group, is running, and the plan says to skip',
}

/** The work of a run is done. A run that only fills a shadow is built. */
const success: Transition = {
  from: ['running'],
  to: ['success', 'built'],
  proof: 'the server process that claimed the run has done the work in this transaction',
}

/** The work of a run has failed, or was canceled. */
const failure: Transition = {
  from: ['running'],
  to: ['failed', 'canceled'],
  proof: 'the server process that claimed the run has undone the work; canceled: a caller has asked for it',
}

/** The runs of the other members of a group end, because the view has to be refreshed without them, or its refresh has failed. */
const leavingOut: Transition = {
  from: ['running'],
  to: ['skipped'],
  proof: 'the server process that claimed the run goes on with a plan for one view, or has undone the work',
}

/** A text of an error holds at most so many characters in the record: an answer lists many runs. */
export const mostCharacters = 2000

/** An attempt in a batch ends because a view that its view reads has failed for good. */
const missedTurn: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'the batch goes on',
}

/** For an insert of the ended attempt, `on conflict`: ends the attempt that is there. */
export const endPendingAttempt = (sql: Sql) => sql`
  do update set status = 'skipped', plan = null, finished_at = excluded.finished_at, updated_at = excluded.finished_at,
                duration_ms = 0, error = excluded.error
     where ${sql.unsafe(hasStatus(missedTurn.from, 'runs'))}`

/** The shadow of a run is dropped, because its group is not exchanged. */
const givingUp: Transition = {
  from: ['built'],
  to: ['skipped'],
  proof: 'the group of the view is given up in the same transaction, and the batch goes on',
}

/** The statement that ends the built runs of these definitions in a batch. */
export const endBuilt = (sql: Sql, batchId: string, definitionIds: number[], error: RunError) => sql`
  update viewkeeper.runs r set status = 'skipped', ${sql.unsafe(endsNow)}, group_run_id = null,
           as_of = null, held_back_by = null, filled = null, inputs = null, touched = null, error = ${sql.json(error as never)}
   where r.batch_id = ${batchId} and ${sql.unsafe(hasStatus(givingUp.from))}
     and r.definition_id in (select value::integer from jsonb_array_elements_text(${sql.json(definitionIds)}))
  returning *`

/** A run ends because nobody advances its batch any more. */
const endingWithBatch: Transition = {
  from: ['pending', 'built'],
  to: ['failed', 'canceled'],
  proof:
    'nobody has advanced the batch for long, the batch ends in the same transaction, and none of its runs is running',
}

/** Ends the open runs of a batch, and the runs that follow them, as the batch itself. */
export async function endRunsOfBatch(sql: Sql, batchId: string, { status, error }: BatchEnd): Promise<void> {
  await sql`
    update viewkeeper.runs r set status = ${status}, ${sql.unsafe(endsNow)}, duration_ms = coalesce(duration_ms, 0),
           error = ${sql.json(error as never)}
     where (r.batch_id = ${batchId} or r.group_run_id in (select l.id from viewkeeper.runs l where l.batch_id = ${batchId}))
       and ${sql.unsafe(hasStatus(endingWithBatch.from))}`
}

/** A run ends that nobody works on. The server process of a running run records its own end: see `fail.ts`. */
const cancellation: Transition = {
  from: ['pending', 'built'],
  to: ['canceled'],
  proof: 'a caller has asked for it',
}

/** A second signal that comes sooner could interrupt the server process while it records the end of the run. */
const signalAgainAfterSeconds = 5

/**
 * Cancels a run that has not ended: a pending or built run is closed at once; the server process of a running run is
 * signaled, and records the end itself. Returns false if the run has ended already or does not exist.
 * Notes who asked, if it was a person: not a batch that ends.
 */
export async function cancelRun(sql: Sql, id: number, by: string | null): Promise<boolean> {
  const note = (found: string) =>
    by === null
      ? sql``
      : sql`, noted as (
      insert into viewkeeper.actions (action, requested_by, views, run_id)
      select 'cancel', ${by}, jsonb_build_array(format('%I.%I', r.schema_name, r.view_name)), r.id
        from ${sql.unsafe(found)} join viewkeeper.runs r using (id) where r.id = ${id} and r.cancel_requested_at is null)`
  const pending = await sql`
    with canceled as (
    update viewkeeper.runs r set status = 'canceled', ${sql.unsafe(endsNow)}, duration_ms = coalesce(duration_ms, 0),
           group_run_id = null, cancel_requested_at = clock_timestamp(),
           error = jsonb_build_object('class', 'Canceled', 'message', case status when 'built' then 'Canceled before its shadow was exchanged.' else 'Canceled before it started.' end)
     where r.id = ${id} and ${sql.unsafe(hasStatus(cancellation.from))} or r.group_run_id = ${id} and r.status = 'pending'
    returning r.id)${note('canceled')}
    select from canceled`
  if (pending.length > 0) return true
  // One statement: if we may not signal, no request for a cancel is recorded either. The process has to hold the run's lock,
  // because the recorded pid alone may belong to another process by now.
  const [signal] = await sql<{ requested: number }[]>`
    with ${runLocks(sql)},
    requested as (
      update viewkeeper.runs set cancel_requested_at = clock_timestamp(), updated_at = clock_timestamp()
       where id = ${id} and status = 'running'
         and (cancel_requested_at is null
              or cancel_requested_at < clock_timestamp() - make_interval(secs => ${signalAgainAfterSeconds}))
      returning id, backend_pid)${note('requested')}
    select (select count(*) from requested) as requested, (select count(pg_cancel_backend(l.pid)) from run_locks l
      join requested on l.id = requested.id and l.pid = requested.backend_pid) as signaled`.catch(
    async (error) => {
      if (sqlstateOf(error) !== '42501' || error.routine !== 'pg_cancel_backend') throw error
      throw problemOf(error, await readMissingRights(sql, signalingQuery()))
    },
  )
  return (
    signal?.requested === 1 ||
    (await sql`select from viewkeeper.runs where id = ${id} and status = 'running'`).length > 0
  )
}

/** A query for what keeps the login from ending a query of another login. */
const signalingQuery = () =>
  hintsQuery([
    {
      from: `(select oid from pg_roles where rolname = 'pg_signal_backend') s`,
      because: `format('%s may not signal the sessions of others', asked.role::regrole)`,
      membership: 's.oid',
      given: isMember('asked.role', 's.oid'),
    },
  ])

/** A run ends that nobody works on any more, or that nobody can claim any more. */
const loss: Transition = {
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

/** Every way in which the status of a run changes. docs/how-it-works.md lists them, and a test tries each. */
export const life = {
  claim,
  'already running': alreadyRunning,
  success,
  failure,
  'left out': leavingOut,
  cancel: cancellation,
  refused: refusal,
  'not needed': skipping,
  'planned again': planningAgain,
  'missed turn': missedTurn,
  'given up': givingUp,
  lost: loss,
  'lost batch': endingWithBatch,
} satisfies Record<string, Transition>
