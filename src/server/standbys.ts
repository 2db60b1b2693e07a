import { backupsQuery, besideBackup } from '../sql/backups.ts'
import { type CommandTarget, command } from '../words/commands.ts'
import { count, duration } from '../words/phrases.ts'
import { docsOf, Problem } from '../words/problem.ts'
import type { Sql } from './database.ts'

/** A server that replays what this one writes, and on which programs may read. */
interface Standby {
  /** What the server calls itself: its `cluster_name`, or on Aurora the name of the instance. */
  name: string
  /** How far its data lag behind, milliseconds; null: the server does not know. */
  lagMs: number | null
}

/** The standbys of a server. */
export interface Standbys {
  standbys: Standby[]
  /** Sessions that receive what the server writes, and of which this login may not see what they are. */
  hidden: number
}

/** A copy of this database that RDS feeds by logical replication: the green server of a blue/green deployment. */
export interface BlueGreenCopy {
  /** The slot from which it is fed. */
  slot: string
  /** On Aurora every refresh breaks the replication; elsewhere, whatever is DDL. */
  isAurora: boolean
}

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
  const readers = row.isAurora ? await readAuroraReaders(sql) : []
  return { standbys: [...row.standbys, ...readers], hidden: row.hidden }
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
export async function readCopy(sql: Sql): Promise<BlueGreenCopy | null> {
  const [row] = await sql.unsafe<{ copy: BlueGreenCopy }[]>(`select (${copyQuery}) as copy`)
  return row?.copy ?? null
}

/** The readers of an Aurora cluster, which share its storage: `pg_stat_replication` does not show them. */
const readAuroraReaders = (sql: Sql): Promise<Standby[]> =>
  sql<Standby[]>`
    select server_id as name, replica_lag_in_msec::int8 as "lagMs" from pg_catalog.aurora_replica_status()
     where session_id <> 'MASTER_SESSION_ID' order by 1`.catch(() => [])

/** Whom an exchange would harm: who makes a backup, and the copy that RDS feeds. One statement. */
export async function readHarmed(sql: Sql): Promise<{ backup: string | null; copy: BlueGreenCopy | null }> {
  const [row] = await sql.unsafe<[{ backup: string | null; copy: BlueGreenCopy | null }]>(
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

/** Why a view is not swapped beside such a copy. */
export const besideCopy = ({ slot }: BlueGreenCopy): string =>
  `RDS feeds the green server of a blue/green deployment from here (slot ${slot}), and an exchange is DDL, which degrades that`

/** What to do about such a copy, and what to type on the target. */
export const copyLine = (copy: BlueGreenCopy, typed: CommandTarget): string =>
  copy.isAurora
    ? `RDS feeds the green server of a blue/green deployment from here (slot ${copy.slot}), and on Aurora every refresh of a ` +
      `materialized view breaks that: npx ${command(['pause', '--all'], typed)}, until the switchover (${docsOf('upgrading.md#a-bluegreen-deployment')}).`
    : `${besideCopy(copy)}: auto swaps nothing meanwhile. The views of green get no rows: refresh all after the switchover ` +
      `(${docsOf('upgrading.md#a-bluegreen-deployment')}).`

/** What to say of standbys; null if the server has none, as far as is seen. */
export function standbysLine({ standbys, hidden }: Standbys): string | null {
  if (standbys.length + hidden === 0) return null
  const each = standbys.map(
    ({ name, lagMs }) => `${name}, ${lagMs === null ? 'an unknown time' : duration(lagMs)} behind`,
  )
  const seen =
    standbys.length > 0
      ? `This server has ${count(standbys.length, 'standby', 'standbys')} (${each.join('; ')}).`
      : `${count(hidden, 'session')} may be ${hidden === 1 ? 'that of a standby' : 'those of standbys'}: this login lacks pg_read_all_stats, and so does not see what they are.`
  return (
    `${seen} If programs read a view there, each swap and each regular refresh makes them wait until the longest query there that ` +
    `reads the view has ended. Give such a view strategy: 'concurrent': ${docsOf('replicas.md')}.`
  )
}
