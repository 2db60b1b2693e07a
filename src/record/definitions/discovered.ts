import { isAsMighty } from '../../catalog/db/owner.ts'
import { outsideClock } from '../../catalog/plan/definition.ts'
import { toSetRole } from '../../catalog/plan/rights.ts'
import type { Sql } from '../../server/database.ts'
import { mayUse } from '../../server/own-rights.ts'
import { withTransaction } from '../../server/transactions.ts'
import { batchPlaces, isView, logNameOf, logSchema } from '../../sql/names.ts'
import { skipsUnchanged } from '../../sql/settings.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { HiddenBehind, Uncounted } from '../plan/watch.ts'
import { meetAgain } from './definitions.ts'

const part = String.raw`(?:"[^"]+"|[a-z_]\w*)`
/** A refresh that fills a view; and a whole command of nothing else. */
const refresh = String.raw`refresh\s+materialized\s+view\s+(?:concurrently\s+)?(${part}(?:\s*\.\s*${part})?)(?:\s+with\s+data)?`
const onlyRefreshes = String.raw`^\s*(?:${refresh}\s*(?:;\s*|$))+$`

/**
 * Gives a discovered definition to every view in the catalog that has no definition; whether there was any. What pg_cron refreshes is left to it. An incremental table
 * that has lost its mark, and so is taken for no view, gets it back.
 */
export async function discoverDefinitions(sql: Sql): Promise<boolean> {
  await (await import('./kept-marks.ts')).markAgain(sql)
  const { count } = await sql`
    insert into viewkeeper.definitions as d (schema_name, name, source)
    select n.nspname, c.relname, 'discovered'
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where ${sql.unsafe(isView('c'))} and c.relpersistence <> 't' and n.nspname !~ ${batchPlaces}
       and not exists (select from viewkeeper.definitions d
                        where d.schema_name = n.nspname and d.name = c.relname and d.removed_at is null)
    on conflict (schema_name, name) do update set ${sql.unsafe(meetAgain)} where d.removed_at is not null`
  if (count > 0) await leaveToCron(sql)
  return count > 0
}

/** Notes whose the views of a role were, before it gives them away. */
export async function noteGiver(sql: Sql, giver: string): Promise<void> {
  await discoverDefinitions(sql)
  await sql`
    update viewkeeper.definitions d set given_by = ${giver} from pg_catalog.pg_matviews v
     where v.schemaname = d.schema_name and v.matviewname = d.name and v.matviewowner = ${giver} and d.removed_at is null`
}

/**
 * Leaves the discovered views to pg_cron that its jobs in this database refresh, as `schedule: 'none'` does, and takes those back
 * that they refresh no more. The login sees its own jobs, and those of the owners of views as which it may act. Only a command of
 * nothing but refreshes counts: nobody knows what others do.
 */
export async function leaveToCron(sql: Sql): Promise<void> {
  const left = await readLeft(sql)
  await sql`
    with now as (
      select d.id, exists (select from jsonb_to_recordset(${sql.json(left as never)}) as x(schema text, name text)
                            where x.schema = d.schema_name and x.name = d.name) as cron
        from viewkeeper.definitions d where d.source = 'discovered' and d.removed_at is null)
    update viewkeeper.definitions d
       set in_all = not cron, schedule = case when cron then ${outsideClock} end, updated_at = clock_timestamp()
      from now where now.id = d.id and d.in_all = cron`
}

/** The views that jobs of pg_cron refresh, as far as the login may see the jobs. */
async function readLeft(sql: Sql): Promise<QualifiedName[]> {
  const [job] = await sql<{ oid: number; schema: number; owners: string[] }[]>`
    select c.oid::int8 as oid, n.oid::int8 as schema,
           jsonb_build_array(c.relowner::regrole, n.nspowner::regrole) as owners
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'cron' and c.relname = 'job' and c.relkind = 'r'`
  if (job === undefined) return []
  // The policies of the table are executed as the roles below.
  for (const owner of job.owners) if (!(await isAsMighty(sql, owner))) return []
  const roles = await sql<{ role: string }[]>`
    select r.rolname as role from pg_catalog.pg_roles r
     where has_schema_privilege(r.oid, ${job.schema}::oid, 'usage') and has_table_privilege(r.oid, ${job.oid}::oid, 'select')
       and (r.rolname = current_user or pg_has_role(r.oid, ${sql.unsafe(toSetRole)})
            and exists (select from pg_catalog.pg_class c where c.relkind = 'm' and c.relowner = r.oid))`
  const left = []
  for (const { role } of roles) left.push(...(await readLeftOf(sql, role)))
  return left
}

