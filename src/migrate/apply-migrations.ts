import type { Definition } from '../catalog/plan/definition.ts'
import { StatementRefused } from '../rebuild/db/statements.ts'
import {
  authorStatement,
  isJournaled,
  releaseStatement,
  removeStatement,
  renameStatement,
} from '../record/definitions/authored.ts'
import { findDefinitionId } from '../record/definitions/definitions.ts'
import { findRunningRun } from '../record/definitions/look.ts'
import { adoptRunStatement, journalStatement } from '../record/plan/journal-statements.ts'
import { closeLostRuns } from '../record/runs/life.ts'
import { readRunStatus } from '../record/runs/runs.ts'
import { skipped } from '../record/runs/skip.ts'
import { type Call, deadlineOf, type Result, waitForRun } from '../run/call.ts'
import { type RunConnection, withRunConnection } from '../run/connections/run-connection.ts'
import { performRun } from '../run/execute.ts'
import type { Database, Sql } from '../server/database.ts'
import { problemOf, sqlstateOf } from '../server/failures.ts'
import { readFix } from '../server/own-rights.ts'
import { withTransaction } from '../server/transactions.ts'
import { executeRecord, runPlainSql } from '../set-aside/db/own-sql.ts'
import { withoutReadersOf } from '../set-aside/without-readers.ts'
import { quoteName, withoutShadowNames } from '../sql/names.ts'
import type { RunPlan, Statement } from '../sql/run-plan.ts'
import { displayName, type QualifiedName } from '../words/names.ts'
import { Problem, sentences } from '../words/problem.ts'
import type { Trigger } from '../words/run.ts'
import { readMissing, whileOnlyOneMigrates } from './db/journal.ts'
import { failed, runFailed, textOfRunError } from './migration-failures.ts'
import {
  definitionsOf,
  type FrozenMigration,
  type FrozenText,
  frozenState,
  type ViewChange,
  viewBefore,
  viewChangesOf,
} from './plan/frozen.ts'
import { declaredAmong, firstNeeded, isMadeAnyway, type LivingView } from './plan/journal.ts'
import type { Change, PlannedChange } from './plan/redefine.ts'
import { planChange, planFrozen, planQueryAgain } from './plan-change.ts'

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

const mostTries = 5

/** Executes one migration in one direction, together with its journal row; again if another run is in the way. */
export async function migrateOne(
  sql: Sql,
  call: MigrateCall,
  migrations: FrozenMigration[],
  migration: FrozenMigration,
  way: 'up' | 'down',
): Promise<MigrationDone> {
  const { name } = migration
  const { withData, trigger, requestedBy, waitUntil } = call
  const [to, back] = way === 'up' ? [migration.up, migration.down] : [migration.down, migration.up]
  if (to === null) {
    throw new Problem('MigrationFailed', `migrations/${name} has no way back: there is no ${name}.down.sql.`)
  }
  const record = recordStatements(migrations, migration, way)
  const done = (
    does: MigrationDone['does'],
    run: Pick<MigrationDone, 'runId' | 'durationMs'> = { runId: null, durationMs: null },
  ): MigrationDone => ({ name, way, does, ...run })
  const { change } = to
  if (change.does === 'sql') {
    const madeBy = { trigger, requestedBy, request: { migration: name, way }, because: `${name}.${way}` }
    await runPlainSql(sql, to, record, 'applied', await withoutReadersOf(change, { withData, madeBy }))
    return done('sql')
  }
  const later = way === 'up' ? migrations.filter(({ number }) => number > migration.number) : []
  const plan = () =>
    planFrozen(sql, { from: back?.change ?? null, to: change, later }, { withData, deadline: waitUntil })
  const view = viewBefore(viewChangesOf(change)[0] as ViewChange)
  for (let tries = 1; ; tries++) {
    // A refresh, or this migration, begun by an earlier deploy.
    await closeLostRuns(sql, view)
    await untilEnded(await findRunningRun(sql, view))
    if ((await isJournaled(sql, migration.number)) === (way === 'up')) return done(null)
    const first = await plan().catch((error) => {
      throw failed(to, error)
    })
    if (first === null) {
      await withTransaction(sql, (transaction) => executeRecord(transaction, record))
      return done(null)
    }
    const run = { migration: name, way, view, record }
    const { status, runId, response, error } = await runChange(sql, call, run, first, plan)
    if (status === 'running') throw goesOn(migration, runId)
    if (error === undefined) return done(first.does, { runId, durationMs: response.durationMs })
    // Another run changed the view, or did this very migration: look at the database again.
    if (!['AlreadyRunning', 'CatalogChanged', 'RunLost'].includes(error.class) || tries === mostTries) {
      throw runFailed(to, runId, error)
    }
    await untilEnded(error.runningRunId)
  }

  /** Waits for a run of the view, or of a view that is changed together with it. */
  async function untilEnded(runId: number | undefined): Promise<void> {
    if (runId === undefined) return
    await waitForRun(sql, runId, waitUntil)
    if ((await readRunStatus(sql, runId)) === 'running') throw goesOn(migration, runId)
  }
}

