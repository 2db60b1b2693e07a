import type { Sql } from '../../server/connect.ts'
import { mayUse } from '../../server/rights.ts'
import { onReplicas, skipsUnchanged } from '../../server/session-settings.ts'
import { literal, type QualifiedName, quoteName } from '../../sql/names.ts'
import type { WithoutKey } from '../../sql/replicas.ts'
import type { Checks } from '../plan/checks.ts'
import {
  type Definition,
  definitionDefaults,
  type RowCountStrategy,
  type Strategy,
  type ViewDefinition,
} from '../plan/definition.ts'
import { listAside } from './catalog.ts'

/** The definition's values for fields that a request leaves open. */
export interface DefinitionDefaults {
  id: number
  strategy: Strategy
  rowCountStrategy: RowCountStrategy
  timeoutSeconds: number
  /** Session settings for the view's operations. */
  settings: Record<string, unknown>
  checks: Checks
  paused: boolean
  /** Whether the counters of what the view reads are noted, to leave out the next refresh if they have not moved. */
  skipsUnchanged: boolean
  /** What `auto` does without a key, if programs read the view on replicas; null: nobody does, as far as is said. */
  onReplicas: WithoutKey | null
}

type Field = Exclude<keyof Definition, keyof QualifiedName>

/** The fields that an author writes. */
const fields = ['sql', ...Object.keys(definitionDefaults)].filter((field) => field !== 'schema') as Field[]

/** The column of a field: its name in snake case. */
const columnOf = (field: Field): string =>
  field === 'strategy'
    ? 'refresh_strategy'
    : field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const selected = (...some: Field[]): string =>
  some.map((field) => `d.${columnOf(field)} as "${field}"`).join(', ')

/** The columns of DefinitionDefaults, for a `select` from `viewkeeper.definitions d`. */
export const defaultsColumns = `d.id, d.paused_at is not null as paused, ${onReplicas} as "onReplicas", ${skipsUnchanged} as "skipsUnchanged",
           ${selected('strategy', 'rowCountStrategy', 'timeoutSeconds', 'settings', 'checks')}`

/** Resets what an author wrote: the definition becomes a discovered one. */
const asDiscovered = `${fields.map((field) => `${columnOf(field)} = default`).join(', ')},
  source = 'discovered', checksum = null, updated_at = clock_timestamp()`

/**
 * Reuses a removed definition, which belonged to another view of that name: the definition becomes a
 * discovered one.
 */
export const meetAgain = `${asDiscovered}, removed_at = null, paused_at = null`

/** What the definition of a view supplies; undefined if there is none. */
export async function findDefaults(
  sql: Sql,
  { schema, name }: QualifiedName,
): Promise<DefinitionDefaults | undefined> {
  const [found] = await sql<DefinitionDefaults[]>`
    select ${sql.unsafe(defaultsColumns)}
      from viewkeeper.definitions d where d.schema_name = ${schema} and d.name = ${name} and d.removed_at is null`
  return found
}

/** The definition of a view in the catalog. A view without a definition gets a discovered one. */
export async function ensureDefinition(
  sql: Sql,
  { schema, name }: QualifiedName,
): Promise<DefinitionDefaults> {
  const found = await findDefaults(sql, { schema, name })
  if (found !== undefined) return found
  await sql`
    insert into viewkeeper.definitions as d (schema_name, name, source) values (${schema}, ${name}, 'discovered')
    on conflict (schema_name, name) do update set ${sql.unsafe(meetAgain)} where d.removed_at is not null`
  // Somebody may have deleted it at once.
  return ensureDefinition(sql, { schema, name })
}

