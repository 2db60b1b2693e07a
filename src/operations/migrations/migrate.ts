import {
  type JournalEntry,
  readViewJournal,
  standingOf,
  withMigrationLock,
} from '../../db/migrations/journal.ts'
import { runPlainSql } from '../../db/migrations/own-sql.ts'
import { closeLostRuns } from '../../db/runs/lost-runs.ts'
import { findRunningRun } from '../../db/runs/runs.ts'
import { type Database, type Sql, withTransaction } from '../../db/server/connect.ts'
import { findDefinitionId } from '../../db/views/definitions.ts'
import type { FrozenMigration, FrozenText } from '../../plan/migrations/frozen.ts'
import { type FrozenChange, type ViewChange, viewBefore } from '../../plan/migrations/frozen.ts'
import type { QualifiedName } from '../../plan/names.ts'
import type { Trigger } from '../../plan/run.ts'
import { Problem } from '../../problem.ts'
import { performRun } from '../runs/perform.ts'
import { skipped } from '../runs/record.ts'
import type { Result } from '../runs/result.ts'
import { waitForRun } from '../runs/wait.ts'
import { failed, runFailed } from './failures.ts'
import { type Change, type PlannedChange, planChange } from './plan.ts'
import { recordStatements, withRecord } from './record.ts'

/** Who migrates the views of a database, and how. */
export interface MigrateCall {
  database: Database
  trigger: Extract<Trigger, 'deploy' | 'cli'>
  requestedBy: string
  /** Epoch milliseconds until when the caller stays; what takes longer goes on in the server. */
  waitUntil: number
  /** Whether views that are new are filled. */
  withData: boolean
  /** Hears of each migration when it is done. */
  onDone?: (done: MigrationDone) => void
}

/** What became of one migration. */
export interface MigrationDone {
  name: string
  way: 'up' | 'down'
  /** `sql` where it was somebody's own; null where the database was like that already. */
  does: Change | 'sql' | null
  runId: number | null
  durationMs: number | null
}

/**
 * Applies the migrations that the database lacks, in order. Each commits together with its journal row and the view's
 * definition, or leaves everything as it was. Refused, with nothing done: what readFrozenMigrations and standingOf
 * refuse, a database among it that is ahead of a folder with something new for it.
 */
export const migrateUp = (
  call: MigrateCall,
  migrations: FrozenMigration[],
): Promise<{ applied: MigrationDone[]; ahead: string[] }> =>
  withMigrationLock(call, async (sql) => {
    const { pending, ahead } = standingOf(migrations, await readViewJournal(sql))
    const applied: MigrationDone[] = []
    for (const migration of pending) {
      const done = await bring(sql, call, migrations, migration, 'up')
      call.onDone?.(done)
      applied.push(done)
    }
    return { applied, ahead: ahead.map(({ name }) => name) }
  })

/** Undoes the last migrations that the database has, newest first. */
export const migrateDown = (
  call: MigrateCall,
  migrations: FrozenMigration[],
  count: number,
): Promise<{ undone: MigrationDone[] }> =>
  withMigrationLock(call, async (sql) => {
    const { applied, ahead } = standingOf(migrations, await readViewJournal(sql))
    if (ahead.length > 0) throw isAhead(ahead.map(({ name }) => name))
    const undone: MigrationDone[] = []
    for (const { number } of applied.toReversed().slice(0, count)) {
      const done = await bring(sql, call, migrations, migrations[number - 1] as FrozenMigration, 'down')
      call.onDone?.(done)
      undone.push(done)
    }
    return { undone }
  })

/** How the folder and the database stand to each other. */
export interface MigrationStatus {
  applied: JournalEntry[]
  pending: string[]
  ahead: string[]
}

/** Which migrations the database has, lacks, and has beyond the folder. Refuses what standingOf refuses. */
export const migrationStatus = (
  database: Database,
  migrations: FrozenMigration[],
): Promise<MigrationStatus> =>
  database.withConnection(async (sql) => {
    const { applied, pending, ahead } = standingOf(migrations, await readViewJournal(sql))
    return { applied, pending: pending.map(({ name }) => name), ahead: ahead.map(({ name }) => name) }
  })

