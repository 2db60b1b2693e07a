import type { Sql } from '../server/connect.ts'
import { runLocks } from '../server/lock-keys.ts'

/** A second signal would meet the server process while it records the end that the first one caused, and spoil that. */
const signalAgainAfterSeconds = 5

/**
 * Asks for the end of a run that has not ended: a pending one is closed at once, a running one's server process is
 * told to stop and records the end itself. False where the run had ended already (or never was).
 */
export async function cancelRun(sql: Sql, id: number): Promise<boolean> {
  const pending = await sql`
    update viewkeeper.runs set status = 'canceled', plan = null, finished_at = clock_timestamp(),
           updated_at = clock_timestamp(), duration_ms = 0, cancel_requested_at = clock_timestamp(),
           error = jsonb_build_object('class', 'Canceled', 'message', 'Canceled before it started.')
     where id = ${id} and status = 'pending'`
  if (pending.count > 0) return true
  // One statement: where we may not signal, nobody has asked for a cancel either. The process has to hold the run's lock: the
  // recorded pid alone may be somebody else's by now.
  const [signal] = await sql<{ asked: number }[]>`
    with ${runLocks(sql)},
    asked as (
      update viewkeeper.runs set cancel_requested_at = clock_timestamp(), updated_at = clock_timestamp()
       where id = ${id} and status = 'running'
         and (cancel_requested_at is null
              or cancel_requested_at < clock_timestamp() - make_interval(secs => ${signalAgainAfterSeconds}))
      returning id, backend_pid)
    select (select count(*) from asked) as asked, (select count(pg_cancel_backend(l.pid)) from run_locks l
      join asked on l.id = asked.id and l.pid = asked.backend_pid) as signaled`
  return (
    signal?.asked === 1 ||
    (await sql`select from viewkeeper.runs where id = ${id} and status = 'running'`).length > 0
  )
}
