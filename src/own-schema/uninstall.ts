import { sealedCommand } from '../sealed/db/execute.ts'
import type { Sql } from '../server/database.ts'
import { undone } from '../server/transactions.ts'
import { batchPlaces, liveMark, logSchema } from '../sql/names.ts'
import { safePath } from '../sql/settings.ts'
import { printed, unquoted } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import { ownerRole, viewsRole } from './db/role.ts'

/** What takes Viewkeeper away from one database. */
export interface Removal {
  /** The statements, in order: for one transaction, as an administrator. */
  statements: string[]
  /** What is left, for people: roles that other databases of the server use, tables that nothing refreshes, schemas of older versions. */
  left: string[]
}

/**
 * What was made in this database: its schemas, with the change logs and their triggers, and what the roles and `logins` were
 * granted here. Incremental tables stay tables, unless `asViews` makes them materialized views again. What they own goes to the owner in its definition, to who gave it away, or else to `heir`, and to no superuser, who would execute its code with all
 * rights. The roles go if nothing else on the server uses them. Throws DependentsExist if something of others would go with the schemas, unless
 * `dropDependents` says so, and InvalidRequest without a good heir. Changes nothing.
 */
export async function planRemoval(
  sql: Sql,
  logins: string[],
  {
    giveTo,
    dropDependents,
    asViews = false,
  }: { giveTo: string | null; dropDependents: boolean; asViews?: boolean },
): Promise<Removal> {
  const roles = [...logins, ownerRole, viewsRole]
  if (!dropDependents)
    await refuseDependents(sql, 'and would be dropped with them', 'Change these, or type --drop-dependents.')
  const [found] = await sql<
    [
      {
        roles: string[]
        joins: boolean
        me: string
        heir: string | null
        isSuper: boolean
        owned: string[]
        elsewhere: string[]
        schemas: string[]
        older: string[]
        revokes: string[]
      },
    ]
  >`
    with ours as materialized (
      select oid, quote_ident(rolname) as name from pg_catalog.pg_roles where rolname in (select jsonb_array_elements_text(${sql.json(roles)}))),
    here as materialized (select oid, datname from pg_catalog.pg_database where datname = current_database()),
    schemas as materialized (
      select nspname from pg_catalog.pg_namespace where ${sql.unsafe(isOurs)}),
    used as materialized (
      select ours.name as role, d.*, coalesce(nullif(d.dbid, 0), case when d.classid = 'pg_database'::regclass then d.objid end) as database
        from pg_catalog.pg_shdepend d join ours on d.refclassid = 'pg_authid'::regclass and d.refobjid = ours.oid)
    select to_jsonb(array(select name from ours order by 1)) as roles,
           current_user::text as me, not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as joins,
           (select quote_ident(rolname) from pg_catalog.pg_roles where rolname = ${giveTo}) as heir,
           coalesce((select rolsuper from pg_catalog.pg_roles where rolname = ${giveTo}), false) as "isSuper",
           to_jsonb(array(select distinct i.type || ' ' || i.identity from used u join here on here.oid = u.database,
                                 pg_catalog.pg_identify_object(u.classid, u.objid, 0) i
                  where u.deptype = 'o' and coalesce(i.schema, i.name) not in (select quote_ident(nspname) from schemas) order by 1)) as owned,
           to_jsonb(array(select distinct quote_ident(b.datname) from used u join pg_catalog.pg_database b on b.oid = u.database
                  where b.datname <> current_database() order by 1)) as elsewhere,
           to_jsonb(array(select quote_ident(nspname) from schemas order by nspname desc)) as schemas,
           to_jsonb(array(select quote_ident(nspname) from pg_catalog.pg_namespace
                  where nspname ~ '^viewkeeper_' and not ${sql.unsafe(isOurs)} order by 1)) as older,
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
  const { heir } = found
  const { given, tables } = await readRecord(sql, found)
  const remade = tables.filter(({ readers }) => asViews && readers.length === 0)
  const kept = found.owned.filter((each) => !given.some(({ object }) => object === each))
  if (heir === null ? giveTo !== null || kept.length > 0 : found.isSuper || found.roles.includes(heir))
    throw new Problem(
      'InvalidRequest',
      giveTo === null
        ? `${printed(kept.join(', '))} belongs to Viewkeeper's roles. Nothing was changed. Name the role that gets it in --give-to: no superuser, because a refresh executes the code of a view as its owner.`
        : `${printed(giveTo)} ${heir === null ? 'is no role' : found.isSuper ? 'is a superuser, and a refresh would execute the code of a view with all rights' : "is one of Viewkeeper's own roles"}. Nothing was changed. Name another role in --give-to.`,
      { field: '--give-to' },
    )
  const all = found.roles.join(', ')
  const goes = found.elsewhere.length === 0
  const heirs = [
    ...new Set([...(heir === null ? [] : [heir]), ...[...given, ...remade].map(({ owner }) => owner)]),
  ].filter((each) => !found.roles.includes(each) && unquoted(each) !== found.me)
  const gone = remade.map(({ query }) => query)
  const objectNow = (object: string) =>
    remade.some(({ table }) => object === `table ${table}`)
      ? object.replace('table', 'materialized view')
      : object
  return {
    statements: [
      ...(found.joins && all !== ''
        ? [`grant ${[...found.roles, ...heirs].join(', ')} to current_user`]
        : []),
      ...found.schemas.map((schema) => `drop schema ${schema} cascade`),
      ...remade.flatMap(remake),
      ...given
        .filter(({ object }) => !gone.some((query) => object === `view ${query}`))
        .map(({ object, owner }) => `alter ${objectNow(object)} owner to ${owner}`),
      ...(all === '' || heir === null ? [] : [`reassign owned by ${all} to ${heir}`]),
      // `drop owned` also revokes what the roles were granted on other databases.
      ...(!goes
        ? found.revokes.filter(
            (revoke) => !gone.some((query) => revoke.startsWith(`revoke all on ${query} from `)),
          )
        : all === ''
          ? []
          : [`drop owned by ${all}`, `drop role ${all}`]),
    ],
    left: [
      ...tables
        .filter((each) => !remade.includes(each))
        .map(({ table, readers }) =>
          printed(
            `${table} is an incremental table, and stays a table that nothing refreshes. ${
              asViews
                ? `It does not become a materialized view again, because of ${readers.join(', ')}.`
                : '--as-views makes it a materialized view again, with its indexes, grants and comments.'
            }`,
          ),
        ),
      ...found.older.map((schema) =>
        printed(
          `Schema ${schema} is of an older version, and stays. If nobody needs it: drop schema ${schema} cascade`,
        ),
      ),
      ...(goes
        ? []
        : [
            `${found.elsewhere.join(', ')} of this server ${found.elsewhere.length === 1 ? 'uses' : 'use'} ${all}, too: the roles stay. The last uninstall drops them.`,
          ]),
    ],
  }
}

