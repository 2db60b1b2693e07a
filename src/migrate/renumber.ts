import { Problem } from '../problem.ts'
import type { Database } from '../server/connect.ts'
import { readViewJournal } from './db/journal.ts'
import type { FrozenMigration } from './plan/frozen.ts'
import type { JournalEntry } from './plan/journal.ts'

/**
 * The names of the migrations that a database lacks, to be renumbered. Refuses (InvalidRequest) a database that has none
 * of two migrations with one number.
 */
export async function readLater(database: Database, migrations: FrozenMigration[]): Promise<string[]> {
  const journal = await readJournal(database)
  const later = migrations.filter((migration) => !journal.some(isEntryOf(migration)))
  for (const [at, { number, name }] of later.entries()) {
    const before = later[at - 1]
    if (before?.number !== number) continue
    throw refused(
      `this database has neither ${before.name} nor ${name}. Name all migrations that only your branch has: ` +
        `npx viewkeeper migrate renumber ${name}`,
    )
  }
  return later.map(({ name }) => name)
}

/** Refuses (InvalidRequest) to renumber what a database has. */
export async function insistOnLacking(database: Database, later: FrozenMigration[]): Promise<void> {
  const journal = await readJournal(database)
  const applied = later.find((migration) => journal.some(isEntryOf(migration)))
  if (applied === undefined) return
  const count = journal.filter(({ number }) => number >= applied.number).length
  throw refused(
    `this database has ${applied.name}, so that keeps its number here. If the database is your own, check out your branch as it was ` +
      `before the merge, run "npx viewkeeper migrate down ${count}" there, and renumber after that`,
  )
}

const readJournal = (database: Database): Promise<JournalEntry[]> =>
  database.withConnection((sql) => readViewJournal(sql))

const isEntryOf =
  ({ name, checksum }: FrozenMigration) =>
  (entry: JournalEntry): boolean =>
    entry.name === name && entry.checksum === checksum

const refused = (message: string): Problem =>
  new Problem('InvalidRequest', `migrations/: ${message}.`, { field: 'migration' })
