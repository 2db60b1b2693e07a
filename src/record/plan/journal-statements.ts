import { literal } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import type { QualifiedName } from '../../words/names.ts'

// Statements that change the record in the transaction of what they tell of, and those that people are to type.

/** One frozen migration that the database has. */
export interface JournalEntry {
  number: number
  name: string
  checksum: string
  runId: number | null
  appliedAt: Date
}

type Journaled = Pick<JournalEntry, 'number' | 'name' | 'checksum'>

/**
 * The statement that adds a migration to the journal, or removes it; for the transaction of its change. In a
 * run, the row names the run.
 */
export const journalStatement = ({ number, name, checksum }: Journaled, way: 'up' | 'down'): string =>
  way === 'up'
    ? `insert into viewkeeper.migrations (number, name, checksum, run_id)
values (${number}, ${literal(name)}, ${literal(checksum)}, nullif(current_setting('viewkeeper.run', true), '')::bigint)`
    : `delete from viewkeeper.migrations where number = ${number}`

/**
 * The statement that links the run to its definition, which may be written after the run. Does nothing
 * outside a run.
 */
export const adoptRunStatement = ({ schema, name }: QualifiedName): string => `
update viewkeeper.runs
   set definition_id = (select id from viewkeeper.definitions where schema_name = ${literal(schema)} and name = ${literal(name)})
 where id = nullif(current_setting('viewkeeper.run', true), '')::bigint`

/** What comes before and after statements that alter a view, an OID, under a lock that keeps others from its rows, and write none: its age stays known. */
export function keepingAge({ oid, schema, name }: QualifiedName & { oid: number }): [Statement, Statement] {
  const hidden = (sql: string) => ({ kind: 'command', phase: 'exchange', sql, hidden: true }) as const
  return [
    hidden(`select set_config('viewkeeper.filled', viewkeeper.filling(${oid}), true)`),
    hidden(`update viewkeeper.runs r set filled = viewkeeper.filling(${oid})
  from viewkeeper.definitions d cross join lateral viewkeeper.last_success(d.id) last(id)
 where d.schema_name = ${literal(schema)} and d.name = ${literal(name)} and r.id = last.id and r.filled = current_setting('viewkeeper.filled')`),
  ]
}

/** For people: writes down that the database was changed as a migration says. */
export const toJournal = ({ number, name, checksum }: Journaled): string =>
  `insert into viewkeeper.migrations (number, name, checksum) values (${number}, '${name}', '${checksum}');`

/** Marks a definition that nobody has authored as removed. */
export const markRemoved = (definitionId: number): Statement => ({
  kind: 'command',
  phase: 'exchange',
  sql: `update viewkeeper.definitions set removed_at = clock_timestamp(), updated_at = clock_timestamp() where id = ${definitionId} and source = 'discovered'`,
  hidden: true,
})
