import { literal, quoteName, type ViewName } from '../names.ts'
import type { Statement } from '../plan.ts'

/**
 * Notes what would keep a new view from being filled. The query comes before the filling, because a failure
 * undoes the new view. Execute it as the role that fills the view.
 */
export const noteObstacles = (view: ViewName): Statement => ({
  phase: 'building',
  sql: obstaclesQuery(view),
  notes: 'obstacles',
  hidden: true,
})

/**
 * A query for what keeps a view from being filled, by the SQLSTATE of the failure: rights that are missing,
 * and unpopulated views that the view reads. The server's message says so too, but is not kept: messages of
 * statements that compute rows may quote rows. Execute the query as the role that refreshes the view.
 */
export const obstaclesQuery = (view: ViewName, how: 'regularly' | 'concurrently' = 'regularly'): string => `
with v as (
  select c.oid, c.relispopulated, c.relowner, c.relowner::regrole as owner, c.oid::regclass as name, n.oid as schema, n.nspname,
         current_database() as database, quote_ident(current_user) as me
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = ${literal(quoteName(view))}::regclass),
${readBy},
needed as (
  select format('grant %s to %s%s;', v.owner, v.me,
           case when current_setting('server_version_num')::integer < 170000 then '' else format(' (or: grant maintain on %s to %s)', v.name, v.me) end) as grants,
         pg_has_role(v.relowner, 'USAGE')
         or case when current_setting('server_version_num')::integer >= 170000 then has_table_privilege(v.oid, 'MAINTAIN') else false end as given
    from v
  union all
  select format('grant select on %s to %s;', r.oid::regclass, v.owner), has_any_column_privilege(v.relowner, r.oid, 'select')
    from v join read r on true${how === 'regularly' ? '' : concurrentNeeds})
select jsonb_strip_nulls(jsonb_build_object(
  '42501', (select 'Missing: ' || string_agg(distinct grants, ' ') from needed where not given),
  '55000', (select string_agg(distinct format('%s is not populated: refresh it first.', r.oid::regclass), ' ')
              from read r where r.relkind = 'm' and not r.relispopulated)${how === 'regularly' ? '' : unpopulated}))`

/** The server fills an unpopulated view only regularly. */
const unpopulated = `,
  '0A000', (select format('%s is not populated: refresh it with strategy "regular" first.', v.name) from v where not v.relispopulated)`

/** What the view's query reads. */
const readBy = `read as (
  select c.oid, c.relkind, c.relispopulated
    from v join pg_rewrite w on w.ev_class = v.oid
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
    join pg_class c on c.oid = d.refobjid and c.relkind in ('r', 'p', 'v', 'm', 'f') and c.oid <> v.oid)`

/**
 * Rights that the view's owner may have lost. The server acts as the owner to fill a temporary table and to
 * change the view's rows.
 */
const concurrentNeeds = `
  union all
  select format('grant %s on %s to %s;', p, v.name, v.owner), has_table_privilege(v.relowner, v.oid, p)
    from v, unnest(array['select', 'insert', 'delete']) p
  union all
  select format('grant temporary on database %I to %s;', v.database, v.owner), has_database_privilege(v.relowner, v.database, 'temporary')
    from v
  union all
  select format('grant usage on schema %I to %s;', v.nspname, v.owner), has_schema_privilege(v.relowner, v.schema, 'usage')
    from v`
