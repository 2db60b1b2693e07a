import { quoteName, type ViewName } from '../plan/names.ts'
import type { RowCountStrategy } from '../plan/refresh.ts'
import type { Strategy } from '../plan/strategy.ts'
import type { Sql } from './connect.ts'

/** What a request leaves open and the view's definition answers. */
export interface DefinitionDefaults {
  id: number
  strategy: Strategy
  rowCountStrategy: RowCountStrategy
  timeoutSeconds: number
}

/** The definition of a view in the catalog; the first contact with a view nobody authored makes a discovered one. */
export async function ensureDefinition(
  sql: Sql,
  { schema, name }: { schema: string; name: string },
): Promise<DefinitionDefaults> {
  const find = () => sql<DefinitionDefaults[]>`
    select id, refresh_strategy as strategy, row_count_strategy as "rowCountStrategy", timeout_seconds as "timeoutSeconds"
      from viewkeeper.definitions where schema_name = ${schema} and name = ${name} and removed_at is null`
  const [found] = await find()
  if (found !== undefined) return found
  await sql`
    insert into viewkeeper.definitions as d (schema_name, name, source) values (${schema}, ${name}, 'discovered')
    on conflict (schema_name, name)
    do update set removed_at = null, updated_at = clock_timestamp() where d.removed_at is not null`
  const [made] = await find()
  return made as DefinitionDefaults
}

/** Gives every view in the catalog that has none a discovered definition. Writes nothing where all have one. */
export async function discoverDefinitions(sql: Sql): Promise<void> {
  await sql`
    insert into viewkeeper.definitions as d (schema_name, name, source)
    select n.nspname, c.relname, 'discovered'
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'm' and c.relpersistence <> 't'
       and not exists (select from viewkeeper.definitions d
                        where d.schema_name = n.nspname and d.name = c.relname and d.removed_at is null)
    on conflict (schema_name, name)
    do update set removed_at = null, updated_at = clock_timestamp() where d.removed_at is not null`
}

/**
 * The id of the definition that a name stands for: of the view that the search path finds, else of one that was there
 * before, whose history is still to be read. Undefined where the name was never met.
 */
export async function findDefinitionId(sql: Sql, name: ViewName): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    select d.id from viewkeeper.definitions d
      left join pg_catalog.pg_class c on c.oid = to_regclass(${quoteName(name)}) and c.relkind = 'm'
      left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where d.name = ${name.name} and d.schema_name = coalesce(n.nspname, ${name.schema}, d.schema_name)
     order by d.removed_at desc nulls first, d.id desc limit 1`
  return row?.id
}
