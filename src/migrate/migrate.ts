import { Problem } from '../problem.ts'
import type { Database, Sql } from '../server/connect.ts'
import { displayName } from '../sql/names.ts'
import type { MigrateCall, MigrationDone } from './call.ts'
import { mayReadJournal, readViewJournal, withMigrationLock } from './db/journal.ts'
import { readMissing } from './db/missing.ts'
import type { migrateOne } from './migrate-one.ts'
import type { FrozenMigration } from './plan/frozen.ts'
import { compareJournal, type JournalEntry } from './plan/journal.ts'

/**
 * Applies the migrations that the database lacks, in order. Each commits together with its journal row and
 * the view's definition, or leaves everything as it was. Refuses what compareJournal refuses, before anything is
 * done: for example, a database that is ahead of a folder which has pending migrations.
 */
export const migrateUp = (
  call: MigrateCall,
  migrations: FrozenMigration[],
): Promise<{ applied: MigrationDone[]; ahead: string[] }> =>
  withMigrationLock(call, async (sql) => {
    const { pending, ahead } = compareJournal(migrations, await readViewJournal(sql))
    const applied: MigrationDone[] = []
    for (const migration of pending) {
      const done = await executeOne(sql, call, migrations, migration, 'up')
      call.onDone?.(done)
      applied.push(done)
    }
    return { applied, ahead: ahead.map(({ name }) => name) }
  })

/** Undoes the last `count` migrations of the database, newest first. */
export const migrateDown = (
  call: MigrateCall,
  migrations: FrozenMigration[],
  count: number,
): Promise<{ undone: MigrationDone[] }> =>
  withMigrationLock(call, async (sql) => {
    const { applied, ahead } = compareJournal(migrations, await readViewJournal(sql))
    if (ahead.length > 0) throw isAhead(ahead.map(({ name }) => name))
    const undone: MigrationDone[] = []
    const byNumber = new Map(migrations.map((migration) => [migration.number, migration]))
    for (const { number } of applied.toReversed().slice(0, count)) {
      const done = await executeOne(sql, call, migrations, byNumber.get(number) as FrozenMigration, 'down')
      call.onDone?.(done)
      undone.push(done)
    }
    return { undone }
  })

/** How the folder and the database differ. */
export interface MigrationStatus {
  applied: JournalEntry[]
  pending: string[]
  ahead: string[]
  /** Views that the applied migrations have made, and that somebody has dropped. */
  missing: MissingView[]
}

/** A view that is frozen but not in the database. */
export interface MissingView {
  view: string
  /** The migration that says how the view is. */
  migration: string
  /** Why the view could not be made again; null if nobody has tried. */
  because: string | null
}

/**
 * The migrations that the database has, lacks, and has beyond the folder, and its missing views. Refuses as compareJournal does.
 */
export const migrationStatus = (
  database: Database,
  migrations: FrozenMigration[],
): Promise<MigrationStatus> =>
  database.withConnection(async (sql) => {
    const { applied, pending, ahead } = compareJournal(migrations, await readViewJournal(sql))
    return {
      applied,
      pending: pending.map(({ name }) => name),
      ahead: ahead.map(({ name }) => name),
      missing: await missingViews(sql, migrations),
    }
  })

/** The same, or null if the login may not read which migrations the database has. */
export const readableStatus = async (
  database: Database,
  migrations: FrozenMigration[],
): Promise<MigrationStatus | null> =>
  (await database.withConnection(mayReadJournal)) ? migrationStatus(database, migrations) : null

/** The views that the applied migrations have made, and that are not in the database. */
export const missingViews = async (sql: Sql, migrations: FrozenMigration[]): Promise<MissingView[]> =>
  (await readMissing(sql, migrations)).missing.map(({ definition, migration }) => ({
    view: displayName(definition),
    migration: migration.name,
    because: null,
  }))

/** The refusal of a folder that lacks migrations which the database has. */
export const isAhead = (names: string[]): Problem =>
  new Problem(
    'MigrationFailed',
    `migrations/: this database is ahead: it has ${names.join(', ')}, and the folder does not. Merge the branch that has them, ` +
      `or check out that branch and run: npx viewkeeper migrate down ${names.length}`,
  )

/** A call without a migration to execute does not load what this needs: a fifth of the function. */
const executeOne = async (...given: Parameters<typeof migrateOne>) =>
  (await import('./migrate-one.ts')).migrateOne(...given)
