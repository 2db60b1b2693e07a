import type { FrozenMigration } from '../../plan/migrations/frozen.ts'
import { literal } from '../../plan/names.ts'
import { Problem } from '../../problem.ts'
import type { Database, Sql } from '../server/connect.ts'
import { namingHolder, reservedKeys, runLockClass } from '../server/lock-keys.ts'

/** One frozen migration that the database has. */
export interface JournalEntry {
  number: number
  name: string
  checksum: string
  runId: number | null
  appliedAt: Date
}

/** The frozen migrations that the database has, in order; none where our own schema is not there yet. */
export async function readViewJournal(sql: Sql): Promise<JournalEntry[]> {
  const [row] = await sql`select to_regclass('viewkeeper.migrations') is not null as there`
  if (!row?.there) return []
  return sql<JournalEntry[]>`
    select number, name, checksum, run_id as "runId", applied_at as "appliedAt" from viewkeeper.migrations order by number`
}

/** How a folder stands to a database. */
export interface Standing {
  applied: JournalEntry[]
  pending: FrozenMigration[]
  /** What the database has and the folder does not. */
  ahead: JournalEntry[]
}

/**
 * Refuses (MigrationFailed) a folder of which this database, though migrated, has nothing: it was migrated from another one.
 * Where it has the same names, files were edited, and that is for standingOf to say.
 */
export function insistOnOwnFolder(migrations: FrozenMigration[], journal: JournalEntry[]): void {
  const byNumber = new Map(migrations.map((migration) => [migration.number, migration]))
  const isKnown = ({ number, name, checksum }: JournalEntry) =>
    byNumber.get(number)?.name === name && byNumber.get(number)?.checksum === checksum
  const hasName = ({ number, name }: JournalEntry) => byNumber.get(number)?.name === name
  if (journal.some(isKnown) || journal.every(hasName)) return
  const names = journal.slice(0, mostNamed).map(({ name }) => name)
  throw new Problem(
    'MigrationFailed',
    `migrations/: this database was migrated from another folder: it has ${[...names, ...(journal.length > mostNamed ? ['…'] : [])].join(', ')}. ` +
      'Work in that folder, or on a database of your own (that of `npm start` was migrated from local/demo).',
  )
}

const mostNamed = 3

/**
 * Compares the folder with the journal. Refuses (MigrationFailed), by name, what was edited or renamed after it had
 * been applied, a journal with a gap, and one of another folder. An empty folder is behind, like that of an older version.
 */
export function standingOf(migrations: FrozenMigration[], journal: JournalEntry[]): Standing {
  if (migrations.length > 0) insistOnOwnFolder(migrations, journal)
  const journaled = new Map(journal.map((entry) => [entry.number, entry]))
  for (const { number, name, checksum } of migrations) {
    const entry = journaled.get(number)
    if (entry === undefined) continue
    if (entry.name !== name) {
      throw new Problem(
        'MigrationFailed',
        `migrations/: this database has ${entry.name} where the folder has ${name}. Two branches have frozen number ${number}: freeze the later one again.`,
      )
    }
    if (entry.checksum !== checksum) {
      throw new Problem(
        'MigrationFailed',
        `migrations/${name} was edited after it had been applied to this database. Put it back as it was, and freeze the change.`,
      )
    }
  }
  const pending = migrations.filter(({ number }) => !journaled.has(number))
  const first = pending[0]
  const later = first && journal.find(({ number }) => number > first.number)
  if (first && later) {
    throw new Problem(
      'MigrationFailed',
      `migrations/: this database has ${later.name}, but not ${first.name}, which comes before it.`,
    )
  }
  const folder = new Set(migrations.map(({ number }) => number))
  return {
    applied: journal.filter(({ number }) => folder.has(number)),
    pending,
    ahead: journal.filter(({ number }) => !folder.has(number)),
  }
}

/** Writes a migration into the journal, or takes it out: part of the change's own transaction. In a run it says which. */
export const journalStatement = ({ number, name, checksum }: FrozenMigration, way: 'up' | 'down'): string =>
  way === 'up'
    ? `insert into viewkeeper.migrations (number, name, checksum, run_id)
values (${number}, ${literal(name)}, ${literal(checksum)}, nullif(current_setting('viewkeeper.run', true), '')::bigint)`
    : `delete from viewkeeper.migrations where number = ${number}`

/** As long as the caller waits, within these, for the lock and whatever a migration locks. */
const shortestLockMs = 1000
const longestLockMs = 60_000

/** Time kept for the record to be read and the answer to be given, after the caller's patience has ended. */
const lastWordsMs = 5000

/**
 * Works on a connection of its own while nobody else migrates the views of this database. The lock keeps two from
 * planning the same thing; that neither applies it twice is for the journal's primary key.
 */
export const withMigrationLock = <T>(
  { database, waitUntil }: { database: Database; waitUntil: number },
  work: (sql: Sql) => Promise<T>,
): Promise<T> =>
  database.withConnection(
    async (sql) => {
      const key = reservedKeys.viewMigration
      await namingHolder(
        sql,
        key,
        'whoever migrates the views of this database',
        () => sql`select pg_advisory_lock(${runLockClass}, ${key})`,
      )
      return work(sql)
    },
    {
      startUp: {
        application_name: 'viewkeeper migrate',
        statement_timeout: '0',
        lock_timeout: String(Math.min(longestLockMs, Math.max(waitUntil - Date.now(), shortestLockMs))),
      },
      deadline: waitUntil + lastWordsMs,
    },
  )
