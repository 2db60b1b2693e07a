import type { FrozenMigration } from '../../plan/migrations/frozen.ts'
import { literal, type QualifiedName } from '../../plan/names.ts'
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

/** Whether the login may read which migrations the database has. Who only reads the database's views may not. */
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

/** A folder of frozen migrations compared with the journal of a database. */
export interface Standing {
  applied: JournalEntry[]
  pending: FrozenMigration[]
  /** Migrations that the database has and the folder lacks. */
  ahead: JournalEntry[]
}

/**
 * Refuses (MigrationFailed) a folder if the database has migrations but none of this folder's: the database
 * was migrated from another folder. If all names agree, files were edited; standingOf refuses those.
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
    `migrations/: this database was migrated from another folder. The database has ${[...names, ...(journal.length > mostNamed ? ['...'] : [])].join(', ')}. ` +
      'Work in that folder, or on a database of your own. (The database of `npm start` was migrated from local/demo.)',
  )
}

const mostNamed = 3

/**
 * Compares the folder with the journal. Refuses (MigrationFailed), by name: a migration that was edited or renamed after
 * it had been applied, a gap in the journal, and the journal of another folder. An empty folder is no error: an older
 * version of the folder may lack migrations that the database has.
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
        `migrations/: this database has ${entry.name}, but the folder has ${name}. Two branches froze number ${number}: freeze the later one again.`,
      )
    }
    if (entry.checksum !== checksum) {
      throw new Problem(
        'MigrationFailed',
        `migrations/${name} was edited after it had been applied to this database. Restore the file, and freeze the change.`,
      )
    }
  }
  const pending = migrations.filter(({ number }) => !journaled.has(number))
  const first = pending[0]
  const later = first && journal.find(({ number }) => number > first.number)
  if (first && later) {
    throw new Problem(
      'MigrationFailed',
      `migrations/: this database has ${later.name}, but lacks the earlier ${first.name}.`,
    )
  }
  const folder = new Set(migrations.map(({ number }) => number))
  return {
    applied: journal.filter(({ number }) => folder.has(number)),
    pending,
    ahead: journal.filter(({ number }) => !folder.has(number)),
  }
}

/**
 * The statement that adds a migration to the journal, or removes it; for the transaction of its change. In a
 * run, the row names the run.
 */
export const journalStatement = ({ number, name, checksum }: FrozenMigration, way: 'up' | 'down'): string =>
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

/** Executes the statements that record a migration, in the transaction of the caller. */
export async function executeRecord(sql: Sql, record: string[]): Promise<void> {
  for (const statement of record) await sql.unsafe(statement)
}

/** Whether the database has a migration. */
export async function isJournaled(sql: Sql, { number }: FrozenMigration): Promise<boolean> {
  return (await sql`select from viewkeeper.migrations where number = ${number}`).length > 0
}

/** The bounds of `lock_timeout`. Within them, `lock_timeout` is the time that the caller waits. */
const shortestLockMs = 1000
const longestLockMs = 60_000

/** Time to read the record and to answer, after the caller's deadline. */
const lastWordsMs = 5000

/**
 * Works on a connection of its own while nobody else migrates the views of this database. The lock keeps two callers
 * from planning the same migration; the journal's primary key keeps them from applying a migration twice.
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
        "the migration of this database's views",
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