const goesOn = ({ name }: FrozenMigration, runId: number): Problem =>
  new Problem(
    'MigrationRunning',
    `migrations/${name}: run ${runId} is still going on in the server, and will end by itself. Deploy again ` +
      `when it has ended (GET /runs/${runId}): that deploy finds the migration done.`,
    { runId },
  )

/** A change of a view, or of several, as its run says it. */
interface RunOfChange {
  /** The name of the migration. */
  migration: string
  way: 'up' | 'down' | 'repair'
  /** The view whose run makes the change. */
  view: QualifiedName
  /** The statements that record the change, in its transaction. */
  record: string[]
}

/**
 * Makes a change in a run, with the plan `first`. `plan` plans the change again if needed: if then nothing is to be done any more, the
 * run is skipped.
 */
async function runChange(
  sql: Sql,
  call: Omit<Call, 'caller' | 'idempotencyKey'>,
  { migration, way, view: { schema, name }, record }: RunOfChange,
  first: PlannedChange | null,
  plan: () => Promise<PlannedChange | null>,
): Promise<Result> {
  const { trigger, requestedBy } = call
  const requested = { trigger, requestedBy, caller: requestedBy, idempotencyKey: null }
  const run = {
    ...requested,
    schema,
    name,
    definitionId: (await findDefinitionId(sql, { schema, name })) ?? null,
    operation: first?.does === 'drop' ? ('drop' as const) : ('create' as const),
    request: { migration, way },
  }
  let planned = first
  await closeLostRuns(sql, run)
  const perform = (connection: RunConnection) =>
    performRun(connection, { ...call, ...requested }, run, async () => {
      const work = planned ?? (await plan())
      planned = null
      if (work === null) return skipped(`${migration} was done meanwhile`)
      return { ...work, plan: withRecord(work.plan, record), response: { because: `${migration}.${way}` } }
    })
  // The connection of the deploy holds locks of its session, which no code of a view may have in its reach.
  return withRunConnection(call.database, perform, { deadline: deadlineOf(call) })
}

/** The statements that record a migration, in the transaction of its change. */
function recordStatements(
  migrations: FrozenMigration[],
  migration: FrozenMigration,
  way: 'up' | 'down',
): string[] {
  const { change } = (way === 'up' ? migration.up : migration.down) as FrozenText
  const journal = journalStatement(migration, way)
  switch (change.does) {
    case 'define':
    case 'together': {
      const definitions = definitionsOf(change)
      const [lead] = definitions as [Definition]
      return [journal, ...definitions.map(authorStatement), adoptRunStatement(lead)]
    }
    case 'drop':
      return [journal, removeStatement(change.view), adoptRunStatement(change.view)]
    case 'release':
      return [journal, releaseStatement(change.view)]
    case 'rename': {
      const { view, to } = change
      const state = frozenState(migrations.filter(({ number }) => number < migration.number))
      const definition = state.get(quoteName(view)) ?? state.get(quoteName(to))
      return [
        journal,
        renameStatement(view, to),
        ...(definition === undefined ? [] : [authorStatement({ ...definition, ...to })]),
        adoptRunStatement(to),
      ]
    }
    case 'sql':
      return [journal]
  }
}

