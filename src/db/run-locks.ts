import type { Sql } from './connect.ts'

/** First key of every run's advisory lock, the second being the run's id. Two-int keys leave other tools' alone. */
export const runLockClass = 22135

/** Second keys of that class that no run has, because ids begin at 1: whoever sets up, migrates views, warms a connection. */
export const reservedKeys = { setUp: 0, viewMigration: -1, warmUp: -2 } as const

/** The sessions that hold locks of this class in this database, for a `with` clause: `run_locks(id, pid)`. */
export const runLocks = (sql: Sql) => sql`
  run_locks as materialized (
    select l.objid::int8 as id, l.pid from pg_catalog.pg_locks l
     where l.locktype = 'advisory' and l.objsubid = 2 and l.granted and l.classid = ${runLockClass}::int8::oid
       and l.database = (select oid from pg_catalog.pg_database where datname = current_database()))`

/** Who holds a lock of this class, in words for people: `process 4711 (role etl)`. Undefined where nobody does, or we do. */
export async function findLockHolder(sql: Sql, key: number): Promise<string | undefined> {
  const [row] = await sql<{ holder: string }[]>`
    select 'process ' || l.pid || coalesce(' (role ' || a.usename || ')', '') as holder
      from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'advisory' and l.objsubid = 2 and l.granted and l.classid = ${runLockClass}::int8::oid
       and l.objid = (${key}::int8 & 4294967295)::oid and l.pid <> pg_backend_pid()
       and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
     limit 1`
  return row?.holder
}