const readLeftOf = (sql: Sql, role: string): Promise<QualifiedName[]> =>
  withTransaction(sql, async (transaction) => {
    await transaction`select set_config('role', ${role}, true)`
    // Without a schema the path of the job's user decides, which nobody knows here: then the name has to be the only one.
    return transaction<QualifiedName[]>`
      with named as (
        select parse_ident(found[1]) as parts
          from (select * from cron.job j
                 where j.active and j.database = current_database() and j.command ~* ${onlyRefreshes} offset 0) j
         cross join regexp_matches(j.command, ${refresh}, 'gi') as found)
      select min(v.schemaname) as schema, min(v.matviewname) as name from named
        join pg_catalog.pg_matviews v on v.matviewname = parts[array_length(parts, 1)]
                                     and (array_length(parts, 1) = 1 or v.schemaname = parts[1])
       group by parts having count(*) = 1`
  })

// What others do to views and to the server beside Viewkeeper, as far as the record tells it.

/**
 * What has changed the data of a view that its last success filled, as far as the catalog tells it, with the sessions and the jobs of pg_cron
 * that refresh it; null if nothing has.
 */
export async function readOutside(
  sql: Sql,
  { id, schema, name }: { id: number } & QualifiedName,
): Promise<string | null> {
  const [row] = await sql<{ run: number; filled: string[]; now: string[]; sessions: string | null }[]>`
    select r.id as run, to_jsonb(string_to_array(r.filled, ' ')) as filled, to_jsonb(string_to_array(viewkeeper.filling(c.oid), ' ')) as now, (
             select string_agg(format('process %s (role %s%s)', a.pid, a.usename, ', application ' || nullif(a.application_name, '')), ', ' order by a.pid)
               from pg_catalog.pg_stat_activity a
              where a.datname = current_database() and a.pid <> pg_backend_pid() and a.application_name !~ '^viewkeeper'
                and a.query ~* 'refresh\\s+materialized\\s+view' and strpos(lower(a.query), lower(c.relname)) > 0) as sessions
      from viewkeeper.last_success(${id}) filler(id) join viewkeeper.runs r on r.id = filler.id,
           pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = ${schema} and c.relname = ${name} and r.filled <> viewkeeper.filling(c.oid)`
  if (row === undefined) return null
  const [what, part] =
    outside.find(([, part]) => row.filled[part] !== row.now[part]) ?? outside[outside.length - 1]!
  if (part === 0)
    return `${what} since run ${row.run} filled it. To take the record's word for all views: select viewkeeper.keep_ages()`
  const isCron = (await readLeft(sql)).some((each) => each.schema === schema && each.name === name)
  const by = [
    row.sessions && `by ${row.sessions}`,
    isCron && 'by a job of pg_cron, which adopt lists',
  ].filter(Boolean)
  return `${what} since run ${row.run} filled it${by.length === 0 ? '' : `, perhaps ${by.join(', or ')}`}`
}

/** What has happened if this part of what identifies the data of a view is another one: server and database, OID, file, row of the catalog. */
const outside: [what: string, part: number][] = [
  ['the database was restored or copied', 0],
  ['it was dropped and made again', 1],
  ['it was refreshed without Viewkeeper, or its file was rewritten, as by vacuum full,', 2],
  ['it was refreshed concurrently without Viewkeeper, altered, or granted,', 3],
]

/** That the record is of another server or database, if it is. */
export const readRestored = async (sql: Sql): Promise<{ text: string; next: string }[]> =>
  (await mayUse(sql, 'select', 'runs'))
    ? sql`
        select format('This database was restored or copied, so nobody knows the ages of %s of its views. Refresh them, or take the word of the record:', count(*)) as text,
               'select viewkeeper.keep_ages();' as next
          from viewkeeper.restored() having count(*) > 0`
    : []

/** Why nobody can know as of when the data are that the view's last success has put into it; null if somebody can. */
export async function readUnseen(sql: Sql, definitionId: number): Promise<string | null> {
  const [row] = await sql<{ because: string | null }[]>`
    select r.inputs ->> 'because' as because from viewkeeper.last_success(${definitionId}) filler(id) join viewkeeper.runs r on r.id = filler.id
     where r.as_of is null and r.held_back_by is null`
  return row?.because ?? null
}

