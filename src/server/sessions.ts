import { Problem } from '../words/problem.ts'
import type { Sql } from './database.ts'

/** The channel of notifications that a run has ended; the payload is the run's id. */
export const runChannel = 'viewkeeper'

/**
 * A query that has a row if the session is there that a row of ours names, by pid, start and role. Its start tells a session from
 * another of the same pid. A login that may not see the start, because the session is another login's, takes a session of that
 * role for the same. What sessions there are is looked up anew, after the snapshot of the statement.
 */
const session = (pid: string, start: string, role: string): string => `
  select from pg_stat_get_activity(case when pg_stat_clear_snapshot()::text is not null then ${pid} end) a
   where a.datid = (select oid from pg_database where datname = current_database())
     and coalesce(a.backend_start = ${start}, pg_has_role(a.usesysid, to_regrole(quote_ident(${role}))::oid, 'member'))`

/**
 * Whether a server process works on run `r`, as SQL: the session that has claimed it is there and executes something. An envelope is one
 * statement, so a session that is idle, or asks this, is done with its run; and no session executes a second envelope after one
 * that has failed. No lock proves anything, because anybody may take one, and neither does the session's name, because code of a view
 * may change it.
 */
export const isWorkedOn = `exists (${session('r.backend_pid', 'r.backend_start', 'r.planned_by')}
     and a.pid <> pg_backend_pid() and coalesce(a.state, '') not like 'idle%')`

const hasTurn = `exists (${session(`(s.value ->> 'pid')::integer`, `(s.value ->> 'since')::timestamptz`, `s.value ->> 'role'`)})`

/**
 * A statement that takes a turn which one session on the database has, unless the session that has it is there: then it returns no
 * row. The turn is a row of `switches` that names the session, and which only our roles may write. It ends with the session, so no
 * clock has a part in it.
 */
export const takeTurn = (sql: Sql, key: string, more: Record<string, string> = {}) => sql`
  insert into viewkeeper.switches as s (key, value)
  select ${key}, ${sql.json(more)} || jsonb_build_object('pid', a.pid, 'role', current_user, 'since', a.backend_start)
    from pg_stat_get_activity(pg_backend_pid()) a
   where not exists (select from viewkeeper.switches s where s.key = ${key} and ${sql.unsafe(hasTurn)})
  on conflict (key) do update set updated_at = clock_timestamp(), value = excluded.value where not ${sql.unsafe(hasTurn)}
  returning key`

/** Gives a turn back before the session ends. */
export const endTurn = (sql: Sql, key: string) => sql`
  delete from viewkeeper.switches where key = ${key} and (value ->> 'pid')::integer = pg_backend_pid()`

/** The refusal that names the session which does what we wait for: the first that the query `pids` finds. Undefined if it is gone. */
export async function inTheWay(sql: Sql, pids: string, what: string): Promise<Problem | undefined> {
  const [row] = await sql<{ pid: number; who: string }[]>`
    select a.pid, format('role %s, application %s', a.usesysid::regrole, quote_ident(a.application_name)) as who
      from (${sql.unsafe(pids)}) p(pid) join pg_stat_get_activity(p.pid) a on a.pid <> pg_backend_pid() limit 1`
  return row === undefined
    ? undefined
    : new Problem(
        'LockTimeout',
        `Process ${row.pid} (${row.who}) works on ${what}. Try again when it is done, or end it: select pg_terminate_backend(${row.pid});`,
      )
}