/** The refusal of a folder that lacks what the database has. */
export const isAhead = (names: string[]): Problem =>
  new Problem(
    'MigrationFailed',
    `migrations/: this database is ahead: it has ${names.join(', ')}, and the folder does not. Get the folder up to date first.`,
  )

async function bring(
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
    await runPlainSql(sql, to, record)
    return { name, way, does: 'sql', ...noRun }
  }
  const from = back?.change ?? null
  const brought = await bringView(sql, call, { migration, way, from, to, change, record })
  return { name, way, ...(brought ?? { does: null, ...noRun }) }
}

const noRun = { runId: null, durationMs: null }

/** A migration of a view in one direction. */
interface ViewMigration {
  migration: FrozenMigration
  way: 'up' | 'down'
  /** The change that leads back. */
  from: FrozenChange | null
  to: FrozenText
  change: ViewChange
  /** What says that it is done: for the transaction that does it. */
  record: string[]
}

const mostTries = 5

/** Plans and runs until nobody is in the way; null where the database is like that already. */
async function bringView(
  sql: Sql,
  call: MigrateCall,
  asked: ViewMigration,
): Promise<Pick<MigrationDone, 'does' | 'runId' | 'durationMs'> | null> {
  const { migration, way, from, to, change, record } = asked
  const plan = () => planChange(sql, from, change, { withData: call.withData, deadline: call.waitUntil })
  for (let tries = 1; ; tries++) {
    await untilIdle(sql, call, migration, viewBefore(change))
    if ((await isJournaled(sql, migration)) === (way === 'up')) return null
    const first = await plan().catch((error) => {
      throw failed(to, error)
    })
    if (first === null) {
      await withTransaction(sql, async (part) => {
        for (const text of record) await part.unsafe(text)
      })
      return null
    }
    const { status, runId, response, error } = await runChange(sql, call, asked, first, plan)
    if (status === 'running') throw goesOn(migration, runId)
    if (error === undefined) return { does: first.does, runId, durationMs: response.durationMs }
    // Somebody else was at the view, or at this very migration: look again at how things are now.
    if (!['AlreadyRunning', 'CatalogChanged', 'RunLost'].includes(error.class) || tries === mostTries) {
      throw runFailed(to, runId, error)
    }
  }
}

/** One run of a change as it was planned `first`; where it is planned once more, as `plan` says then. */
async function runChange(
  sql: Sql,
  call: MigrateCall,
  { migration, way, change, record }: ViewMigration,
  first: PlannedChange,
  plan: () => Promise<PlannedChange | null>,
): Promise<Result> {
  const { trigger, requestedBy } = call
  const asked = { trigger, requestedBy, caller: requestedBy, idempotencyKey: null }
  const view = viewBefore(change)
  const run = {
    ...asked,
    ...view,
    definitionId: (await findDefinitionId(sql, view)) ?? null,
    operation: first.does === 'drop' ? ('drop' as const) : ('create' as const),
    request: { migration: migration.name, way },
  }
  let planned: PlannedChange | null = first
  return performRun(sql, { ...call, ...asked }, run, async () => {
    const work = planned ?? (await plan())
    planned = null
    if (work === null) return skipped(`${migration.name} finds it done`)
    return {
      ...work,
      plan: withRecord(work.plan, record),
      response: { because: `${migration.name}.${way}` },
    }
  })
}

/** Waits for a run of the view that is going on: a refresh, or this migration, begun by a deploy that has left. */
async function untilIdle(
  sql: Sql,
  call: MigrateCall,
  migration: FrozenMigration,
  view: QualifiedName,
): Promise<void> {
  await closeLostRuns(sql, view)
  const runId = await findRunningRun(sql, view)
  if (runId === undefined) return
  await waitForRun(sql, runId, call.waitUntil)
  if ((await findRunningRun(sql, view)) === runId) throw goesOn(migration, runId)
}

const goesOn = ({ name }: FrozenMigration, runId: number): Problem =>
  new Problem(
    'MigrationRunning',
    `migrations/${name}: run ${runId} is still going on in the server, and will end by itself. When it has (GET /runs/${runId}), ` +
      'deploy again, which finds it done.',
    { runId },
  )

async function isJournaled(sql: Sql, { number }: FrozenMigration): Promise<boolean> {
  return (await sql`select from viewkeeper.migrations where number = ${number}`).length > 0
}
