import type { Sql } from '../server/database.ts'
import { batchPlaces, logSchema } from '../sql/names.ts'
import { ownerRole, viewsRole } from './db/role.ts'

/** What takes Viewkeeper away from one database. */
export interface Removal {
  /** The statements, in order: for one transaction, as an administrator. */
  statements: string[]
  /** What is left, for people: roles that other databases of the server use. */
  left: string[]
}

/**
 * What was made in this database: its schemas, with the logs of changes and their triggers, and what the roles and `logins` were
 * granted here; what they own goes to `heir`, written as in SQL. The roles go if nothing else on the server uses them. Changes nothing.
 */
export async function planRemoval(sql: Sql, logins: string[], heir: string): Promise<Removal> {
  const roles = [...logins, ownerRole, viewsRole]
  const [found] = await sql<
    [
      {
        roles: string[]
        joins: boolean
        me: string
        elsewhere: string[]
        schemas: string[]
        revokes: string[]
      },
    ]
  >`
    with ours as materialized (
      select oid, quote_ident(rolname) as name from pg_catalog.pg_roles where rolname in (select jsonb_array_elements_text(${sql.json(roles)}))),
    here as materialized (select oid, datname from pg_catalog.pg_database where datname = current_database()),
    schemas as materialized (
      select nspname from pg_catalog.pg_namespace where nspname in ('viewkeeper', ${logSchema}) or nspname ~ ${batchPlaces}),
    used as materialized (
      select ours.name as role, d.*, coalesce(nullif(d.dbid, 0), case when d.classid = 'pg_database'::regclass then d.objid end) as database
        from pg_catalog.pg_shdepend d join ours on d.refclassid = 'pg_authid'::regclass and d.refobjid = ours.oid)
    select to_jsonb(array(select name from ours order by 1)) as roles,
           quote_ident(current_user) as me, not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as joins,
           to_jsonb(array(select distinct quote_ident(b.datname) from used u join pg_catalog.pg_database b on b.oid = u.database
                  where b.datname <> current_database() order by 1)) as elsewhere,
           to_jsonb(array(select quote_ident(nspname) from schemas order by nspname desc)) as schemas,
           to_jsonb(array(
             select format('revoke all on %s from %s', object, role) from (
               select distinct u.role, case
                   when u.classid = 'pg_class'::regclass
                     then case i.type when 'sequence' then 'sequence ' else '' end || i.identity
                   when u.classid = 'pg_proc'::regclass then 'routine ' || u.objid::regprocedure
                   else i.type || ' ' || i.identity end as object
                 from used u join here on here.oid = u.database, pg_catalog.pg_identify_object(u.classid, u.objid, 0) i
                where u.deptype = 'a' and u.classid <> 'pg_default_acl'::regclass
                  and coalesce(i.schema, i.name) not in (select quote_ident(nspname) from schemas)) o
              order by 1)) as revokes`
  const all = found.roles.join(', ')
  const goes = found.elsewhere.length === 0
  return {
    statements: [
      ...(found.joins && all !== ''
        ? [`grant ${[...found.roles, ...(heir === found.me ? [] : [heir])].join(', ')} to current_user`]
        : []),
      ...found.schemas.map((schema) => `drop schema ${schema} cascade`),
      ...(all === '' ? [] : [`reassign owned by ${all} to ${heir}`]),
      // `drop owned` also revokes what the roles were granted on other databases.
      ...(!goes ? found.revokes : all === '' ? [] : [`drop owned by ${all}`, `drop role ${all}`]),
    ],
    left: goes
      ? []
      : [
          `${found.elsewhere.join(', ')} of this server ${found.elsewhere.length === 1 ? 'uses' : 'use'} ${all}, too: the roles stay. The last uninstall drops them.`,
        ],
  }
}
