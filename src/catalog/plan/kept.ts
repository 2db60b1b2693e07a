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

/** SQL for the OID of the plain view with the query of relation `c` of pg_class, if that is a kept table; otherwise null. */
export const queryOfKept = (c: string): string =>
  `case ${c}.relkind when 'r' then (select kq.oid from pg_class kq where kq.relnamespace = ${c}.relnamespace and kq.relname = (${c}.relname || '_query')::name and kq.relkind = 'v' and kq.relowner = ${c}.relowner and obj_description(kq.oid, 'pg_class') = '${keptMark}') end`

/** SQL for whether relation `c` of pg_class is a view with rows of its own: a materialized view, or a kept table. */
export const isView = (c: string): string => `(${c}.relkind = 'm' or ${queryOfKept(c)} is not null)`