/** SQL for whether a schema of pg_namespace is Viewkeeper's. */
const isOurs = `(nspname in ('viewkeeper', '${logSchema}') or nspname ~ '${batchPlaces}')`

/** An incremental table, with every name as SQL writes it. */
interface IncrementalTable {
  table: string
  schema: string
  /** Its plain view. */
  query: string
  owner: string
  /** What of others keeps it from being dropped. */
  readers: string[]
  /** What makes the view and its indexes: code of the owner, which parsing alone may execute. */
  made: string[]
  /** Its comments and grants. */
  told: string[]
}

/** Makes an incremental table a materialized view again: what is the owner's code in the sealed room, as the owner. */
const remake = ({ table, schema, query, owner, made, told }: IncrementalTable): string[] => [
  `drop table ${table}`,
  `drop view ${query}`,
  ...made.map((each) => sealedCommand({ role: owner, schema }, each, safePath)),
  ...told,
]

/**
 * The views that belong to our roles, with the owners that their definitions name, or that gave them away, and the incremental tables. An administrator who is no superuser reads them as a member
 * of our roles, and undoes that. A schema `viewkeeper` of somebody else may execute anything, and is not read.
 */
const readRecord = (
  sql: Sql,
  { roles, joins }: { roles: string[]; joins: boolean },
): Promise<{ given: { object: string; owner: string }[]; tables: IncrementalTable[] }> =>
  undone(sql, async (part) => {
    if (joins && roles.length > 0) await part.unsafe(`grant ${roles.join(', ')} to current_user`)
    const ours = await part`
      select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where n.nspname = 'viewkeeper' and c.relname = 'definitions' and c.relkind = 'r' and not c.relrowsecurity
         and c.relowner in (to_regrole(${ownerRole}), current_user::regrole)`
    if (ours.length === 0) return { given: [], tables: [] }
    const given = await part<{ object: string; owner: string }[]>`
      select i.type || ' ' || i.identity as object, quote_ident(r.rolname) as owner
        from viewkeeper.definitions d
        join pg_catalog.pg_namespace n on n.nspname = d.schema_name
        join pg_catalog.pg_class c on c.relnamespace = n.oid and (c.relname = d.name and c.relkind in ('m', 'r')
                                      or c.relname = d.name || '_query' and c.relkind = 'v' and d.storage = 'table')
        join pg_catalog.pg_roles o on o.oid = c.relowner and quote_ident(o.rolname) in (select jsonb_array_elements_text(${sql.json(roles)}))
       cross join lateral (
         select rolname from pg_catalog.pg_roles r
          where r.rolname in (d.owner, d.given_by) and not r.rolsuper and quote_ident(r.rolname) not in (select jsonb_array_elements_text(${sql.json(roles)}))
          order by r.rolname = d.owner desc nulls last limit 1) r
       cross join lateral pg_catalog.pg_identify_object('pg_class'::regclass, c.oid, 0) i
       where d.removed_at is null order by 1`
    return { given: [...given], tables: [...(await readTables(part, roles))] }
  })