/** The plan, with the statements that record its migration. */
const withRecord = (plan: RunPlan, record: string[]): RunPlan => ({
  ...plan,
  locked: {
    ...plan.locked,
    statements: [
      ...plan.locked.statements,
      ...record.map((sql): Statement => ({ kind: 'command', phase: 'exchange', sql, hidden: true })),
    ],
  },
})

/** A view that is frozen but not in the database. */
export interface MissingView {
  view: string
  /** The migration that says how the view is. */
  migration: string
  /** Why the view could not be made again; null if nobody has tried. */
  because: string | null
}

/**
 * Makes missing views again as they were frozen, each in a run, unless a pending migration makes or removes the view
 * anyway. A view that reads another missing one can be made only after that, so what the server refuses is tried again
 * until a round makes nothing. Returns the views that cannot be made, with the reasons.
 */
export const repairViews = (
  call: MigrateCall,
  migrations: FrozenMigration[],
): Promise<{ repaired: MigrationDone[]; missing: MissingView[] }> =>
  whileOnlyOneMigrates(call, async (sql) => {
    const { missing, pending } = await readMissing(sql, migrations)
    const left = new Set(missing.filter(({ definition }) => !isMadeAnyway(definition, pending)))
    const refusals = new Map<LivingView, RefusedMigration>()
    const repaired: MigrationDone[] = []
    for (let before = -1; repaired.length > before; ) {
      before = repaired.length
      for (const view of left) {
        if (refusals.get(view)?.isFinal) continue
        const outcome = await makeAgain(sql, call, view, [...left])
        if ('because' in outcome) {
          refusals.set(view, outcome)
          continue
        }
        left.delete(view)
        repaired.push(outcome)
        call.onDone?.(outcome)
      }
    }
    const missingYet = [...left].map(({ definition }) => definition)
    return {
      repaired,
      missing: [...left].map((view) => {
        const { because, isFinal } = refusals.get(view) as RefusedMigration
        const first = isFinal ? [] : firstNeeded(view.definition, missingYet)
        return {
          view: displayName(view.definition),
          migration: view.migration.name,
          because: [because, ...first].join(' '),
        }
      }),
    }
  })

interface RefusedMigration {
  because: string
  /** Whether a run has failed: trying again would only fail again. */
  isFinal: boolean
}

async function makeAgain(
  sql: Sql,
  call: MigrateCall,
  { definition, migration }: LivingView,
  left: LivingView[],
): Promise<MigrationDone | RefusedMigration> {
  const [declared] = declaredAmong(
    definition,
    left.map((each) => each.definition),
  )
  if (declared !== undefined) return refusal(`It depends on ${displayName(declared)}.`)
  const { withData, waitUntil: deadline } = call
  const plan = async () => {
    const work =
      (await planQueryAgain(sql, definition)) ??
      (await planChange(sql, null, { does: 'define', definition }, { withData, deadline }))
    return work?.does === 'create' ? work : null // otherwise it is there by now
  }
  const first = await plan().catch(async (error) => {
    const fix = await readFix(sql, error instanceof StatementRefused ? error.cause : error)
    return refusal(reasonOf(error, displayName(definition), fix))
  })
  if (first !== null && 'because' in first) return first
  const record = [authorStatement(definition), adoptRunStatement(definition)]
  const run = { migration: migration.name, way: 'repair', view: definition, record } as const
  const { status, runId, response, error } = await runChange(sql, call, run, first, plan)
  const goesOn = `Run ${runId} is still making it in the server, and will end by itself (GET /runs/${runId}).`
  if (status === 'running') return refusal(goesOn, true)
  if (error !== undefined) return refusal(textOfRunError(error, runId), true)
  const { durationMs } = response
  return { name: displayName(definition), way: 'repair', does: 'create', runId, durationMs }
}

const refusal = (because: string, isFinal = false): RefusedMigration => ({ because, isFinal })

/** What the server says, or we do, about a view that cannot be made now. */
function reasonOf(thrown: unknown, view: string, fix: string | null): string {
  if (thrown instanceof StatementRefused)
    return sentences(
      `${withoutShadowNames(thrown.message, view)} (${sqlstateOf(thrown.cause) ?? 'no SQLSTATE'}).`,
      fix,
    )
  const problem = problemOf(thrown, fix)
  if (problem instanceof Problem && problem.code !== 'InternalError') return problem.message
  throw problem
}
