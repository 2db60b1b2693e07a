import type { Sql } from '../../server/database.ts'
import { keptTables } from '../../sql/names.ts'

/** Who may write an incremental table, which only refreshes write, or read its query although it has policies, and what takes that right away. Without a name: all of them. */
export interface Writers {
  schema: string | null
  name: string | null
  text: string
  next: string
}

/** Who may write incremental tables, or read past their policies, besides their owners and superusers: by grants on each, and by membership in `pg_write_all_data`. Needs no right on them. */
export const readWriters = (sql: Sql): Promise<Writers[]> => sql<Writers[]>`
  with kept as (
    select c.oid, k.query, c.relacl, c.relowner, c.relrowsecurity, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname) as view
      from (${sql.unsafe(keptTables)}) k join pg_catalog.pg_class c on c.oid = k.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace),
  granted as (
    select k.oid, x.grantee, lower(x.privilege_type) as privilege, '' as columns from kept k cross join lateral aclexplode(k.relacl) x
    union all
    select k.oid, x.grantee, lower(x.privilege_type), format(' (%I)', a.attname)
      from kept k join pg_catalog.pg_attribute a on a.attrelid = k.oid and not a.attisdropped cross join lateral aclexplode(a.attacl) x),
  writers as (
    select k.view, k.nspname, k.relname, case g.grantee when 0 then 'public' else g.grantee::regrole::text end as who,
           string_agg(distinct g.privilege || g.columns, ', ') as what
      from granted g join kept k on k.oid = g.oid
     where g.privilege in ('insert', 'update', 'delete', 'truncate', 'trigger') and g.grantee <> k.relowner
       and not exists (select from pg_catalog.pg_roles r where r.oid = g.grantee and r.rolsuper)
     group by 1, 2, 3, 4)
  select nspname as schema, relname as name, format('%s may write %s, which only refreshes write: %s.', who, view, what) as text,
         format('revoke %s on %s from %s cascade;', what, view, who) as next from writers
  union all
  select k.nspname, k.relname, format('%s may read %s, which shows the rows that policies of %s hide.', x.who, k.query::regclass, k.view),
         format('revoke select on %s from %s cascade;', k.query::regclass, x.who)
    from kept k join pg_catalog.pg_class q on q.oid = k.query
   cross join lateral (
     select distinct case grantee when 0 then 'public' else grantee::regrole::text end as who from (
       select grantee, privilege_type from aclexplode(q.relacl)
       union all select a.grantee, a.privilege_type from pg_catalog.pg_attribute c cross join lateral aclexplode(c.attacl) a where c.attrelid = q.oid) g
      where g.privilege_type = 'SELECT' and g.grantee <> k.relowner and not exists (select from pg_catalog.pg_roles r where r.oid = g.grantee and (r.rolsuper or r.rolbypassrls))) x
   where k.relrowsecurity
  union all
  select null, null, format('%s may write incremental tables, which only refreshes write: it is a member of pg_write_all_data.', m.member::regrole),
         format('revoke pg_write_all_data from %s;', m.member::regrole)
    from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.member and not r.rolsuper
   where m.roleid = 'pg_write_all_data'::regrole and exists (select from kept)
   order by 1, 2, 3`
