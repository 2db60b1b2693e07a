import type { Checks } from '../../catalog/plan/checks.ts'
import { type Definition, definitionDefaults, type Strategy } from '../../catalog/plan/definition.ts'
import type { Sql } from '../../server/database.ts'
import { skipsUnchanged } from '../../sql/settings.ts'
import type { QualifiedName } from '../../words/names.ts'

/** The definition's values for fields that a request leaves open. */
export interface DefinitionDefaults {
  id: number
  strategy: Strategy
  timeoutSeconds: number
  /** Session settings for the view's operations. */
  settings: Record<string, unknown>
  checks: Checks
  /** Whether it has to have a change log. */
  slices: Definition['slices']
  paused: boolean
  /** Whether the counters of what the view reads are noted, to leave out the next refresh if they have not moved. */
  skipsUnchanged: boolean
}

type Field = Exclude<keyof Definition, keyof QualifiedName>

/** The fields that an author writes. */
export const fields = ['sql', ...Object.keys(definitionDefaults)].filter(
  (field) => field !== 'schema',
) as Field[]

/** The column of a field: its name in snake case. */
export const columnOf = (field: Field): string =>
  field === 'strategy'
    ? 'refresh_strategy'
    : field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

export const selected = (...some: Field[]): string =>
  some.map((field) => `d.${columnOf(field)} as "${field}"`).join(', ')

/** The columns of DefinitionDefaults, for a `select` from `viewkeeper.definitions d`. */
export const defaultsColumns = `d.id, d.paused_at is not null as paused, ${skipsUnchanged} as "skipsUnchanged",
           ${selected('strategy', 'timeoutSeconds', 'settings', 'checks', 'slices')}`

/** Resets what an author wrote: the definition becomes a discovered one. */
export const asDiscovered = `${fields.map((field) => `${columnOf(field)} = default`).join(', ')},
  source = 'discovered', updated_at = clock_timestamp()`

/**
 * Reuses a removed definition, which belonged to another view of that name: the definition becomes a
 * discovered one.
 */
export const meetAgain = `${asDiscovered}, removed_at = null, paused_at = null, given_by = null`

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