/** The view of a definition, by OID, if it has a log of its changes. */
export async function findLogged(sql: Sql, definitionId: number) {
  const [view] = await sql<({ oid: number; query: number | null } & QualifiedName)[]>`
    select v.relation::int8 as oid, nullif(v.query, v.relation)::int8 as query, v.schema_name as schema, v.name
      from viewkeeper.definitions d join viewkeeper.live() v on v.schema_name = d.schema_name and v.name = d.name
     where d.id = ${definitionId} and (d.storage = 'table' and d.slices is not null or exists (
             select from pg_catalog.pg_class l where l.relnamespace = pg_catalog.to_regnamespace(${logSchema}) and l.relname = ${sql.unsafe(logNameOf('v.schema_name', "v.name || '_0'"))}))`
  return view
}

/**
 * A query for the SQL that ends each way to write without being counted which `viewkeeper.horizon()` finds. Only a superuser may
 * set track_counts, or take it back.
 */
const counting = `
  select string_agg(fix, ' ' order by fix) from (
    select format('alter %s reset track_counts;', case
             when s.setrole = 0 and s.setdatabase = 0 then 'role all'
             when s.setrole = 0 then format('database %I', d.datname)
             else format('role %I', o.rolname) || coalesce(' in database ' || quote_ident(d.datname), '') end) as fix
      from pg_catalog.pg_db_role_setting s
      left join pg_catalog.pg_database d on d.oid = s.setdatabase left join pg_catalog.pg_roles o on o.oid = s.setrole
     where exists (select from unnest(s.setconfig) c where lower(c) like 'track_counts=%')
    union all
    select format('alter routine %s reset track_counts;', p.oid::regprocedure) from pg_catalog.pg_proc p
     where exists (select from unnest(p.proconfig) c where lower(c) like 'track_counts=%')
    union all
    select format('revoke %s on parameter track_counts from %s cascade;', lower(x.privilege_type), coalesce(quote_ident(o.rolname), 'public'))
      from pg_catalog.pg_parameter_acl a cross join lateral aclexplode(a.paracl) x left join pg_catalog.pg_roles o on o.oid = x.grantee
     where lower(a.parname) = 'track_counts' and x.grantee <> x.grantor
    union all
    select 'alter system set track_counts = on; select pg_reload_conf();' from pg_catalog.pg_settings s
     where s.name = 'track_counts' and s.setting = 'off' and s.source not in ('database', 'user', 'database user', 'global')) every`

/** Whether everybody's writes are counted, and what to do if not; undefined if refreshes of the view are not to be left out by counters. */
export async function readCounting(sql: Sql, definitionId: number) {
  const [found] = await sql<(Omit<Uncounted, 'because' | 'hidden'> & { relation: number })[]>`
    select v.query::int8 as relation,
           case when not pg_has_role('pg_read_all_stats', 'usage') then format('grant pg_read_all_stats to %I', current_user) end as grant,
           pg_has_role('pg_read_all_stats', 'usage') and viewkeeper.horizon() is null as "countsOff", (${sql.unsafe(counting)}) as counting
      from viewkeeper.definitions d join viewkeeper.live() v on v.schema_name = d.schema_name and v.name = d.name
     where d.id = ${definitionId} and ${sql.unsafe(skipsUnchanged)}`
  return found
}

/** The oldest transaction whose session may hide commits from before the view's last refresh, if it stays. */
export async function readHidden(sql: Sql, definitionId: number): Promise<HiddenBehind | null> {
  const [row] = await sql<HiddenBehind[]>`
    select * from (
      select h.pid, null as gid, a.xact_start as since, a.usename as role, a.application_name as application, a.state, h.since as hides
        from viewkeeper.hiding() h join pg_catalog.pg_stat_activity a on a.pid = h.pid
       where a.state like 'idle in transaction%' or a.xact_start < clock_timestamp() - interval '1 minute'
      union all
      select null, p.gid, p.prepared, p.owner, null, null, p.prepared from pg_catalog.pg_prepared_xacts p
       where p.database = current_database()) x
     where hides - interval '60 s' <= (
       select (r.inputs ->> 'began')::timestamptz from viewkeeper.last_success(${definitionId}) filler(id) join viewkeeper.runs r on r.id = filler.id)
     order by since limit 1`
  return row ?? null
}

/**
 * The views whose refreshes are to be left out by counters. None before schema `viewkeeper` is up to date, and for a login that may
 * not read it.
 */
export async function listCounting(sql: Sql): Promise<{ id: number; view: string }[]> {
  const mayRead =
    (await mayUse(sql, 'select', 'definitions', 'skip_unchanged')) && (await mayUse(sql, 'select', 'runs'))
  if (!mayRead) return []
  return sql<{ id: number; view: string }[]>`
    select d.id, format('%I.%I', d.schema_name, d.name) as view from viewkeeper.definitions d
     where d.removed_at is null and ${sql.unsafe(skipsUnchanged)} order by 2`
}
