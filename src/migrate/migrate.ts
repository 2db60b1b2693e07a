import { mayReadJournal, readViewJournal } from '../record/definitions/authored.ts'
import type { JournalEntry } from '../record/plan/journal-statements.ts'
import type { Database, Sql } from '../server/database.ts'
import { displayName } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import type { MigrateCall, MigrationDone, MissingView, migrateOne, repairViews } from './apply-migrations.ts'
import { readMissing, whileOnlyOneMigrates } from './db/journal.ts'
import type { FrozenMigration } from './plan/frozen.ts'
import { compareJournal, insistOnOwnFolder } from './plan/journal.ts'

/**
 * Applies the migrations that the database lacks, in order. Each commits together with its journal row and
 * the view's definition, or leaves everything as it was. Refuses what compareJournal refuses, before anything is
 * done: for example, a database that is ahead of a folder which has pending migrations.
 */
export const migrateUp = (
  call: MigrateCall,
  migrations: FrozenMigration[],
): Promise<{ applied: MigrationDone[]; ahead: string[] }> =>
  whileOnlyOneMigrates(call, async (sql) => {
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
  whileOnlyOneMigrates(call, async (sql) => {
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
  (await import('./apply-migrations.ts')).migrateOne(...given)

/** What `migrate up` has done. */
export interface BroughtUp {
  applied: MigrationDone[]
  ahead: string[]
  repaired: MigrationDone[]
  /** Views that somebody has dropped, and that are not made again. */
  missing: MissingView[]
}

/**
 * Applies the migrations that the database lacks, and says which views are missing. With `repair` the missing views are
 * made again before; and after, if they need what a migration makes. A failure that a missing view may have caused names
 * the missing views; one that a plain view may have caused that `adopt` left out says so.
 */
export async function bringUp(
  call: MigrateCall,
  migrations: FrozenMigration[],
  { repair = false }: { repair?: boolean | undefined } = {},
): Promise<BroughtUp> {
  const findMissing = () => call.database.withConnection((sql) => missingViews(sql, migrations))
  const before = repair ? await repairMissing(call, migrations) : null
  const { applied, ahead } = await migrateUp(call, migrations).catch(async (error) => {
    throw namingMissing(error, before?.missing ?? (await findMissing()))
  })
  if (before === null) return { applied, ahead, repaired: [], missing: await findMissing() }
  if (applied.length === 0) return { applied, ahead, ...before }
  const { repaired, missing } = await repairMissing(call, migrations)
  return { applied, ahead, repaired: [...before.repaired, ...repaired], missing }
}

/** A relation or a function is missing: undefined_table, undefined_function. */
const isMissing = new Set(['42P01', '42883'])

/** The failure of a migration, with the missing views, if one of them may be the cause. */
function namingMissing(error: unknown, missing: MissingView[]): unknown {
  if (!(error instanceof Problem) || error.code !== 'MigrationFailed') return error
  const { cause } = error
  const lacks =
    isMissing.has(error.details.sqlstate ?? '') || (cause instanceof Problem && cause.code === 'UnknownView')
  if (!lacks) return error
  if (missing.length === 0) return error.details.sqlstate === '42P01' ? namingLeftOut(error) : error
  const names = missing.map(({ view, migration }) => `${view} (${migration})`).join(', ')
  return new Problem(
    error.code,
    `${error.message} These views were frozen and are missing: ${names}. \`npx viewkeeper migrate up --repair\` makes them again.`,
    { ...error.details, cause },
  )
}

/** The failure of a migration that reads what no migration makes. */
const namingLeftOut = ({ code, message, details, cause }: Problem): Problem =>
  new Problem(
    code,
    `${message} If it is a plain view that \`adopt\` left out of the migrations, create it here first, or adopt it with --trust and its owner.`,
    { ...details, cause },
  )

const repairMissing = async (...given: Parameters<typeof repairViews>) =>
  (await import('./apply-migrations.ts')).repairViews(...given)

/**
 * Refuses (MigrationFailed) a database that was migrated from another folder, before anything is written. A login
 * that may not read which migrations the database has is not refused: it writes nothing.
 */
export const refuseOtherFolders = (database: Database, migrations: FrozenMigration[]): Promise<void> =>
  database.withConnection(async (sql) => {
    if (await mayReadJournal(sql)) insistOnOwnFolder(migrations, await readViewJournal(sql))
  })
