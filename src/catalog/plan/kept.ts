import type { QualifiedName } from '../../words/names.ts'

// A kept table: a view that is a table. Its query stands beside it, as a plain view called after it, with the comment that marks both. Who
// can put that comment there owns the plain view, and so could make a materialized view of the same query.

/** The comment on the plain view of a kept table's query, by which the catalog tells it from any other table. */
export const keptMark = 'Viewkeeper keeps the rows of this query in a table.'

/** The plain view with the query of a view that has one beside it. */
export const queryViewOf = ({ schema, name }: QualifiedName): QualifiedName => ({
  schema,
  name: `${name}_query`,
})

/** SQL for all kept tables: their OIDs, and those of the plain views with their queries. */
export const keptTables = `select kt.oid, kq.oid as query from pg_description kd join pg_class kq on kq.oid = kd.objoid and kq.relkind = 'v' join pg_class kt on kt.relnamespace = kq.relnamespace and kt.relname = left(kq.relname::text, -6)::name and kq.relname = (kt.relname || '_query')::name and kt.relkind = 'r' and kt.relowner = kq.relowner where kd.classoid = 'pg_class'::regclass and kd.objsubid = 0 and kd.description = '${keptMark}'`

/** SQL for the OID of the plain view with the query of a relation, by its OID, if that is a kept table; otherwise null. */
export const queryOfKept = (oid: string): string =>
  `(select k.query from (${keptTables}) k where k.oid = ${oid})`

/** SQL for whether relation `c` of pg_class is a view with rows of its own: a materialized view, or a kept table. They are looked for once, not for each table. */
export const isView = (c: string): string =>
  `(${c}.relkind = 'm' or ${c}.relkind = 'r' and ${c}.oid in (select k.oid from (${keptTables}) k))`
