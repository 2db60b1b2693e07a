import { askSealed } from '../../sealed/db/execute.ts'
import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { undone } from '../../server/transactions.ts'
import { literal, quoteName } from '../../sql/names.ts'
import type { Seal } from '../../sql/run-plan.ts'
import type { QualifiedName } from '../../words/names.ts'
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

/** Until the end of the transaction, every query sees the same rows. */
export const seeTheSame = (sql: Sql) => sql`set transaction isolation level repeatable read`

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

/** Asks for a JSON object by a query that executes code of others: as the role of the seal; null: as our login, which trusts the code. */
async function ask<Answer>(sql: Sql, seal: Seal | null, query: string): Promise<Answer> {
  if (seal !== null) return askSealed<Answer>(sql, seal, query)
  await sql`set transaction read only`
  const [row] = await sql.unsafe(query)
  return Object.values(row ?? {})[0]
}

const explain = 'explain (analyze, format json, costs off, timing off)'

/** Does this in a transaction that is undone, each statement for at most so long. */
const briefly = <T>(sql: Sql, mostMs: number, work: (part: Sql) => Promise<T>): Promise<T> =>
  undone(sql, async (part) => {
    await part`select set_config('statement_timeout', ${String(Math.max(1, mostMs))}, true)`
    return work(part)
  })

/**
 * Executes a query of somebody for at most so long, and takes no row: `explain` computes every column and sends none. Returns how
 * the query failed; null if it worked.
 */
export async function tryQuery(
  sql: Sql,
  seal: Seal | null,
  query: string,
  mostMs: number,
): Promise<QueryFailure | null> {
  try {
    await briefly(sql, mostMs, (part) => ask(part, seal, `${explain} ${query}`))
    return null
  } catch (error) {
    return failureOf(error)
  }
}

/**
 * How long the query of a materialized view takes, in milliseconds. Null if that is more than `mostMs`, waits for locks included, if the view
 * has more than `mostBytes`, or if the query fails or writes.
 */
export const measureQuery = (
  sql: Sql,
  seal: Seal,
  oid: number,
  { mostMs, mostBytes }: { mostMs: number; mostBytes: number },
): Promise<number | null> =>
  briefly(sql, mostMs, async (part) => {
    const [view] = await part<[{ query: string | null }]>`
      select case when pg_total_relation_size(${oid}::oid) <= ${mostBytes} then pg_get_viewdef(${oid}::oid) end as query`
    if (view.query === null) return null
    const [told] = await ask<[{ 'Execution Time': number }]>(part, seal, `${explain} ${view.query}`)
    return told['Execution Time']
  }).catch((error) => {
    failureOf(error)
    return null
  })

/** How a query failed; throws what is no error of the server. */
function failureOf(error: unknown): QueryFailure {
  const sqlstate = sqlstateOf(error)
  if (sqlstate === undefined) throw error
  const { message, detail, hint, where } = error as QueryFailure
  const [within = ''] = (where ?? '').split(/SQL statement "(?:explain|select jsonb_build_object)/)
  return { sqlstate, message, detail, hint, ...(within && { where: within.trim() }) }
}

/** Rows of a query that are equal in the columns of a unique index. */
export interface EqualRows {
  index: string
  rows: number
  /** Up to 200 characters of each value. */
  values: { column: string; value: string | null }[]
}

/** The unique indexes of a relation, and for each the query for some rows of `query` that are equal by it. */
const readUniqueIndexes = (sql: Sql, { schema, name }: QualifiedName, query: string) => sql<
  { index: string; equal: string }[]
>`
  select i.indexrelid::regclass::text as index, format(
           'select jsonb_build_object(''rows'', (select to_jsonb(e) from (select count(*) as rows, jsonb_build_array(%s) as values from (%s) q where true%s%s group by %s having count(*) > 1 limit 1) e))',
           string_agg(format('jsonb_build_object(''column'', %L::text, ''value'', left((%s)::text, 200))', k.key, k.key), ', ' order by k.at),
           ${query}::text,
           case when not i.nulls_differ then '' else string_agg(format(' and (%s) is not null', k.key), '' order by k.at) end,
           ' and (' || pg_get_expr(i.indpred, i.indrelid) || ')', string_agg(format('(%s)', k.key), ', ' order by k.at)) as equal
    from (select x.*, not x.indnullsnotdistinct as nulls_differ from pg_catalog.pg_index x) i
    join pg_catalog.pg_class c on c.oid = i.indrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   cross join lateral (select pg_get_indexdef(i.indexrelid, a, false) as key, a as at from generate_series(1, i.indnkeyatts) a) k
   where n.nspname = ${schema} and c.relname = ${name} and i.indisunique
   group by i.indexrelid, i.indrelid, i.indpred, i.nulls_differ order by 1`

/** The first rows of a query that are equal by each unique index of a relation; or how the search for them failed. */
export async function readEqualRows(
  sql: Sql,
  seal: Seal | null,
  relation: QualifiedName,
  query: string,
  until: number,
): Promise<EqualRows[] | QueryFailure> {
  const found: EqualRows[] = []
  for (const { index, equal } of await readUniqueIndexes(sql, relation, query)) {
    try {
      const { rows } = await briefly(sql, until - Date.now(), (part) =>
        ask<{ rows: Omit<EqualRows, 'index'> | null }>(part, seal, equal),
      )
      if (rows !== null) found.push({ index, ...rows })
    } catch (error) {
      return { ...failureOf(error), hint: `The query works; this is of a search by unique index ${index}.` }
    }
  }
  return found
}

/** Up to 200 characters of each value of a row; null if who asks may not read the row. */
export async function readRow(
  sql: Sql,
  seal: Seal | null,
  relation: QualifiedName,
  leaf: number,
  ctid: string,
) {
  const query = `select jsonb_build_object('values', (
    select jsonb_agg(jsonb_build_object('column', e.key, 'value', left(e.value, 200)))
      from ${quoteName(relation)} t cross join lateral json_each_text(row_to_json(t.*)) e where t.ctid = ${literal(ctid)}::tid and t.tableoid = '${leaf}'::oid))`
  try {
    const { values } = await undone(sql, (part) =>
      ask<{ values: { column: string; value: string | null }[] | null }>(part, seal, query),
    )
    return values ?? []
  } catch (error) {
    if (sqlstateOf(error) !== '42501') throw error
    return null
  }
}
