import { findRunningRun } from '../catalog/db/running-run.ts'
import { Problem } from '../problem.ts'
import { waitForRun } from '../run/answer.ts'
import { closeLostRuns } from '../run/db/life.ts'
import { readRunStatus } from '../run/db/runs.ts'
import { type Sql, withTransaction } from '../server/connect.ts'
import { executeRecord, runPlainSql } from '../set-aside/db/own-sql.ts'
import { withoutReadersOf } from '../set-aside/without-readers.ts'
import type { QualifiedName } from '../sql/names.ts'
import type { MigrateCall, MigrationDone } from './call.ts'
import { isJournaled } from './db/journal.ts'
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
import { planFrozen } from './plan.ts'
import { recordStatements } from './record.ts'
import { runChange } from './run-change.ts'

/** Executes one migration in one direction, together with its journal row. */
export async function migrateOne(
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
