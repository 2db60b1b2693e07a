import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { unlessLocked } from '../../server/transactions.ts'
import { batchPlaces, isView } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { LostParts } from '../plan/watch.ts'

/** How often all is looked at; in between only what has come or gone. */
const every = '1 hour'
/** The most things that are kept of a relation, and their most bytes: of a query and an index as the server stores them. What is longer does not come back. */
const mostItems = 1000
const longest = { query: 500_000, index: 50_000, comment: 10_000 }
/** For so long one is told of what is missing. */
const toldFor = '7 days'

/**
 * Notes what hangs on views: of all once an hour, or if asked; of what was dropped or made again at once. If somebody locks what it
 * reads, it notes nothing, and the next look does. Only of views with a definition: anybody can make one.
 */
export async function lookForLost(sql: Sql, all: boolean): Promise<void> {
  const [{ everything, unsettled }] = await sql<[{ everything: boolean; unsettled: boolean }]>`
    with gone as (
      update viewkeeper.parts s set gone_at = statement_timestamp()
       where gone_at is null and not exists (select from pg_catalog.pg_class c where c.oid = s.oid) returning 1),
    forgotten as (
      delete from viewkeeper.parts where least(gone_at, lost_at) < statement_timestamp() - ${toldFor}::interval),
    due as (
      insert into viewkeeper.switches as s (key, value) values ('parts', '{}')
      on conflict (key) do update set updated_at = statement_timestamp() where ${all} or s.updated_at < statement_timestamp() - ${every}::interval
      returning 1)
    select exists (select from due) as everything,
           exists (select from gone) or exists (select from viewkeeper.parts where num_nonnulls(gone_at, lost_at) > 0) as unsettled`
  if (!everything && !unsettled) return
  const isSeen = await unlessLocked(sql, (sql) => see(sql, everything)).catch((error) => {
    // XX000: a statement sees the catalog as of its beginning, but deparses definitions as they are now.
    if (sqlstateOf(error) !== 'XX000') throw error
    return null
  })
  if (isSeen === null && everything)
    await sql`update viewkeeper.switches set updated_at = '-infinity' where key = 'parts'`
}

/** What somebody else has dropped and made again, and what is missing since. */
export const readAllLost = (sql: Sql): Promise<LostParts[]> => sql<LostParts[]>`
    select view, since, jsonb_agg(item ->> 'what' order by at) as parts
      from viewkeeper.lost() with ordinality as l(view, since, name, item, at) group by view, since order by view`

/** Something that a view has lost, with the SQL that makes it, which executes code of its owner. */
export interface LostPart {
  what: string
  /** The relation that it hangs on, or that it is, as SQL writes it. */
  name: string
  sql: string
  /** Who owned it; null: the role is gone. */
  owner: string | null
  /** Who owns the relation now; null: it is not there. */
  ownerNow: string | null
}

/** What a view has lost, in the order in which it can come back. */
export const readLost = (sql: Sql, { schema, name }: QualifiedName): Promise<LostPart[]> => sql<LostPart[]>`
  select l.item ->> 'what' as what, l.name, l.item ->> 'sql' as sql, r.rolname as owner, (select pg_get_userbyid(c.relowner) from pg_catalog.pg_class c where c.oid = to_regclass(l.name)) as "ownerNow"
    from viewkeeper.lost() with ordinality as l(view, since, name, item, at) left join pg_catalog.pg_roles r on r.oid = (l.item ->> 'owner')::oid
   where l.view = format('%I.%I', ${schema}::text, ${name}::text) order by l.at`

