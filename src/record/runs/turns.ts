import type { Sql } from '../../server/database.ts'
import { literal } from '../../sql/names.ts'
import { Problem } from '../../words/problem.ts'
import { session } from './life.ts'

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

/** A query for the pid of the session that has a turn. */
export const whoseTurn = (key: string): string =>
  `select (value ->> 'pid')::integer from viewkeeper.switches where key = ${literal(key)}`

/** Whether turns can be taken: there are none before schema `viewkeeper` is there. */
export async function hasTurns(sql: Sql): Promise<boolean> {
  const [known] = await sql`select to_regclass('viewkeeper.switches') as switches`
  return known?.switches !== null
}

/** Whether the leader, who has this turn, has noted that it obeys other options. */
export const obeysOthers = async (sql: Sql, key: string, obeys: string): Promise<boolean> =>
  (await sql`select from viewkeeper.switches where key = ${key} and value ->> 'obeys' <> ${obeys}`).length > 0

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
