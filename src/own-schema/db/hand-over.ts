import { noteGiver } from '../../record/definitions/discovered.ts'
import type { Sql } from '../../server/database.ts'
import { literal, logSchema } from '../../sql/names.ts'
import { type AdministratorWork, ownerRole, viewsRole } from './role.ts'

/** An object, as `alter` names it: `table viewkeeper.runs`. Everything is written as in SQL. */
interface Owned {
  object: string
  owner: string
}

/** A view, and what its schema is called and who owns the schema. */
interface OwnedView extends Owned {
  view: string
  schema: string
  schemaOwner: string
}

/** What is handed over: objects of Viewkeeper's steps by name, made by superusers or by roles that an administrator trusts. */
interface HandedOver {
  from: string[]
  names: string[]
}

/**
 * Gives schema `viewkeeper`, what our steps made in it, and the schema of logs to role `viewkeeper`, and the views of role
 * `viewkeeper` to `viewkeeper_views`: somebody may have worked as an administrator first.
 */
export async function handOver(
  sql: Sql,
  work: AdministratorWork,
  { from, names }: HandedOver,
): Promise<void> {
  const ours = await sql<Owned[]>`
    with trusted as (
      select oid from pg_catalog.pg_roles
       where rolname <> ${ownerRole} and (rolsuper or rolname in (select jsonb_array_elements_text(${sql.json(from)})))),
    named as (select jsonb_array_elements_text(${sql.json(names)}) as name)
    select format('schema %I', n.nspname) as object, n.nspowner::regrole::text as owner
      from pg_catalog.pg_namespace n where n.nspname in ('viewkeeper', ${logSchema}) and n.nspowner in (select oid from trusted)
    union all
    select case c.relkind when 'v' then 'view ' when 'S' then 'sequence ' else 'table ' end || c.oid::regclass,
           c.relowner::regrole::text
      from pg_catalog.pg_class c
     where c.relnamespace = to_regnamespace('viewkeeper') and c.relowner in (select oid from trusted)
       and c.relkind in ('r', 'p', 'v', 'S') and c.relname in (select name from named)
       -- the sequence of a column follows its table
       and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                          and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i'))
    union all
    select 'routine ' || p.oid::regprocedure, p.proowner::regrole::text
      from pg_catalog.pg_proc p
     where p.pronamespace = to_regnamespace('viewkeeper') and p.proowner in (select oid from trusted)
       and p.proname in (select name from named)`
  const views = await readViewsOf(sql, ownerRole)
  if (ours.length + views.length === 0) return
  await work.actingAs(ownerRole, async () => {
    await give(work, ours, ownerRole)
    await giveViews(sql, work, ownerRole)
  })
}

/** Gives the views of the role that we are to `viewkeeper_views`, of which we become a member. The record says whose they were. */
export async function giveOwnViews(sql: Sql, work: AdministratorWork, me: string): Promise<void> {
  await work.member(viewsRole, me)
  if ((await readViewsOf(sql, me)).length > 0) await work.actingAs(ownerRole, () => noteGiver(sql, me))
  await giveViews(sql, work, me)
}

/** Lets Viewkeeper refresh the views of a role without acting as the role, from PostgreSQL 17 on. */
export async function grantMaintain(sql: Sql, work: AdministratorWork, owner: string): Promise<void> {
  for (const { view, ...each } of await readViewsOf(sql, owner)) {
    await work.ensure(onSchema(each, 'usage', ownerRole))
    const holds = `has_table_privilege('${ownerRole}', ${literal(view)}, 'MAINTAIN')`
    await work.ensure({ sql: `grant maintain on ${view} to ${ownerRole}`, holds, by: [each.owner] })
  }
}

/** SQL for who may grant a right on schema `n`. */
const schemaOwner = `case n.nspowner when 'pg_database_owner'::regrole
  then (select datdba from pg_catalog.pg_database where datname = current_database()) else n.nspowner end::regrole::text`

/** The views of a role. */
export const readViewsOf = (sql: Sql, owner: string): Promise<OwnedView[]> => sql<OwnedView[]>`
  select 'materialized view ' || c.oid::regclass as object, c.oid::regclass::text as view,
         c.relowner::regrole::text as owner, quote_ident(n.nspname) as schema, ${sql.unsafe(schemaOwner)} as "schemaOwner"
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_roles r on r.oid = c.relowner
   where c.relkind = 'm' and c.relpersistence = 'p' and r.rolname = ${owner} order by n.nspname, c.relname`

const onSchema = (
  { schema, schemaOwner }: Pick<OwnedView, 'schema' | 'schemaOwner'>,
  privilege: string,
  role: string,
) => ({
  sql: `grant ${privilege} on schema ${schema} to ${role}`,
  holds: `has_schema_privilege('${role}', ${literal(schema)}::regnamespace, '${privilege}')`,
  by: [schemaOwner],
  owner: schemaOwner,
})

/** The schemas of what the views of a role read. */
const readSchemasBelow = (sql: Sql, owner: string) => sql<Pick<OwnedView, 'schema' | 'schemaOwner'>[]>`
  select distinct quote_ident(n.nspname) as schema, ${sql.unsafe(schemaOwner)} as "schemaOwner"
    from pg_catalog.pg_class c join pg_catalog.pg_roles r on r.oid = c.relowner
    join pg_catalog.pg_rewrite w on w.ev_class = c.oid
    join pg_catalog.pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
    join pg_catalog.pg_class t on t.oid = d.refobjid join pg_catalog.pg_namespace n on n.oid = t.relnamespace
   where c.relkind = 'm' and c.relpersistence = 'p' and r.rolname = ${owner} order by 1`

/** Gives views with their statistics. Their new owner needs `create` in the schema, and has to look into those that the queries name. */
async function giveViews(sql: Sql, work: AdministratorWork, owner: string): Promise<void> {
  const views = await readViewsOf(sql, owner)
  for (const view of views) {
    for (const privilege of ['usage', 'create']) await work.ensure(onSchema(view, privilege, viewsRole))
  }
  for (const below of await readSchemasBelow(sql, owner))
    await work.ensure(onSchema(below, 'usage', viewsRole))
  const statistics = await sql<Owned[]>`
    select format('statistics %I.%I', n.nspname, s.stxname) as object, s.stxowner::regrole::text as owner
      from pg_catalog.pg_statistic_ext s join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
      join pg_catalog.pg_class c on c.oid = s.stxrelid and c.relkind = 'm' and c.relowner = s.stxowner
      join pg_catalog.pg_roles r on r.oid = s.stxowner where r.rolname = ${owner}`
  await give(work, [...views, ...statistics], viewsRole)
}

/** Gives all objects or none. Waits only briefly for a lock: readers wait behind us. */
async function give(work: AdministratorWork, objects: Owned[], role: string): Promise<void> {
  if (objects.length === 0) return
  const statements = objects.map(({ object }) => `alter ${object} owner to ${role}`)
  if (await work.try(["set local lock_timeout = '300ms'", ...statements])) work.done.push(...statements)
  else
    work.refused.push(
      ...objects.map(({ owner }, at) => ({ sql: `${statements[at]};`, grants: false, by: [owner] })),
    )
}
