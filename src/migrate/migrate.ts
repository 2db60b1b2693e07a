import { findRunningRun } from '../catalog/db/running-run.ts'
import type { Trigger } from '../catalog/plan/run.ts'
import { Problem } from '../problem.ts'
import { readRunStatus } from '../run/db/runs.ts'
import { closeLostRuns } from '../run/life/lose.ts'
import { waitForRun } from '../run/wait.ts'
import { type Database, type Sql, withTransaction } from '../server/connect.ts'
import { executeRecord, runPlainSql } from '../set-aside/db/own-sql.ts'
import { withoutReadersOf } from '../set-aside/without-readers.ts'
import { displayName, type QualifiedName } from '../sql/names.ts'
import { isJournaled, mayReadJournal, readViewJournal, withMigrationLock } from './db/journal.ts'
import { readMissing } from './db/missing.ts'
import { failed, runFailed } from './failures.ts'
import {
  type FrozenChange,
  type FrozenMigration,
  type FrozenText,
  type Together,
  type ViewChange,
  viewBefore,
  viewChangesOf,
} from './plan/frozen.ts'
import { compareJournal, type JournalEntry } from './plan/journal.ts'
import { type Change, planFrozen } from './plan.ts'
import { recordStatements } from './record.ts'
import { runChange } from './run-change.ts'

/** Who migrates the views of a database, how, and how long they wait. */
export interface MigrateCall {
  database: Database
  trigger: Extract<Trigger, 'deploy' | 'cli'>
  requestedBy: string
  /** The caller waits until then (epoch milliseconds). What takes longer goes on in the server. */
  waitUntil: number
  /** Whether new views are filled. */
  withData: boolean
  /** Called after each migration. */
  onDone?: (done: MigrationDone) => void
}

/** The result of one migration, or of the repair of one view. */
export interface MigrationDone {
  /** The migration's name; the view's, if `way` is `repair`. */
  name: string
  way: 'up' | 'down' | 'repair'
  /** `sql` for own SQL; null if the database had that state already, or a later migration drops a view that cannot be made. */
  does: Change | 'sql' | null
  runId: number | null
  durationMs: number | null
}

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
      const done = await migrateOne(sql, call, migrations, migration, 'up')
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
      const done = await migrateOne(sql, call, migrations, byNumber.get(number) as FrozenMigration, 'down')
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

async function migrateOne(
  sql: Sql,
  call: MigrateCall,
  migrations: FrozenMigration[],
  migration: FrozenMigration,
  way: 'up' | 'down',
): Promise<MigrationDone> {
  const { name } = migration
  const [to, back] = way === 'up' ? [migration.up, migration.down] : [migration.down, migration.up]
  if (to === null) {
    throw new Problem('MigrationFailed', `migrations/${name} has no way back: there is no ${name}.down.sql.`)
  }
  const record = recordStatements(migrations, migration, way)
  const { change } = to
  if (change.does === 'sql') {
    const { withData, trigger, requestedBy } = call
    const madeBy = { trigger, requestedBy, request: { migration: name, way }, because: `${name}.${way}` }
    await runPlainSql(sql, to, record, 'applied', await withoutReadersOf(change, { withData, madeBy }))
    return { name, way, does: 'sql', ...noRun }
  }
  const from = back?.change ?? null
  const later = way === 'up' ? migrations.filter(({ number }) => number > migration.number) : []
  const done = await migrateView(sql, call, { migration, way, from, to, change, later, record })
  return { name, way, ...(done ?? { does: null, ...noRun }) }
}

const noRun = { runId: null, durationMs: null }

/** A migration of a view in one direction. */
interface ViewMigration {
  migration: FrozenMigration
  way: 'up' | 'down'
  /** The change of the migration in the other direction. */
  from: FrozenChange | null
  to: FrozenText
  change: ViewChange | Together
  /** The migrations that follow. */
  later: FrozenMigration[]
  /** The statements that record the migration, in the transaction of its change. */
  record: string[]
}

const mostTries = 5

/** Plans and runs the change, again if another run is in the way. Null if nothing is to be changed. */
async function migrateView(
  sql: Sql,
  call: MigrateCall,
  { migration, way, from, to, change, later, record }: ViewMigration,
): Promise<Pick<MigrationDone, 'does' | 'runId' | 'durationMs'> | null> {
  const options = { withData: call.withData, deadline: call.waitUntil }
  const plan = () => planFrozen(sql, { from, to: change, later }, options)
  for (let tries = 1; ; tries++) {
    await untilIdle(sql, call, migration, leadOf(change))
    if ((await isJournaled(sql, migration)) === (way === 'up')) return null
    const first = await plan().catch((error) => {
      throw failed(to, error)
    })
    if (first === null) {
      await withTransaction(sql, (transaction) => executeRecord(transaction, record))
      return null
    }
    const wanted = { migration: migration.name, way, view: leadOf(change), record }
    const { status, runId, response, error } = await runChange(sql, call, wanted, first, plan)
    if (status === 'running') throw goesOn(migration, runId)
    if (error === undefined) return { does: first.does, runId, durationMs: response.durationMs }
    // Another run changed the view, or did this very migration: look at the database again.
    if (!['AlreadyRunning', 'CatalogChanged', 'RunLost'].includes(error.class) || tries === mostTries) {
      throw runFailed(to, runId, error)
    }
    if (error.runningRunId !== undefined) await untilEnded(sql, call, migration, error.runningRunId)
  }
}

/** The view whose run makes the change. */
const leadOf = (change: ViewChange | Together): QualifiedName =>
  viewBefore(viewChangesOf(change)[0] as ViewChange)

/** Waits for the view's running run: a refresh, or this migration, begun by an earlier deploy. */
async function untilIdle(
  sql: Sql,
  call: MigrateCall,
  migration: FrozenMigration,
  view: QualifiedName,
): Promise<void> {
  await closeLostRuns(sql, view)
  const runId = await findRunningRun(sql, view)
  if (runId !== undefined) await untilEnded(sql, call, migration, runId)
}

/** Waits for a run of the view, or of a view that is changed together with it. */
async function untilEnded(
  sql: Sql,
  call: MigrateCall,
  migration: FrozenMigration,
  runId: number,
): Promise<void> {
  await waitForRun(sql, runId, call.waitUntil)
  if ((await readRunStatus(sql, runId)) === 'running') throw goesOn(migration, runId)
}

const goesOn = ({ name }: FrozenMigration, runId: number): Problem =>
  new Problem(
    'MigrationRunning',
    `migrations/${name}: run ${runId} is still going on in the server, and will end by itself. Deploy again ` +
      `when it has ended (GET /runs/${runId}): that deploy finds the migration done.`,
    { runId },
  )
