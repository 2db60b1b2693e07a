import { Problem } from '../problem.ts'
import type { Sql } from './database.ts'
import { sqlstateOf } from './failures.ts'

/**
 * First key of every run's advisory lock; the second is the run's id. Keys of two integers never equal the
 * bigint keys of other tools.
 */
export const runLockClass = 22135

/**
 * Second keys for setting up, migrating views, warming a connection and leading the copies of a process. No run has them, because
 * run ids begin at 1.
 */
export const reservedKeys = { setUp: 0, viewMigration: -1, warmUp: -2, lead: -4 } as const

/** The channel of notifications that a run has ended; the payload is the run's id. */
export const runChannel = 'viewkeeper'

/** The sessions that hold locks of this class in this database, for a `with` clause: `run_locks(id, pid)`. */
export const runLocks = (sql: Sql) => sql`
  run_locks as materialized (
    select l.objid::int8 as id, l.pid from pg_catalog.pg_locks l
     where l.locktype = 'advisory' and l.objsubid = 2 and l.granted and l.classid = ${runLockClass}::int8::oid
       and l.database = (select oid from pg_catalog.pg_database where datname = current_database()))`

/** Whether a session `a` of pg_stat_get_activity is one of ours: by its role, because anybody may wear its name. */
export const isOurs = (sql: Sql) => sql`
  a.application_name like 'viewkeeper%'
  and pg_has_role(a.usesysid, (select nspowner from pg_catalog.pg_namespace where nspname = 'viewkeeper'), 'member')`

/** A session that is none of ours, and holds locks of this class. */
export interface ForeignHolder {
  pid: number
  role: string
  application: string
  locks: number
}

/** Finds the foreign sessions that hold locks of this class in this database. */
export const readForeignHolders = (sql: Sql): Promise<ForeignHolder[]> => sql<ForeignHolder[]>`
  with ${runLocks(sql)}
  select l.pid, a.usesysid::regrole::text as role, a.application_name as application, count(*)::integer as locks
    from run_locks l join pg_stat_get_activity(l.pid) a on not (${isOurs(sql)})
   group by 1, 2, 3 order by 1`

/** The refusal that names the session which holds a lock of this class; undefined if no other session holds the lock. */
export async function lockIsHeld(sql: Sql, key: number, whose: string): Promise<Problem | undefined> {
  const [row] = await sql<{ pid: number; who: string }[]>`
    with ${runLocks(sql)}
    select l.pid, coalesce(format(' (role %s, application %s)', a.usesysid::regrole, quote_ident(a.application_name)), '') as who
      from run_locks l left join pg_stat_get_activity(l.pid) a on true
     where l.id = (${key}::int8 & 4294967295) and l.pid <> pg_backend_pid()
     limit 1`
  return row && heldBy(row, whose)
}

const heldBy = ({ pid, who }: { pid: number; who: string }, whose: string): Problem =>
  new Problem(
    'LockTimeout',
    `Process ${pid}${who} holds the advisory lock of ${whose}. Try again when the ` +
      `process is done. If the process is not Viewkeeper's, end it: select pg_terminate_backend(${pid});`,
  )

/** If `work` gives up waiting for a lock of this class, the error names the session that holds the lock. */
export async function namingHolder<T>(
  sql: Sql,
  key: number,
  whose: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw (sqlstateOf(error) === '55P03' && (await lockIsHeld(sql, key, whose))) || error
  }
}
