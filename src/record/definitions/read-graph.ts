import {
  type Declared,
  declaredEdges,
  type GraphEdge,
  type GraphNode,
  type NamedRelation,
  viewDependencies,
  withPlainViews,
} from '../../catalog/plan/graph.ts'
import type { Sql } from '../../server/database.ts'
import { mayUse } from '../../server/own-rights.ts'
import { batchPlaces, isView, keptTables } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'

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
             case when ${sql.unsafe(isView('c'))} then format('%I.%I', n.nspname, c.relname) end as view,
             case when c.relkind = 'v' and c.oid >= 16384 and not exists (
               select from pg_catalog.pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e') then format('%I.%I', n.nspname, c.relname) end as plain
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where (c.relkind = 'v' or ${sql.unsafe(isView('c'))}) and c.relpersistence <> 't' and n.nspname !~ ${batchPlaces}),
    edges as (
      select distinct 'pg_class ' || r.ev_class as "from", d.refclassid::regclass || ' ' || d.refobjid as "to"
        from pg_catalog.pg_rewrite r
        join pg_catalog.pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
         and d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass)
       where r.rulename = '_RETURN'
      union
      select 'pg_class ' || k.oid, 'pg_class ' || k.query from (${sql.unsafe(keptTables)}) k
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

/** Every materialized and plain view of the database, without the server's own: what `dependsOn` may name. */
export const listReadableNames = (sql: Sql): Promise<QualifiedName[]> => sql<QualifiedName[]>`
  select n.nspname as schema, c.relname as name
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('m', 'v', 'r', 'p') and n.nspname not in ('pg_catalog', 'information_schema', 'viewkeeper') and n.nspname !~ ${batchPlaces}
   order by 1, 2`
