import type { Row } from 'postgres'
import type { Sql } from '../../server/database.ts'
import { lacking } from '../../server/own-rights.ts'
import { batchPlaces, isView, keptTables, logName, logSchema, quoteName } from '../../sql/names.ts'
import { rolePathSetting, safePath } from '../../sql/settings.ts'
import type { QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import type { ViewFacts } from '../plan/live-view.ts'
import { hintsOn, hintsQueryOf } from '../plan/obstacles.ts'
import { toSetRole } from '../plan/rights.ts'

/**
 * Digits for the names of a view's shadow: the OID (0 if there is no view yet), and more that nobody can guess. A role that
 * may create in the schema or the database could otherwise take the names first, and no swap would succeed.
 */
export function shadowKey(oid: number): string {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1))
  return `${oid}${String(random % 1e7).padStart(7, '0')}`
}

const kinds: Record<string, string> = {
  m: 'a materialized view',
  r: 'a table',
  v: 'a plain view',
  i: 'an index',
  I: 'an index',
  S: 'a sequence',
  c: 'a type',
  f: 'a foreign table',
  p: 'a partitioned table',
}

/** What the catalog says of a view, as columns of a query for `factsOf`. */
export const factColumns = (sql: Sql) => sql`
           c.oid::int8 as oid, n.nspname as schema, c.relname as name, c.relkind as kind,
           format('%I.%I', n.nspname, c.relname) as view, c.relowner::regrole::text as owner, c.relispopulated as populated,
           (select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum = 1 and not a.attisdropped) as "firstColumn",
           pg_has_role(c.relowner, 'USAGE') as "mayAlter",
           pg_has_role(c.relowner, ${sql.unsafe(toSetRole)}) as "mayActAsOwner",
           case when pg_has_role(c.relowner, ${sql.unsafe(toSetRole)}) and has_schema_privilege(c.relowner, n.oid, 'CREATE')
                 and has_schema_privilege(c.relowner, n.oid, 'USAGE')
                then jsonb_build_object('role', c.relowner::regrole::text, 'schema', quote_ident(n.nspname)) end as counting,
           has_schema_privilege(n.oid, 'USAGE') as "mayLook",
           has_database_privilege(current_database(), 'CREATE') as "mayMakeSchemas",
           ${uniqueIndexes(sql)} as "uniqueIndexes"`

/**
 * As readView, but undefined if nothing has the name. Anything but a view of this kind is still refused. This
 * is one statement without `to_regclass`, which may see an exchange that the rest of the statement does not
 * see yet. A temporary relation belongs to one session, which is not ours, so it is not found.
 */
export async function findView(
  sql: Sql,
  name: QualifiedName,
  kind: 'm' | 'v' = 'm',
): Promise<ViewFacts | undefined> {
  const [row] = await sql`
    select ${factColumns(sql)}, to_regclass(${quoteName({ schema: logSchema, name: `${logName(name)}_0` })}) is not null as logs
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = ${name.schema} and c.relname = ${name.name} and c.relpersistence <> 't'`
  if (row === undefined) return undefined
  if (!row.mayLook) {
    throw await lacking(
      sql,
      `permission denied for schema ${name.schema}.`,
      hintsQueryOf(hintsOn(name, 'look')),
    )
  }
  // The plain view with the query of an incremental table; null: it is another table, or none.
  const [{ query } = { query: null }] =
    kind === 'm' && row.kind === 'r'
      ? await sql<
          { query: number }[]
        >`select query::int8 from (${sql.unsafe(keptTables)}) k where oid = ${row.oid}::int8::oid`
      : []
  if (row.kind !== kind && query === null) {
    throw new Problem(
      'UnknownView',
      `${row.view} is ${kinds[row.kind] ?? 'something else'}, not a ${kind === 'm' ? 'materialized' : 'plain'} view.`,
      { field: 'view' },
    )
  }
  return factsOf(row, query)
}

/** The facts of a view by a row with `factColumns` and `logs`. */
export function factsOf(row: Row, query: number | null): ViewFacts {
  const indexes: ReadUniqueIndex[] = row.uniqueIndexes
  return {
    ...(row as ViewFacts),
    shadowKey: shadowKey(row.oid),
    query,
    keyCandidate: indexes.find(({ hasExpressions }) => !hasExpressions)?.columns ?? null,
  }
}

/** Every view of the database, without temporary views and the views that belong to an extension. */
export const listViewNames = (sql: Sql): Promise<QualifiedName[]> => sql<QualifiedName[]>`
  select n.nspname as schema, c.relname as name
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where ${sql.unsafe(isView('c'))} and c.relpersistence <> 't' and n.nspname !~ ${batchPlaces} and not exists (select from pg_catalog.pg_depend d
           where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
   order by 1, 2`

type ReadUniqueIndex = ViewFacts['uniqueIndexes'][number] & { hasExpressions: boolean }

/**
 * Why `refresh … concurrently` cannot use unique index i; null if it can. The server requires an index that is valid,
 * immediate, not partial, and on plain columns only.
 */
export const unusableBecause = (sql: Sql) => sql`
  case when not i.indisvalid then 'is not valid'
       when not i.indimmediate then 'is deferrable'
       when i.indpred is not null then 'is partial'
       when 0 = any (i.indkey::int2[]) then 'is on an expression'
  end`

/** The unique indexes of relation c, each with the reason why `refresh … concurrently` cannot use it. */
export const uniqueIndexes = (sql: Sql) => sql`
  (select coalesce(jsonb_agg(jsonb_build_object(
     'name', format('%I', x.relname),
     'unusableBecause', ${unusableBecause(sql)},
     'hasExpressions', 0 = any (i.indkey::int2[]),
     'columns', (select string_agg(case k.attnum when 0 then 'an expression' else format('%I', a.attname) end, ', ' order by k.at)
                   from unnest(i.indkey::int2[]) with ordinality as k(attnum, at)
                   left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                  where k.at <= i.indnkeyatts)) order by x.relname), '[]')
     from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
    where i.indrelid = c.oid and i.indisunique)`

/**
 * Selects the schemas on the search path of our login that exist, and the one in which a new relation would be made. The server
 * parses the whole statement under the safe path, and then computes the columns one after the other.
 */
export const roleSchemas = (sql: Sql) => sql`
  select set_config('search_path', current_setting(${rolePathSetting}), false), to_json(current_schemas(true)) as schemas,
         current_schema()::text as creation, set_config('search_path', ${safePath}, false) as safe`

/** The schemas on the search path of our login that exist. */
export async function readRoleSchemas(sql: Sql): Promise<string[]> {
  const [row] = await sql<[{ schemas: string[] }]>`${roleSchemas(sql)}`
  return row.schemas
}
