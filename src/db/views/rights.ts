import { batchPlaces } from '../../plan/groups/group.ts'
import type { Givers, RightsFacts } from '../../plan/views/rights.ts'
import { toSetRole, viewsSuffix } from '../server/acting.ts'
import type { Sql } from '../server/connect.ts'
import { uniqueIndexes } from './catalog.ts'

/**
 * What `role` may do with each view, without the views that belong to an extension. Needs no right on any of them, and
 * waits for no lock.
 */
export const readRightsFacts = (sql: Sql, role: string): Promise<RightsFacts[]> => sql<RightsFacts[]>`
  select c.oid::int8 as oid, format('%I.%I', n.nspname, c.relname) as view, n.nspname as schema, c.relname as name,
         c.relowner::regrole::text as owner, c.relispopulated as populated,
         pg_has_role(${role}::name, c.relowner, 'USAGE') as "inheritsOwner",
         pg_has_role(${role}::name, c.relowner, ${toSetRole(sql)}) as "mayActAsOwner",
         case when current_setting('server_version_num')::integer >= 170000
              then has_table_privilege(${role}::name, c.oid, 'MAINTAIN') else false end as "mayMaintain",
         has_schema_privilege(${role}::name, n.oid, 'USAGE') as "mayLook",
         has_schema_privilege(c.relowner, n.oid, 'USAGE') as "ownerMayLook",
         ${uniqueIndexes(sql)} as "uniqueIndexes",
         ${ownerLacks(sql)} as "ownerLacks"
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind = 'm' and c.relpersistence = 'p' and n.nspname !~ ${batchPlaces} and not exists (select from pg_catalog.pg_depend d
           where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
   order by 3, 4`

/**
 * What the owner of view c lacks. The server acts as the owner to run the query, to fill a temporary table and to change
 * the view's rows.
 */
const ownerLacks = (sql: Sql) => sql`
  (select coalesce(jsonb_agg(distinct jsonb_build_object('for', x.need, 'privilege', x.privilege, 'on', x.object,
                                                         'owner', x.owner::regrole::text)), '[]')
     from (select 'refresh' as need, 'select' as privilege, 'table ' || r.oid::regclass as object, r.relowner as owner
             from pg_catalog.pg_rewrite w
             join pg_catalog.pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
              and d.refclassid = 'pg_class'::regclass
             join pg_catalog.pg_class r on r.oid = d.refobjid and r.relkind in ('r', 'p', 'v', 'm', 'f') and r.oid <> c.oid
            where w.ev_class = c.oid and not has_any_column_privilege(c.relowner, r.oid, 'select')
           union all
           select 'concurrent', p, 'table ' || c.oid::regclass, c.relowner
             from unnest(array['select', 'insert', 'delete']) p where not has_table_privilege(c.relowner, c.oid, p)
           union all
           select 'concurrent', 'temporary', format('database %I', b.datname), b.datdba
             from pg_catalog.pg_database b
            where b.datname = current_database() and not has_database_privilege(c.relowner, b.oid, 'temporary')) x)`

/** Those who can give rights to `role`. Undefined if no role has that name. */
export async function readGivers(sql: Sql, role: string): Promise<Givers | undefined> {
  const [row] = await sql<[Givers?]>`
    with version as (select current_setting('server_version_num')::integer as number),
    asking as (
      select r.oid as role,
             coalesce((select keeper.oid from pg_catalog.pg_roles keeper
                        where keeper.rolname = 'viewkeeper' and not r.rolsuper
                          and pg_has_role(r.oid, keeper.oid, 'MEMBER')), r.oid) as grantee
        from pg_catalog.pg_roles r where r.rolname = ${role})
    select asking.role::regrole::text as role, asking.grantee::regrole::text as grantee,
           coalesce((select views.oid from pg_catalog.pg_roles views join pg_catalog.pg_roles keeper
                        on views.rolname = keeper.rolname || ${viewsSuffix}
                      where keeper.oid = asking.grantee), asking.grantee)::regrole::text as heir,
           version.number >= 160000 as "hasMembershipOptions",
           (select jsonb_object_agg(nspname, jsonb_build_object('written', quote_ident(nspname), 'owner',
                     (case when nspowner = 'pg_database_owner'::regrole
                           then (select datdba from pg_catalog.pg_database where datname = current_database())
                           else nspowner end)::regrole::text))
              from pg_catalog.pg_namespace) as schemas,
           (select jsonb_object_agg(r.oid::regrole::text, jsonb_build_object(
                     'isSuperuser', r.rolsuper,
                     'isMember', not r.rolsuper and pg_has_role(r.oid, asking.grantee, 'MEMBER'),
                     'admins', array(
                        select a.rolname from pg_catalog.pg_roles a
                         where not a.rolsuper
                           and (exists (select from pg_catalog.pg_auth_members m
                                         where m.roleid = r.oid and m.member = a.oid and m.admin_option)
                                or version.number < 160000 and a.rolcreaterole) order by 1)))
              from pg_catalog.pg_roles r) as roles
      from asking, version`
  return row
}

/**
 * The role, as the catalog has it, that Viewkeeper works as in this database: the owner of its schema, or role
 * `viewkeeper` if that role may make the schema. Null if there is no such role, or only a superuser.
 */
export async function readWorker(sql: Sql): Promise<string | null> {
  const [row] = await sql<{ role: string }[]>`
    select r.rolname as role from pg_catalog.pg_roles r left join pg_catalog.pg_namespace n on n.nspname = 'viewkeeper'
     where not r.rolsuper
       and (r.oid = n.nspowner
            or n.oid is null and r.rolname = 'viewkeeper' and has_database_privilege(r.oid, current_database(), 'create'))`
  return row?.role ?? null
}

/** Which privileges `role` lacks to make something in a schema; none if there is no such schema. `role` as in SQL. */
export async function readLacksInSchema(sql: Sql, role: string, schema: string): Promise<string[]> {
  const rows = await sql<{ privilege: string }[]>`
    select p as privilege from unnest(array['usage', 'create']) p
     where not has_schema_privilege(${role}::regrole::oid, (select oid from pg_catalog.pg_namespace where nspname = ${schema}), p)`
  return rows.map(({ privilege }) => privilege)
}
