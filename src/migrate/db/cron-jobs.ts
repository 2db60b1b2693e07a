import { isAsMighty } from '../../catalog/db/owner.ts'
import type { Sql } from '../../server/connect.ts'
import type { QualifiedName } from '../../sql/names.ts'

/** A row of pg_cron's table `cron.job`; older versions have no names of jobs. */
export type CronJob = Record<'schedule' | 'command' | 'database' | 'username', string> & {
  jobid: number
  jobname?: string | null
  active: boolean
}

/** The jobs of pg_cron that the login may see, the materialized views of this database, and the zone of schedules (null: nobody knows). */
export interface CronFacts {
  jobs: CronJob[]
  views: QualifiedName[]
  here: { database: string; login: string; zone: string | null }
  /** Whether row security may hide jobs from the login. */
  restricted: boolean
}

/** Reads `cron.job`; a text says why it is not read. Null: there is no such table. Its policies are executed as our login. */
export async function readCronFacts(sql: Sql): Promise<CronFacts | string | null> {
  const [table] = await sql`
    select c.relowner::regrole::text as owner, n.nspowner::regrole::text as schema_owner, c.relkind as kind,
           has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as readable,
           row_security_active(c.oid) as restricted
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'cron' and c.relname = 'job'`
  if (table === undefined) return null
  if (!table.readable || table.kind !== 'r') return 'your login may not read it, or it is not a table'
  for (const owner of [table.owner, table.schema_owner])
    if (!(await isAsMighty(sql, owner))) return `${owner}, which owns it or its schema, is not a superuser`
  const jobs = await sql<{ job: CronJob }[]>`select to_jsonb(j) as job from cron.job j order by j.jobid`
  const views = await sql<QualifiedName[]>`
    select schemaname as schema, matviewname as name from pg_catalog.pg_matviews order by 1, 2`
  // pg_cron hides its settings from a login that may not read all, and "current_setting" would fail. Older versions always take GMT.
  const [here] = await sql`
    select current_database() as database, session_user as login, (select nullif(s.setting, 'GMT') from pg_catalog.pg_settings s where s.name = 'cron.timezone') as zone,
           pg_has_role('pg_read_all_settings', 'usage') as knows`
  return {
    jobs: jobs.map(({ job }) => job),
    views,
    here: { ...(here as CronFacts['here']), zone: here?.zone ?? (here?.knows ? 'UTC' : null) },
    restricted: table.restricted,
  }
}
