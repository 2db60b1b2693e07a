import { backupsQuery, besideBackup } from '../sql/backups.ts'
import type { Copy, Standby, Standbys } from '../sql/replicas.ts'
import { Problem } from '../words/problem.ts'
import type { Sql } from './database.ts'

/**
 * The standbys of the server, as far as the login may see them. What receives WAL without replaying it (`pg_receivewal`, a
 * backup) is no standby, and neither is a subscriber or any other reader of a logical slot.
 */
export async function readStandbys(sql: Sql): Promise<Standbys> {
  const [row] = await sql<[Standbys & { isAurora: boolean }]>`
    select coalesce(jsonb_agg(jsonb_build_object('name', r.application_name, 'lagMs',
             case when r.replay_lsn >= r.sent_lsn then 0 else (extract(epoch from r.replay_lag) * 1000)::int8 end)
             order by r.application_name) filter (where r.state in ('catchup', 'streaming') and r.replay_lsn is not null), '[]') as standbys,
           (count(*) filter (where r.state is null and r.application_name not in ('pg_receivewal', 'pg_basebackup')))::integer as hidden,
           to_regproc('pg_catalog.aurora_replica_status') is not null as "isAurora"
      from pg_catalog.pg_stat_replication r
     where not exists (select from pg_catalog.pg_replication_slots s where s.active_pid = r.pid and s.slot_type = 'logical')`
  const { standbys, hidden, isAurora } = row
  return { standbys: [...standbys, ...(isAurora ? await readAuroraReaders(sql) : [])], hidden }
}

/**
 * A query for the copy of this database that RDS feeds, as JSON. RDS reads the slots of its blue/green deployments as its own role,
 * which nobody else has; any login sees which role a session has. Other readers of logical slots, such as Debezium, get no rows of
 * materialized views, and take no notice of their DDL.
 */
const copyQuery = `
select jsonb_build_object('slot', s.slot_name, 'isAurora', to_regproc('pg_catalog.aurora_replica_status') is not null)
  from pg_catalog.pg_replication_slots s, pg_catalog.pg_stat_get_activity(s.active_pid) a
 where s.slot_type = 'logical' and s.database = pg_catalog.current_database() and a.pid = s.active_pid and a.usesysid = (select oid from pg_catalog.pg_roles where rolname = 'rdsadmin')
 order by s.slot_name limit 1`

/** The copy that RDS feeds from this database; null if it feeds none. */
export async function readCopy(sql: Sql): Promise<Copy | null> {
  const [row] = await sql.unsafe<{ copy: Copy }[]>(`select (${copyQuery}) as copy`)
  return row?.copy ?? null
}

/** The readers of an Aurora cluster, which share its storage: `pg_stat_replication` does not show them. */
const readAuroraReaders = (sql: Sql): Promise<Standby[]> =>
  sql<Standby[]>`
    select server_id as name, replica_lag_in_msec::int8 as "lagMs" from pg_catalog.aurora_replica_status()
     where session_id <> 'MASTER_SESSION_ID' order by 1`.catch(() => [])

/** Whom an exchange would harm: who makes a backup, and the copy that RDS feeds. One statement. */
export async function readHarmed(sql: Sql): Promise<{ backup: string | null; copy: Copy | null }> {
  const [row] = await sql.unsafe<[{ backup: string | null; copy: Copy | null }]>(
    `select (select who from (${backupsQuery}) b limit 1) as backup, (${copyQuery}) as copy`,
  )
  return row
}

/** Who makes a backup of this database, in words; null if nobody does. */
export async function readBackup(sql: Sql): Promise<string | null> {
  const [row] = await sql.unsafe<{ who: string }[]>(backupsQuery)
  return row?.who ?? null
}

/** Refuses (LockTimeout) to exchange or drop anything beside a backup. */
export async function insistOnNoBackup(sql: Sql): Promise<void> {
  const who = await readBackup(sql)
  if (who !== null) throw brokenBackup(who)
}

/** The refusal of what would break the backup. */
export const brokenBackup = (who: string): Problem =>
  new Problem(
    'LockTimeout',
    `It has to wait, because ${besideBackup(who)}. Try again when the backup has ended.`,
  )
