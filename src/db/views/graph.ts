import { type Declared, declaredEdges } from '../../plan/views/depends-on.ts'
import {
  type GraphEdge,
  type GraphNode,
  type NamedRelation,
  plainViewsRead,
  viewDependencies,
} from '../../plan/views/graph.ts'
import type { Sql } from '../server/connect.ts'

/**
 * Which views each view of the database reads, as the catalog knows it: through plain views and through functions
 * whose body is parsed (`begin atomic`). What a function with a string body reads nobody can know but the author of the
 * view: that is what `dependsOn` of its definition is for. Keyed by names as SQL writes them.
 */
export async function readDependencies(sql: Sql): Promise<Map<string, string[]>> {
  const { relations, edges } = await readGraph(sql)
  return viewDependencies(relations, edges)
}

/** The same, and through which plain views each view reads; the server's own are left out. */
export async function readAllDependencies(
  sql: Sql,
): Promise<{ views: Map<string, string[]>; plainViews: Map<string, string[]> }> {
  const { relations, edges } = await readGraph(sql)
  return { views: viewDependencies(relations, edges), plainViews: plainViewsRead(relations, edges) }
}

type Relation = NamedRelation & GraphNode & { plain: string | null }

/**
 * Every relation that may stand between views; a plain view of the server's own (their OIDs end at 16384) has no `plain`.
 * Relations and edges come of one statement: a view that is exchanged between two would have lost its edges.
 */
async function readGraph(sql: Sql): Promise<{ relations: Relation[]; edges: GraphEdge[] }> {
  const [graph] = await sql<[{ relations: Relation[]; edges: GraphEdge[] }]>`
    with relations as (
      select 'pg_class ' || c.oid as id, n.nspname as schema, c.relname as name,
             case c.relkind when 'm' then format('%I.%I', n.nspname, c.relname) end as view,
             case when c.relkind = 'v' and c.oid >= 16384 then format('%I.%I', n.nspname, c.relname) end as plain
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('m', 'v')),
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

/** What definitions declare; nothing where our own schema is not there yet, or has no place for it. */
async function readDeclared(sql: Sql): Promise<Declared[]> {
  const [place] = await sql`
    select from pg_catalog.pg_attribute
     where attrelid = to_regclass('viewkeeper.definitions') and attname = 'depends_on'`
  if (place === undefined) return []
  return sql<Declared[]>`
    select schema_name as schema, name, to_jsonb(depends_on) as "dependsOn" from viewkeeper.definitions
     where depends_on <> '{}' and removed_at is null`
}
