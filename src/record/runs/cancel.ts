import { hintsQuery, isMember } from '../../catalog/plan/rights.ts'
import type { Sql } from '../../server/database.ts'
import { problemOf, sqlstateOf } from '../../server/failures.ts'
import { readMissingRights } from '../../server/own-rights.ts'
import { endsNow, hasStatus, isWorkedOn, type Transition } from './life.ts'

/** A run ends that nobody works on. The server process of a running run records its own end: see `fail.ts`. */
export const cancellation: Transition = {
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
  // One statement: if we may not signal, no request for a cancel is recorded either. The recorded pid alone may belong to another
  // process by now. The row is locked, so its process cannot end the run meanwhile, and begin another one. Who may not see when a session
  // began may see its name.
  const [signal] = await sql<{ requested: number }[]>`
    with requested as (
      update viewkeeper.runs r set cancel_requested_at = clock_timestamp(), updated_at = clock_timestamp()
       where r.id = ${id} and r.status = 'running'
         and (r.cancel_requested_at is null
              or r.cancel_requested_at < clock_timestamp() - make_interval(secs => ${signalAgainAfterSeconds}))
      returning r.id, r.backend_pid, r.backend_start, r.planned_by, r.group_run_id)${note('requested')}
    select (select count(*) from requested) as requested,
           (select count(pg_cancel_backend(r.backend_pid)) from requested r where ${sql.unsafe(isWorkedOn)}
             and exists (select from pg_stat_get_activity(r.backend_pid) a where a.backend_start is not null
                           or a.application_name like format('viewkeeper run %s%%', coalesce(r.group_run_id, r.id)))) as signaled`.catch(
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