const see = (sql: Sql, all: boolean) => sql`
  with recursive above(oid) as (
    select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join viewkeeper.definitions d on d.schema_name = n.nspname and d.name = c.relname and d.removed_at is null
     where ${all} and ${sql.unsafe(isView('c'))} and c.relpersistence = 'p' and n.nspname !~ ${batchPlaces}
     union
    select w.ev_class from above a ${readersOf(sql)}),
  known as (
    select c.oid from viewkeeper.parts s cross join lateral parse_ident(s.name) i(part)
      join pg_catalog.pg_namespace n on n.nspname = i.part[1] join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = i.part[2]
     where num_nonnulls(s.gone_at, s.lost_at) > 0),
  now as (
    select c.oid, x.name, x.kind, coalesce(i.items, '[]') as items, array(${readBy(sql)}) as reads
      from (select oid from above union select r.oid from above a cross join lateral (${belowOf(sql)}) r union select oid from known) t
      join pg_catalog.pg_class c on c.oid = t.oid and c.relkind in ('r', 'p', 'v', 'm')
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname !~ '^(pg_|information_schema$)'
     cross join lateral (select format('%I.%I', n.nspname, c.relname), case when c.relkind = 'r' and ${sql.unsafe(isView('c'))} then 'm' else c.relkind end,
                                 case c.relkind when 'm' then 'materialized view' when 'v' then 'view' else 'table' end) x(name, kind, word)
      left join lateral (select jsonb_agg(jsonb_build_object('what', what, 'sql', sql, 'owner', c.relowner::int8) order by at, sql) from (${itemsOf(sql)} limit ${mostItems}) i(at, what, sql)) i(items) on true)
  insert into viewkeeper.parts as s (name, oid, kind, items, reads) select name, oid, kind, items, reads from now order by name
  on conflict (name) do update set (oid, kind, items, reads, gone_at, lost, lost_at) = (
    select excluded.oid, excluded.kind, excluded.items, excluded.reads, null::timestamptz, found.lost,
           case when is_new and (s.lost_at is null or not s.lost @> found.lost) then coalesce(s.gone_at, statement_timestamp())
                when found.lost <> s.lost and excluded.kind in ('r', 'p') then statement_timestamp() else s.lost_at end
      from (select s.oid <> excluded.oid) m(is_new)
     cross join lateral (
       select coalesce(jsonb_agg(distinct was), '[]')
         from jsonb_array_elements(s.lost || case when is_new or excluded.kind in ('r', 'p') then s.items else '[]' end) was
        where was ->> 'what' <> 'view' and not excluded.items @> jsonb_build_array(was - 'owner')) found(lost))
   where (s.oid, s.items, s.reads) is distinct from (excluded.oid, excluded.items, excluded.reads) or num_nonnulls(s.gone_at, s.lost_at) > 0`

const readersOf = (sql: Sql) => sql`
  join pg_catalog.pg_depend p on p.refclassid = 'pg_class'::regclass and p.refobjid = a.oid and p.classid = 'pg_rewrite'::regclass
  join pg_catalog.pg_rewrite w on w.oid = p.objid and w.ev_class <> a.oid`

/** What relation `a` reads directly. */
const belowOf = (sql: Sql) => sql`
  select p.refobjid as oid from pg_catalog.pg_rewrite w
    join pg_catalog.pg_depend p on p.classid = 'pg_rewrite'::regclass and p.objid = w.oid and p.refclassid = 'pg_class'::regclass and p.refobjid <> a.oid
   where w.ev_class = a.oid`

/** The names of what `c` reads. */
const readBy = (sql: Sql) => sql`
  select distinct format('%I.%I', bn.nspname, b.relname) from (select c.oid) a cross join lateral (${belowOf(sql)}) r
    join pg_catalog.pg_class b on b.oid = r.oid join pg_catalog.pg_namespace bn on bn.oid = b.relnamespace order by 1`

/** The statements that make relation `c` of name and kind `x` (an incremental table is a view) and what hangs on it, in their order, for its owner alone to execute; a table is made by a migration. */
const itemsOf = (sql: Sql) => sql`
  select 1, 'view', format(E'create %s %s%s as\n%s%s', x.word, x.name, ' with (' || array_to_string(c.reloptions, ', ') || ')',
           rtrim(pg_get_viewdef(c.oid), ';'), case c.relkind when 'm' then E'\nwith no data' end)
   where c.relkind in ('v', 'm') and (select sum(pg_column_size(w.ev_action)) from pg_catalog.pg_rewrite w where w.ev_class = c.oid) <= ${longest.query}
  union all
  select 2, 'index', pg_get_indexdef(i.indexrelid) from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisvalid
     and coalesce(pg_column_size(i.indexprs), 0) + coalesce(pg_column_size(i.indpred), 0) <= ${longest.index}
  union all
  select 3, 'comment', case d.objsubid when 0 then format('comment on %s %s is %L', x.word, x.name, d.description)
                       else format('comment on column %s.%I is %L', x.name, a.attname, d.description) end
    from pg_catalog.pg_description d left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0
   where x.kind in ('v', 'm') and d.classoid = 'pg_class'::regclass and d.objoid = c.oid and octet_length(d.description) <= ${longest.comment}
  union all
  select 4, 'grant', format('grant %s on %s to %s%s', string_agg(e.privilege_type || g.columns, ', ' order by e.privilege_type), x.name,
                            case e.grantee when 0 then 'public' else e.grantee::regrole::text end, case when e.is_grantable then ' with grant option' else '' end)
    from (select c.relacl, '' union all select a.attacl, format(' (%I)', a.attname) from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) g(acl, columns)
   cross join lateral aclexplode(g.acl) e
   where x.kind in ('v', 'm') and e.grantee <> c.relowner
   group by g.columns, e.grantee, e.is_grantable`
