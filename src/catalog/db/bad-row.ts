import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { undone, withSavepoint } from '../../server/transactions.ts'
import { type QualifiedName, quoteName } from '../../sql/names.ts'
import type { Leaf } from '../plan/table-parts.ts'

/** How a query failed, in the server's words, which may quote rows. */
export interface QueryFailure {
  sqlstate: string
  message: string
  detail?: string
  hint?: string
  /** In which line of which function. */
  where?: string
}

/** Until the end of the transaction, nothing is written, and every query sees the same rows. */
export const onlyRead = (sql: Sql) => sql`set transaction isolation level repeatable read, read only`

/** Kind, query (of a view, with every name qualified) and columns of a relation. */
export async function readRelation(sql: Sql, { schema, name }: QualifiedName) {
  const [row] = await sql<{ oid: number; kind: string; query: string | null; columns: string[] }[]>`
    select c.oid::int8 as oid, c.relkind::text as kind,
           case when c.relkind in ('v', 'm') then rtrim(pg_get_viewdef(c.oid), ';') end as query,
           (select jsonb_agg(a.attname order by a.attnum) from pg_catalog.pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = ${schema} and c.relname = ${name}`
  return row as { oid: number; kind: string; query: string | null; columns: string[] }
}

/** A table or materialized view with its partitions and heirs, as far as they have pages here. */
export const readLeaves = (sql: Sql, oid: number): Promise<Leaf[]> => sql<Leaf[]>`
  with recursive tree (oid) as (
    select ${oid}::int8::oid union all select i.inhrelid from pg_catalog.pg_inherits i join tree on i.inhparent = tree.oid)
  select c.oid::int8 as oid, (pg_relation_size(c.oid) / current_setting('block_size')::int8)::int8 as pages
    from tree join pg_catalog.pg_class c on c.oid = tree.oid where c.relkind in ('r', 'm') order by c.oid`

/**
 * Executes a query of somebody, as our login, for at most so long, and takes no row: `explain` computes every column and sends
 * none. Returns how the query failed; null if it worked.
 */
export async function tryQuery(sql: Sql, query: string, mostMs: number): Promise<QueryFailure | null> {
  try {
    await undone(sql, async (part) => {
      await part`select set_config('statement_timeout', ${String(Math.max(1, mostMs))}, true)`
      await part.unsafe(`explain (analyze, costs off, timing off, summary off) ${query}`)
    })
    return null
  } catch (error) {
    const sqlstate = sqlstateOf(error)
    if (sqlstate === undefined) throw error
    const { message, detail, hint, where } = error as QueryFailure
    return { sqlstate, message, detail, hint, where }
  }
}

/** Up to 200 characters of each value of a row, by our own rights; null if our login may not read the row. */
export async function readRow(sql: Sql, relation: QualifiedName, leaf: number, ctid: string) {
  try {
    return await withSavepoint(
      sql,
      (part) => part<{ column: string; value: string | null }[]>`
        select e.key as column, left(e.value, 200) as value
          from ${part.unsafe(quoteName(relation))} t cross join lateral json_each_text(row_to_json(t.*)) e
         where t.ctid = ${ctid}::text::tid and t.tableoid = ${leaf}::int8::oid`,
    )
  } catch (error) {
    if (sqlstateOf(error) !== '42501') throw error
    return null
  }
}
