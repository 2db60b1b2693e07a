import { scheduleFault } from '../../authored/schedule.ts'
import { entries, parse } from '../../authored/sql/read.ts'
import { nameOf, type ParsedNode, type RangeVar } from '../../authored/sql/touched.ts'
import { isAsMighty } from '../../catalog/db/owner.ts'
import { timeZoneFault } from '../../catalog/plan/scheduled.ts'
import type { Sql } from '../../server/database.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import { count } from '../../words/phrases.ts'

/** A row of pg_cron's table `cron.job`; older versions have no names of jobs. */
type CronJob = Record<'schedule' | 'command' | 'database' | 'username', string> & {
  jobid: number
  jobname?: string | null
  active: boolean
}

/** The jobs of pg_cron that the login may see, the materialized views of this database, and the zone of schedules (null: nobody knows). */
interface CronFacts {
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

/**
 * What pg_cron's jobs do to the views of this database, as lines for people: the schedule of each view in words of a
 * definition, and the SQL that unschedules its job. Only what the text of a job proves is said.
 */
export async function sayCronJobs(facts: CronFacts): Promise<string[]> {
  const said = await Promise.all(facts.jobs.map((job) => sayJob(job, facts)))
  const others = said.filter((lines) => lines.length === 0).length
  return [
    ...said.flat(),
    ...(others > 0 ? [`${count(others, 'job')} with no refresh in the text`] : []),
    ...(facts.restricted ? ['row security may hide jobs of other users from your login'] : []),
  ]
}

async function sayJob(job: CronJob, { views, here }: CronFacts): Promise<string[]> {
  const label = job.jobname ? `job ${job.jobid} (${job.jobname})` : `job ${job.jobid}`
  const read = await readCommand(job.command)
  if (read === null) return []
  if (job.database !== here.database) return [`${label} works in database ${job.database}, not in this one`]
  if (typeof read === 'string') return [`${label} ${read}; look yourself`]
  const works = read.refreshes.map((each) => sayRefresh(each, views)).join(', ')
  const fills = read.refreshes.some(({ skipData }) => !skipData)
  return [
    `${label} ${job.active ? '' : 'is switched off; it '}${works}`,
    ...(read.others > 0 ? [`  it also executes ${count(read.others, 'other statement')}`] : []),
    ...(job.active && fills ? [`  ${sayTimes(job.schedule, here.zone)}`] : []),
    `  ${unschedule(job, here.login)}`,
  ]
}

interface Refresh {
  relation: RangeVar
  /** After `with no data`. */
  skipData?: boolean
}

/** What a job's SQL refreshes. Null: nothing in it says "refresh" or calls code. A text: nobody can know. */
async function readCommand(text: string): Promise<{ refreshes: Refresh[]; others: number } | string | null> {
  let statements: ParsedNode[]
  try {
    statements = ((await parse(text)).stmts ?? []).map(({ stmt }) => stmt as unknown as ParsedNode)
  } catch {
    return 'has a text that is not SQL of this parser'
  }
  const refreshes = statements.flatMap(({ RefreshMatViewStmt: refresh }) => (refresh ? [refresh] : []))
  const others = statements.length - refreshes.length
  if (refreshes.length > 0) return { refreshes: refreshes as unknown as Refresh[], others }
  const calls = (each: ParsedNode) =>
    each.DoStmt ??
    each.CallStmt ??
    (each.SelectStmt && [...entries(each)].some(([key]) => key === 'FuncCall'))
  if (statements.some(calls)) return 'calls a function or a code block'
  return /refresh\s+materialized/i.test(text) ? 'names a refresh inside another statement' : null
}

/** Without a schema, the search path of the job's user decides, which nobody knows here. */
function sayRefresh({ relation, skipData }: Refresh, views: CronFacts['views']): string {
  const { schema, name } = nameOf(relation)
  const found = views.filter((view) => view.name === name && (schema === null || view.schema === schema))
  const names = found.map(displayName).join(', ')
  const doubt =
    found.length === 0
      ? ' (there is no such view here)'
      : found.length > 1
        ? ` (which of ${names} depends on the search path of its user)`
        : schema === null
          ? ` (only ${names} has that name)`
          : ''
  return `${skipData ? 'empties' : 'refreshes'} ${displayName({ schema, name })}${doubt}`
}

const nicknames: Record<string, string> = {
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@hourly': '0 * * * *',
}

/** The fields of a definition that mean the same as pg_cron's schedule, or why there are none. */
function sayTimes(written: string, known: string | null): string {
  const zone = known ?? 'UTC'
  const doubt =
    known === null ? '   // if cron.timezone is GMT, as by default: your login may not read it' : ''
  const tidy = written.trim().replace(/\s+/g, ' ')
  if (/^\d+ seconds?$/i.test(tidy))
    return `no schedule is as often as "${tidy}"; the shortest is targetLagSeconds: 120, or seconds with storage: 'table' and slices`
  const schedule = nicknames[tidy] ?? tidy
  // pg_cron refuses a step after a single number, which other readers of cron take.
  const step = /(^|[ ,])\w+\//.test(schedule) ? 'has a step without a range' : null
  const fault = step ?? scheduleFault(schedule) ?? timeZoneFault(zone)
  return fault === null
    ? `schedule: '${schedule}', timeZone: '${zone}'${doubt}`
    : `no schedule is proposed for "${tidy}" in ${zone}: ${fault}`
}

/** By name only if the name is the login's own and needs no escapes: two users may have jobs of one name. */
function unschedule({ jobid, jobname, username }: CronJob, login: string): string {
  const byName = jobname && username === login && /^[\w .:-]+$/.test(jobname)
  const who = username === login ? '' : `   -- as ${username} or a superuser`
  return `select cron.unschedule(${byName ? `'${jobname}'` : jobid});${who}`
}