/** Of rights, those count that a materialized view has. */
const readTables = (sql: Sql, roles: string[]) => sql<IncrementalTable[]>`
  with kept as materialized (
    select c.oid, v.oid as query_oid, quote_ident(n.nspname) as schema, format('%I.%I', n.nspname, c.relname) as "table", format('%I.%I', n.nspname, v.relname) as query,
           quote_ident(r.rolname) as owner, c.relacl
      from viewkeeper.definitions d
      join pg_catalog.pg_namespace n on n.nspname = d.schema_name
      join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = d.name and c.relkind = 'r'
      join pg_catalog.pg_class v on v.relnamespace = n.oid and v.relname = d.name || '_query' and v.relkind = 'v' and v.relowner = c.relowner
      join pg_catalog.pg_roles r on r.oid = c.relowner
     where d.removed_at is null and d.storage = 'table'),
  shown as (
    select k.oid, a.attnum as at, a.attname, a.attacl, pg_catalog.col_description(k.oid, a.attnum) as comment
      from kept k join pg_catalog.pg_attribute a on a.attrelid = k.oid and a.attnum > 0 and not a.attisdropped)
  select k."table", k.schema, k.query, k.owner,
         to_jsonb(array(
           select distinct pg_catalog.pg_describe_object(x.class, x.id, 0) from (
             select 'pg_class'::regclass::oid as class, w.ev_class as id
               from pg_catalog.pg_depend d join pg_catalog.pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
              where d.refclassid = 'pg_class'::regclass and d.refobjid in (k.oid, k.query_oid) and w.ev_class not in (k.oid, k.query_oid)
                 -- Its live view goes with our logs.
                 and pg_catalog.obj_description(w.ev_class, 'pg_class') is distinct from ${liveMark}
             union all select 'pg_constraint'::regclass, o.oid from pg_catalog.pg_constraint o where o.confrelid = k.oid and o.conrelid <> k.oid) x
            where not exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                               where x.class = 'pg_class'::regclass and c.oid = x.id and ${sql.unsafe(isOurs)})
            order by 1)) as readers,
         to_jsonb(format(E'create materialized view %s as\n%s', k."table", rtrim(pg_catalog.pg_get_viewdef(k.query_oid), ';'))
           || array(select pg_catalog.pg_get_indexdef(i.indexrelid) from pg_catalog.pg_index i where i.indrelid = k.oid order by i.indexrelid)) as made,
         to_jsonb(array(select format('comment on materialized view %s is %L', k."table", c) from pg_catalog.obj_description(k.oid, 'pg_class') c where c is not null)
           || array(select format('comment on column %s.%I is %L', k."table", s.attname, s.comment) from shown s where s.oid = k.oid and s.comment is not null order by s.at)
           || array(select format('grant %s%s on %s to %s%s', lower(a.privilege_type), a.columns, k."table",
                           coalesce(quote_ident(g.rolname), 'public'), case when a.is_grantable then ' with grant option' else '' end)
                      from (select e.*, '' as columns from pg_catalog.aclexplode(k.relacl) e
                             union all select e.*, format(' (%I)', s.attname) from shown s cross join pg_catalog.aclexplode(s.attacl) e where s.oid = k.oid) a
                      left join pg_catalog.pg_roles g on g.oid = a.grantee
                     where a.privilege_type in ('SELECT', 'MAINTAIN') and (a.grantee = 0 or g.rolname is not null)
                       and coalesce(quote_ident(g.rolname), '') not in (select jsonb_array_elements_text(${sql.json(roles)}) union all select k.owner)
                     order by 1)) as told
    from kept k order by 1`

