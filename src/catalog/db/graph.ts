import { Problem } from '../../problem.ts'
import type { Sql } from '../../server/connect.ts'
import { mayUse } from '../../server/rights.ts'
import { type Holders, holdersOf } from '../../sql/holders.ts'
import { displayName, type QualifiedName } from '../../sql/names.ts'
import {
  type Declared,
  declaredEdges,
  type GraphEdge,
  type GraphNode,
  type NamedRelation,
  viewDependencies,
  withPlainViews,
} from '../plan/graph.ts'
import { batchPlaces } from '../plan/shadow-names.ts'

/**
 * Which views each view of the database reads, from the catalog: also through plain views, and through functions whose
 * body is parsed (`begin atomic`). The catalog does not know what a function with a string body reads: the view's author
 * names those views in `dependsOn`. The keys are names as SQL writes them.
 */
export async function readDependencies(sql: Sql): Promise<Map<string, string[]>> {
  const { relations, edges } = await readGraph(sql)
  return viewDependencies(relations, edges)
}

/**
 * These views with the plain views that go along with them, in an order in which all can be made. The server's own are left
 * out.
 */
export async function readWithPlainViews(sql: Sql, views: ReadonlySet<string>): Promise<string[]> {
  const { relations, edges } = await readGraph(sql)
  return withPlainViews(views, relations, edges)
}

type Relation = NamedRelation & GraphNode & { plain: string | null }

/**
 * Every relation through which a view may read another. A plain view of the server's own (OID below 16384) or of an extension
 * has no `plain`. One statement reads relations and edges: if a view were exchanged between two statements, its edges would be
 * missing.
 */
async function readGraph(sql: Sql): Promise<{ relations: Relation[]; edges: GraphEdge[] }> {
  const [graph] = await sql<[{ relations: Relation[]; edges: GraphEdge[] }]>`
    with relations as (
      select 'pg_class ' || c.oid as id, n.nspname as schema, c.relname as name,
             case c.relkind when 'm' then format('%I.%I', n.nspname, c.relname) end as view,
             case when c.relkind = 'v' and c.oid >= 16384 and not exists (
               select from pg_catalog.pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e') then format('%I.%I', n.nspname, c.relname) end as plain
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('m', 'v') and c.relpersistence <> 't' and n.nspname !~ ${batchPlaces}),
    edges as (
      select distinct 'pg_class ' || r.ev_class as "from", d.refclassid::regclass || ' ' || d.refobjid as "to"
        from pg_catalog.pg_rewrite r
        join pg_catalog.pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
         and d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass)
       where r.rulename = '_RETURN'
      union
      select 'pg_proc ' || d.objid, d.refclassid::regclass || ' ' || d.refobjid
        from pg_catalog.pg_depend d
       where d.classid = 'pg_proc'::regclass and d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass))
    select (select coalesce(jsonb_agg(relations), '[]') from relations) as relations,
           (select coalesce(jsonb_agg(edges), '[]') from edges) as edges`
  const { relations, edges } = graph
  return { relations, edges: [...edges, ...declaredEdges(relations, await readDeclared(sql))] }
}

/** What definitions declare; nothing if there are none yet, or none that the login may read. */
async function readDeclared(sql: Sql): Promise<Declared[]> {
  if (!(await mayUse(sql, 'select', 'definitions', 'depends_on'))) return []
  return sql<Declared[]>`
    select schema_name as schema, name, to_jsonb(depends_on) as "dependsOn" from viewkeeper.definitions
     where depends_on <> '{}' and removed_at is null`
}

/** Rule `_RETURN` is the query of a view. A query may also need the row type of what it reads, or the type's array. */
export const closureOf = (relations: number[]): string => `
with recursive closure(oid) as (
  select unnest(array[${relations.map(String).join(', ')}]::oid[])
  union
  select above.oid from closure below cross join lateral (
    select c.oid
      from (select 'pg_class'::regclass as refclassid, below.oid as refobjid
             union all select 'pg_type'::regclass, reltype from pg_class where oid = below.oid
             union all select 'pg_type'::regclass, t.typarray from pg_class k join pg_type t on t.oid = k.reltype
              where k.oid = below.oid) needed
      join pg_depend d on d.refclassid = needed.refclassid and d.refobjid = needed.refobjid and d.classid = 'pg_rewrite'::regclass
      join pg_rewrite w on w.oid = d.objid and w.rulename = '_RETURN'
      join pg_class c on c.oid = w.ev_class and c.relkind in ('m', 'v') and c.relpersistence <> 't') above)`

/** A view that somebody's lock keeps from being read: `because` names both. */
interface LockedView extends Holders {
  oid: number
  because: string
}

/**
 * The locked ones among these relations, as far as they are views, and the views that read them. Reads who holds locks, so it
 * waits for none.
 */
export async function findLocked(sql: Sql, relations: number[]): Promise<LockedView[]> {
  const rows = await sql.unsafe<
    ({ oid: number; holders: Holders } & QualifiedName)[]
  >(`${closureOf(relations)}
select c.oid::int8 as oid, n.nspname as schema, c.relname as name, h.holders
  from pg_class c join closure using (oid) join pg_namespace n on n.oid = c.relnamespace
 cross join lateral (${holdersOf('c.oid', 'AccessShareLock')}) as h(holders)
 where c.relkind in ('m', 'v') order by c.oid`)
  return rows.map(({ oid, holders, ...name }) => ({
    oid,
    ...holders,
    because: `${displayName(name)} is locked: ${holders.who}`,
  }))
}

/** Why they could not be read: names a view and who holds a lock on it, unless that lock is gone by now. */
export async function lockedProblem(sql: Sql, relations: number[], more = ''): Promise<Problem> {
  const [first] = await findLocked(sql, relations)
  return new Problem(
    'LockTimeout',
    first === undefined
      ? `A lock kept a view from being read, and is gone by now. Try again.${more}`
      : `${first.because}. ${first.advice}${more}`,
  )
}
