import type { QualifiedName } from '../../plan/names.ts'
import { literal } from '../../plan/names.ts'
import type { Definition, RowCountStrategy, Strategy, ViewDefinition } from '../../plan/views/definition.ts'
import { toSetRole, viewsSuffix } from '../server/acting.ts'
import type { Sql } from '../server/connect.ts'

/** What a request leaves open and the view's definition answers. */
export interface DefinitionDefaults {
  id: number
  strategy: Strategy
  rowCountStrategy: RowCountStrategy
  timeoutSeconds: number
  /** Session settings for its operations. */
  settings: Record<string, unknown>
  paused: boolean
}

/** What a direct refresh asks besides. */
interface MetDefinition extends DefinitionDefaults {
  minIntervalSeconds: number
}

/** What an author said is forgotten: the view is one that was found in the catalog. */
const asDiscovered = `
  sql = null, indexes = default, depends_on = default, comment = null, grants = default, refresh_strategy = default,
  row_count_strategy = default, schedule = null, time_zone = null, settings = default, timeout_seconds = default,
  retries = default, retry_delay_seconds = default, max_staleness_seconds = null, min_interval_seconds = default,
  in_all = default, source = 'discovered', checksum = null, updated_at = clock_timestamp()`

/** A view of that name was removed before: this is another one, of which nobody has said anything. */
const meetAgain = `${asDiscovered}, removed_at = null, paused_at = null`

/** The definition of a view in the catalog; the first contact with a view nobody authored makes a discovered one. */
export async function ensureDefinition(
  sql: Sql,
  { schema, name }: { schema: string; name: string },
): Promise<MetDefinition> {
  const find = () => sql<MetDefinition[]>`
    select id, refresh_strategy as strategy, row_count_strategy as "rowCountStrategy", timeout_seconds as "timeoutSeconds",
           settings, paused_at is not null as paused, min_interval_seconds as "minIntervalSeconds"
      from viewkeeper.definitions where schema_name = ${schema} and name = ${name} and removed_at is null`
  const [found] = await find()
  if (found !== undefined) return found
  await sql`
    insert into viewkeeper.definitions as d (schema_name, name, source) values (${schema}, ${name}, 'discovered')
    on conflict (schema_name, name) do update set ${sql.unsafe(meetAgain)} where d.removed_at is not null`
  const [made] = await find()
  return made as MetDefinition
}

/** Gives every view in the catalog that has none a discovered definition. Writes nothing where all have one. */
export async function discoverDefinitions(sql: Sql): Promise<void> {
  await sql`
    insert into viewkeeper.definitions as d (schema_name, name, source)
    select n.nspname, c.relname, 'discovered'
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'm'
       and not exists (select from viewkeeper.definitions d
                        where d.schema_name = n.nspname and d.name = c.relname and d.removed_at is null)
    on conflict (schema_name, name) do update set ${sql.unsafe(meetAgain)} where d.removed_at is not null`
}

/** The id of a view's definition, also of one that is gone: its history is still to be read. Undefined if never met. */
export async function findDefinitionId(
  sql: Sql,
  { schema, name }: QualifiedName,
): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    select id from viewkeeper.definitions where schema_name = ${schema} and name = ${name}`
  return row?.id
}

/**
 * The role, as SQL writes it, that is to own what we create: the one beside the owner of schema viewkeeper that has no right on
 * that schema (`viewkeeper_views`), where we may act for it, so that whichever login comes next can work on it too. Else we are.
 */
export async function readCreateOwner(sql: Sql): Promise<string> {
  const [row] = await sql<{ owner: string }[]>`
    select coalesce(
      (select views.oid::regrole::text
         from pg_catalog.pg_namespace n join pg_catalog.pg_roles keeper on keeper.oid = n.nspowner
         join pg_catalog.pg_roles views on views.rolname = keeper.rolname || ${viewsSuffix}
        where n.nspname = 'viewkeeper' and pg_has_role(views.oid, ${toSetRole(sql)})),
      quote_ident(current_user)) as owner`
  return (row as { owner: string }).owner
}

/** What a view is to be, from its definition; `sql` is null where nobody authored it. */
export interface CreatableDefinition extends DefinitionDefaults, Omit<ViewDefinition, 'sql'> {
  sql: string | null
}

/** The definition of a view; undefined where there is none. */
export async function readDefinition(
  sql: Sql,
  { schema, name }: QualifiedName,
): Promise<CreatableDefinition | undefined> {
  const [row] = await sql<CreatableDefinition[]>`
    select d.id, d.refresh_strategy as strategy, d.row_count_strategy as "rowCountStrategy",
           d.timeout_seconds as "timeoutSeconds", d.settings, d.paused_at is not null as paused,
           d.schema_name as schema, d.name, d.sql, d.indexes, d.comment, d.grants
      from viewkeeper.definitions d where d.schema_name = ${schema} and d.name = ${name} and d.removed_at is null`
  return row
}

/** Writes down what an author has frozen: for the transaction that changes the view. */
export const authorStatement = (definition: Definition, checksum: string): string => `
insert into viewkeeper.definitions (schema_name, name, sql, indexes, depends_on, comment, grants, refresh_strategy,
  row_count_strategy, schedule, time_zone, settings, timeout_seconds, retries, retry_delay_seconds, max_staleness_seconds,
  min_interval_seconds, in_all, source, checksum)
