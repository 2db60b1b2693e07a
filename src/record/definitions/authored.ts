import type { Definition, ViewDefinition } from '../../catalog/plan/definition.ts'
import type { Sql } from '../../server/database.ts'
import { mayUse } from '../../server/own-rights.ts'
import { literal, quoteName } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { JournalEntry } from '../plan/journal-statements.ts'
import {
  asDiscovered,
  columnOf,
  type DefinitionDefaults,
  defaultsColumns,
  fields,
  selected,
} from './definitions.ts'

export interface CreatableDefinition
  extends DefinitionDefaults,
    Omit<ViewDefinition, 'sql'>,
    Pick<Definition, 'owner' | 'storage'> {
  sql: string | null
}

/** The definition of a view; undefined if there is none. */
export async function readDefinition(
  sql: Sql,
  { schema, name }: QualifiedName,
): Promise<CreatableDefinition | undefined> {
  const [row] = await sql<CreatableDefinition[]>`
    select ${sql.unsafe(`${defaultsColumns}, ${selected('sql', 'indexes', 'comment', 'grants', 'owner', 'storage')}`)},
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
     where d.source = 'authored' and d.sql is not null and d.slices is null and d.storage <> 'table' and d.removed_at is null
       and not d.settings ? 'search_path'`
  return new Map(rows.map((row) => [quoteName(row), row.sql]))
}

/** The statement that writes an authored definition; for the transaction that changes the view. */
export function authorStatement({ schema, name, ...authored }: Definition): string {
  const own = {
    ...Object.fromEntries(fields.map((field) => [columnOf(field), authored[field]])),
    source: 'authored',
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

/** Whether the login may read which migrations the database has. A login that only reads the views may not. */
export async function mayReadJournal(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ may: boolean }[]>`
    select coalesce(bool_and(has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')), true) as may
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'viewkeeper' and c.relname = 'migrations'`
  return row?.may ?? true
}

/** The frozen migrations that the database has, in order; none if schema `viewkeeper` does not exist yet. */
export async function readViewJournal(sql: Sql): Promise<JournalEntry[]> {
  const [row] = await sql`select to_regclass('viewkeeper.migrations') is not null as there`
  if (!row?.there) return []
  return sql<JournalEntry[]>`
    select number, name, checksum, run_id as "runId", applied_at as "appliedAt" from viewkeeper.migrations order by number`
}

/** Whether the database has a migration. */
export async function isJournaled(sql: Sql, number: number): Promise<boolean> {
  return (await sql`select from viewkeeper.migrations where number = ${number}`).length > 0
}
