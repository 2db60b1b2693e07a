import { Problem } from '../problem.ts'
import type { Sql } from './connect.ts'
import { sqlstateOf } from './failures.ts'

/**
 * First key of every run's advisory lock; the second is the run's id. Keys of two integers never equal the
 * bigint keys of other tools.
 */
export const runLockClass = 22135

/**
 * Second keys for setting up, migrating views, warming a connection, planning what is due and leading the copies of a process. No
 * run has them, because run ids begin at 1.
 */
export const reservedKeys = { setUp: 0, viewMigration: -1, warmUp: -2, planDue: -3, lead: -4 } as const

/** The channel of notifications that a run has ended; the payload is the run's id. */
export const runChannel = 'viewkeeper'

/** The sessions that hold locks of this class in this database, for a `with` clause: `run_locks(id, pid)`. */
export const runLocks = (sql: Sql) => sql`
  run_locks as materialized (
    select l.objid::int8 as id, l.pid from pg_catalog.pg_locks l
     where l.locktype = 'advisory' and l.objsubid = 2 and l.granted and l.classid = ${runLockClass}::int8::oid
       and l.database = (select oid from pg_catalog.pg_database where datname = current_database()))`

/** The refusal that names the session which holds a lock of this class; undefined if no other session holds the lock. */
export async function lockIsHeld(sql: Sql, key: number, whose: string): Promise<Problem | undefined> {
  const [row] = await sql<{ pid: number; role: string | null }[]>`
    with ${runLocks(sql)}
    select l.pid, a.usename as role
      from run_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
     where l.id = (${key}::int8 & 4294967295) and l.pid <> pg_backend_pid()
     limit 1`
  return row && heldBy(row, whose)
}

const heldBy = ({ pid, role }: { pid: number; role: string | null }, whose: string): Problem =>
  new Problem(
    'LockTimeout',
    `Process ${pid}${role === null ? '' : ` of role ${role}`} holds the advisory lock of ${whose}. Try again when the ` +
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