/** The id of a view's definition, also of a removed one, whose history can still be read. Undefined if there is none. */
export async function findDefinitionId(
  sql: Sql,
  { schema, name }: QualifiedName,
): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    select id from viewkeeper.definitions where schema_name = ${schema} and name = ${name}`
  return row?.id
}

/** The names of all definitions, also of removed ones. */
export const readDefinitionNames = (sql: Sql): Promise<(QualifiedName & { id: number })[]> =>
  sql<(QualifiedName & { id: number })[]>`select id, schema_name as schema, name from viewkeeper.definitions`

/** A definition to create a view from; `sql` is null if nobody has authored the view. */
/** The authored views that a batch of all views includes and that are neither in the catalog nor set aside, as SQL writes them. */
export async function readMissingNames(sql: Sql): Promise<string[]> {
  const aside = new Set((await listAside(sql)).map(quoteName))
  const rows = await sql<(QualifiedName & { view: string })[]>`
    select d.schema_name as schema, d.name, format('%I.%I', d.schema_name, d.name) as view from viewkeeper.definitions d
     where d.source = 'authored' and d.removed_at is null and d.in_all and d.paused_at is null
       and not exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                        where n.nspname = d.schema_name and c.relname = d.name and c.relkind = 'm') order by 3`
  return rows.filter((row) => !aside.has(quoteName(row))).map(({ view }) => view)
}

export interface CreatableDefinition
  extends DefinitionDefaults,
    Omit<ViewDefinition, 'sql'>,
    Pick<Definition, 'owner'> {
  sql: string | null
}

/** The definition of a view; undefined if there is none. */
export async function readDefinition(
  sql: Sql,
  { schema, name }: QualifiedName,
): Promise<CreatableDefinition | undefined> {
  const [row] = await sql<CreatableDefinition[]>`
    select ${sql.unsafe(`${defaultsColumns}, ${selected('sql', 'indexes', 'comment', 'grants', 'owner')}`)},
           d.schema_name as schema, d.name
      from viewkeeper.definitions d where d.schema_name = ${schema} and d.name = ${name} and d.removed_at is null`
  return row
}

/**
 * The queries of these views as authors wrote them for the search path of our login, by `quoteName`; none if there is no schema `viewkeeper`, or if the login
 * may not read it.
 */
export async function readAuthoredQueries(sql: Sql, views: QualifiedName[]): Promise<Map<string, string>> {
  if (!(await mayUse(sql, 'select', 'definitions'))) return new Map()
  const asked = views.map(({ schema, name }) => ({ schema, name }))
  const rows = await sql<{ schema: string; name: string; sql: string }[]>`
    select d.schema_name as schema, d.name, d.sql from viewkeeper.definitions d
      join jsonb_to_recordset(${sql.json(asked)}) as x(schema text, name text) on x.schema = d.schema_name and x.name = d.name
     where d.source = 'authored' and d.sql is not null and d.removed_at is null and not d.settings ? 'search_path'`
  return new Map(rows.map((row) => [quoteName(row), row.sql]))
}

/** The paused views among these; none if there is no schema `viewkeeper`, or if the login may not read it. */
export async function findPaused(sql: Sql, views: QualifiedName[]): Promise<QualifiedName[]> {
  if (views.length === 0 || !(await mayUse(sql, 'select', 'definitions'))) return []
  const asked = views.map(({ schema, name }) => ({ schema, name }))
  return sql<QualifiedName[]>`
    select d.schema_name as schema, d.name from viewkeeper.definitions d
      join jsonb_to_recordset(${sql.json(asked)}) as x(schema text, name text) on x.schema = d.schema_name and x.name = d.name
     where d.paused_at is not null order by 1, 2`
}

/** The statement that writes an authored definition; for the transaction that changes the view. */
export function authorStatement({ schema, name, ...authored }: Definition, checksum: string): string {
  const own = {
    ...Object.fromEntries(fields.map((field) => [columnOf(field), authored[field]])),
    source: 'authored',
    checksum,
  }
  const columns = Object.keys(own)
  return `
insert into viewkeeper.definitions (schema_name, name, ${columns.join(', ')})
select schema_name, name, ${columns.join(', ')}
  from jsonb_populate_record(null::viewkeeper.definitions, ${literal(JSON.stringify({ schema_name: schema, name, ...own }))})
on conflict (schema_name, name) do update
   set (${columns.join(', ')}, removed_at, updated_at)
     = (${columns.map((column) => `excluded.${column}`).join(', ')}, null, clock_timestamp())`
}

/** The statement that marks a definition as removed; its runs stay readable. */
export const removeStatement = ({ schema, name }: QualifiedName): string => `
update viewkeeper.definitions set removed_at = clock_timestamp(), updated_at = clock_timestamp()
 where schema_name = ${literal(schema)} and name = ${literal(name)}`

/** The statement that makes an authored definition a discovered one. The view stays. */
export const releaseStatement = ({ schema, name }: QualifiedName): string => `
update viewkeeper.definitions set ${asDiscovered}
 where schema_name = ${literal(schema)} and name = ${literal(name)}`

/**
 * The statement that gives a definition the view's new name; the definition keeps its runs and fields. If the
 * new name has a definition already, whose runs belong to another view, the old definition is only marked as
 * removed.
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
