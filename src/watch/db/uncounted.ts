import { readLeft } from '../../record/definitions/discovered.ts'
import type { HiddenBehind, Uncounted } from '../../record/plan/watch.ts'
import type { Sql } from '../../server/database.ts'
import { mayUse } from '../../server/rights.ts'
import { skipsUnchanged } from '../../server/transactions.ts'
import { whyNotKnown } from '../../slices/db/read-queries.ts'
import { logNameOf, logSchema } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'

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

/**
 * What keeps refreshes of a view from being left out by the counters of its tables; null if nothing does, or if they are not
 * to be. Asks for one view, because it proves the view.
 */
export async function readUncounted(sql: Sql, definitionId: number): Promise<Uncounted | null> {
  const [found] = await sql<(Uncounted & { relation: number })[]>`
    select c.oid::int8 as relation,
           case when not pg_has_role('pg_read_all_stats', 'usage') then format('grant pg_read_all_stats to %I', current_user) end as grant,
           pg_has_role('pg_read_all_stats', 'usage') and viewkeeper.horizon() is null as "countsOff", (${sql.unsafe(counting)}) as counting
      from viewkeeper.definitions d
      join pg_catalog.pg_namespace n on n.nspname = d.schema_name
      join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = d.name and c.relkind = 'm'
     where d.id = ${definitionId} and ${sql.unsafe(skipsUnchanged)}`
  if (found === undefined) return null
  const { relation, ...row } = found
  const because = await whyNotKnown(sql, relation)
  const hidden = because === null && row.grant === null ? await readHidden(sql, definitionId) : null
  return { ...row, because, hidden }
}

/** Why a view's log of changes is not used; null: it is, or there is none. What proves slices is loaded only for a view that has one. */
export async function readUnusedLog(sql: Sql, definitionId: number): Promise<string | null> {
  const [view] = await sql<({ oid: number } & QualifiedName)[]>`
    select c.oid::int8 as oid, n.nspname as schema, c.relname as name from viewkeeper.definitions d
      join pg_catalog.pg_namespace n on n.nspname = d.schema_name join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = d.name and c.relkind = 'm'
      join pg_catalog.pg_class l on l.relnamespace = pg_catalog.to_regnamespace(${logSchema}) and l.relname = ${sql.unsafe(logNameOf('n.nspname', "c.relname || '_0'"))}
     where d.id = ${definitionId}`
  return view === undefined ? null : (await import('../../slices/db/log.ts')).whyUnused(sql, view)
}

/** Why nobody can know as of when the data are that the view's last success has put into it; null if somebody can. */
export async function readUnseen(sql: Sql, definitionId: number): Promise<string | null> {
  const [row] = await sql<{ because: string | null }[]>`
    select r.inputs ->> 'because' as because from viewkeeper.last_success(${definitionId}) filler(id) join viewkeeper.runs r on r.id = filler.id
     where r.as_of is null and r.held_back_by is null`
  return row?.because ?? null
}

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
  ['it was refreshed concurrently without Viewkeeper, altered, or granted again,', 3],
]

/** The oldest transaction whose session may hide commits from before the view's last refresh, if it stays. */
async function readHidden(sql: Sql, definitionId: number): Promise<HiddenBehind | null> {
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
 * The same for each of these views whose refreshes are to be left out by counters. None before schema `viewkeeper` is up to
 * date, and for a login that may not read it.
 */
export async function readAllUncounted(
  sql: Sql,
  views: Set<string>,
): Promise<{ view: string; uncounted: Uncounted }[]> {
  const mayRead =
    (await mayUse(sql, 'select', 'definitions', 'skip_unchanged')) && (await mayUse(sql, 'select', 'runs'))
  if (!mayRead) return []
  const counting = await sql<{ id: number; view: string }[]>`
    select d.id, format('%I.%I', d.schema_name, d.name) as view from viewkeeper.definitions d
     where d.removed_at is null and ${sql.unsafe(skipsUnchanged)} order by 2`
  const found: { view: string; uncounted: Uncounted }[] = []
  for (const { id, view } of counting) {
    const uncounted = views.has(view) ? await readUncounted(sql, id) : null
    if (uncounted !== null) found.push({ view, uncounted })
  }
  return found
}
