import { quoteName, type ViewName } from '../plan/names.ts'
import type { ViewFacts } from '../plan/view-facts.ts'
import { Problem } from '../problem.ts'
import type { Sql } from './connect.ts'

const kinds: Record<string, string> = {
  r: 'a table',
  v: 'a plain view',
  i: 'an index',
  I: 'an index',
  S: 'a sequence',
  c: 'a type',
  f: 'a foreign table',
  p: 'a partitioned table',
}

/** Reads what the catalog says about a view now. Throws UnknownView where there is none, or something else has the name. */
export async function readView(sql: Sql, name: ViewName): Promise<ViewFacts> {
  const [row] = await sql`
    select c.oid::int8 as oid, n.nspname as schema, c.relname as name, c.relkind as kind,
           format('%I.%I', n.nspname, c.relname) as view, c.relispopulated as populated,
           pg_has_role(c.relowner, 'USAGE') as may_alter,
           current_setting('track_counts')::boolean as tuples_are_counted
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.oid = to_regclass(${quoteName(name)})`
  if (row === undefined) {
    throw new Problem('UnknownView', `There is no materialized view ${written(name)} in this database.`, {
      field: 'view',
    })
  }
  if (row.kind !== 'm') {
    throw new Problem(
      'UnknownView',
      `${row.view} is ${kinds[row.kind] ?? 'something else'}, not a materialized view.`,
      {
        field: 'view',
      },
    )
  }
  const uniqueIndexes = await readUniqueIndexes(sql, row.oid)
  return {
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    view: row.view,
    populated: row.populated,
    mayAlter: row.may_alter,
    tuplesAreCounted: row.tuples_are_counted,
    uniqueIndexes: uniqueIndexes.map(({ name, unusableBecause }) => ({ name, unusableBecause })),
    keyCandidate:
      uniqueIndexes.find((index) => index.columns !== null)?.columns ?? (await guessKey(sql, row.oid)),
  }
}

/** Resolves a definition's id to the view it names. */
export async function readViewName(sql: Sql, definitionId: number): Promise<ViewName> {
  const [row] = await sql<{ schema: string; name: string }[]>`
    select schema_name as schema, name from viewkeeper.definitions where id = ${definitionId}`
  if (row === undefined)
    throw new Problem('UnknownView', `There is no view with id ${definitionId}.`, { field: 'view' })
  return row
}

const written = ({ schema, name }: ViewName): string => (schema === null ? name : `${schema}.${name}`)

/**
 * Unique indexes, with what stops `refresh … concurrently` from using each: the server wants one that is valid,
 * immediate, not partial, and on plain columns only.
 */
function readUniqueIndexes(sql: Sql, oid: number) {
  return sql<{ name: string; unusableBecause: string | null; columns: string | null }[]>`
    select format('%I', c.relname) as name,
           case when not i.indisvalid then 'is not valid'
                when not i.indimmediate then 'is deferrable'
                when i.indpred is not null then 'is partial'
                when 0 = any (i.indkey::int2[]) then 'is on an expression'
           end as "unusableBecause",
           (select string_agg(format('%I', a.attname), ', ' order by k.at)
              from unnest(i.indkey::int2[]) with ordinality as k(attnum, at)
              join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
             where 0 <> all (i.indkey::int2[]) and k.at <= i.indnkeyatts) as columns
      from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
     where i.indrelid = ${oid} and i.indisunique
     order by c.relname`
}

/** A column whose every value the last analyze found distinct. */
async function guessKey(sql: Sql, oid: number): Promise<string | null> {
  const [row] = await sql<{ column: string }[]>`
    select format('%I', s.attname) as column
      from pg_catalog.pg_stats s join pg_catalog.pg_class c on c.relname = s.tablename
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = s.schemaname
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = s.attname
     where c.oid = ${oid} and s.n_distinct = -1
     order by a.attnum limit 1`
  return row?.column ?? null
}