select d ->> 'schema', d ->> 'name', d ->> 'sql', d -> 'indexes', array(select jsonb_array_elements_text(d -> 'dependsOn')),
       d ->> 'comment', d -> 'grants', d ->> 'strategy', d ->> 'rowCountStrategy', d ->> 'schedule', d ->> 'timeZone',
       d -> 'settings', (d ->> 'timeoutSeconds')::integer, (d ->> 'retries')::integer, (d ->> 'retryDelaySeconds')::integer,
       (d ->> 'maxStalenessSeconds')::integer, (d ->> 'minIntervalSeconds')::integer, (d ->> 'inAll')::boolean, 'authored',
       ${literal(checksum)}
  from (select ${literal(JSON.stringify(definition))}::jsonb) as x(d)
on conflict (schema_name, name) do update
   set (sql, indexes, depends_on, comment, grants, refresh_strategy, row_count_strategy, schedule, time_zone, settings,
        timeout_seconds, retries, retry_delay_seconds, max_staleness_seconds, min_interval_seconds, in_all, source, checksum,
        removed_at, updated_at)
     = (excluded.sql, excluded.indexes, excluded.depends_on, excluded.comment, excluded.grants, excluded.refresh_strategy,
        excluded.row_count_strategy, excluded.schedule, excluded.time_zone, excluded.settings, excluded.timeout_seconds,
        excluded.retries, excluded.retry_delay_seconds, excluded.max_staleness_seconds, excluded.min_interval_seconds,
        excluded.in_all, excluded.source, excluded.checksum, null, clock_timestamp())`

/** Marks a definition as removed; its runs stay readable. */
export const removeStatement = ({ schema, name }: QualifiedName): string => `
update viewkeeper.definitions set removed_at = clock_timestamp(), updated_at = clock_timestamp()
 where schema_name = ${literal(schema)} and name = ${literal(name)}`

/** The view stays, and is one that nobody has authored again. */
export const releaseStatement = ({ schema, name }: QualifiedName): string => `
update viewkeeper.definitions set ${asDiscovered}
 where schema_name = ${literal(schema)} and name = ${literal(name)}`

/**
 * A view's runs and settings follow it to its new name; where a view has had that name before, the old definition is
 * only marked removed, because its runs are another view's.
 */
export const renameStatement = (from: QualifiedName, to: QualifiedName): string => `
with moved as (
  update viewkeeper.definitions d
     set schema_name = ${literal(to.schema)}, name = ${literal(to.name)}, updated_at = clock_timestamp()
   where d.schema_name = ${literal(from.schema)} and d.name = ${literal(from.name)}
     and not exists (select from viewkeeper.definitions o where o.schema_name = ${literal(to.schema)} and o.name = ${literal(to.name)})
  returning d.id)
update viewkeeper.definitions d set removed_at = clock_timestamp(), updated_at = clock_timestamp()
 where d.schema_name = ${literal(from.schema)} and d.name = ${literal(from.name)} and not exists (select from moved)`