const mostNamed = 50

/**
 * Refuses to take along what others have made of our schemas: views, columns, functions, and what hangs on them. `would`: what would become of it;
 * `next`: what to do.
 */
export async function refuseDependents(sql: Sql, would: string, next: string): Promise<void> {
  const dependents = await sql<{ described: string }[]>`
    with recursive gone(class, id, sub, kind) as (
      select 'pg_namespace'::regclass::oid, oid, 0, 'n'::"char" from pg_catalog.pg_namespace where ${sql.unsafe(isOurs)}
       union
      -- What hangs on the rule of a view is the view.
      select case when w.oid is null then d.classid else 'pg_class'::regclass end, coalesce(w.ev_class, d.objid), case when w.oid is null then d.objsubid else 0 end, d.deptype
        from gone g join pg_catalog.pg_depend d on d.refclassid = g.class and d.refobjid = g.id and (g.sub = 0 or d.refobjsubid = g.sub)
        left join pg_catalog.pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
       where d.deptype in ('n', 'a', 'i'))
    select distinct pg_catalog.pg_describe_object(g.class, g.id, g.sub) as described
      from gone g cross join lateral pg_catalog.pg_identify_object(g.class, g.id, g.sub) i
     cross join lateral pg_catalog.pg_identify_object_as_address(g.class, g.id, g.sub) a
     where g.kind = 'n' and g.class <> 'pg_namespace'::regclass
       -- Live views go with our logs.
       and (g.class <> 'pg_class'::regclass or pg_catalog.obj_description(g.id, 'pg_class') is distinct from ${liveMark})
       -- The triggers of our logs stand on tables of others.
       and not (g.class = 'pg_trigger'::regclass and exists (
         select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid join pg_catalog.pg_namespace n on n.oid = p.pronamespace
          where t.oid = g.id and n.nspname = ${logSchema}))
       and not exists (select from pg_catalog.pg_namespace where ${sql.unsafe(isOurs)} and (quote_ident(nspname) = i.schema or i.schema is null and nspname = a.object_names[1]))
     order by 1 limit ${mostNamed + 1}`
  if (dependents.length === 0) return
  const more = dependents.length > mostNamed ? '\n  and more' : ''
  throw new Problem(
    'DependentsExist',
    `What others have made depends on Viewkeeper's schemas, ${would}:\n\n` +
      `${dependents
        .slice(0, mostNamed)
        .map(({ described }) => `  ${printed(described)}`)
        .join('\n')}${more}\n\nNothing was changed. ${next}`,
  )
}
