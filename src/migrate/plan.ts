import { findView, readView } from '../catalog/db/catalog.ts'
import { readDependents, readLiveView } from '../catalog/db/look.ts'
import { readOwner } from '../catalog/db/owner.ts'
import { insistOnNoPause } from '../catalog/db/pause.ts'
import { readReaders } from '../catalog/db/readers.ts'
import { readObstacles } from '../catalog/db/rights.ts'
import type { Definition } from '../catalog/plan/definition.ts'
import { needsRebuild } from '../catalog/plan/differences.ts'
import type { LiveView } from '../catalog/plan/live-view.ts'
import { hintsOn, hintsQueryOf } from '../catalog/plan/obstacles.ts'
import { sayObstacles } from '../catalog/plan/rights.ts'
import type { ViewFacts } from '../catalog/plan/view-facts.ts'
import { Problem } from '../problem.ts'
import { StatementRefused } from '../rebuild/db/statements.ts'
import { checkingOf } from '../rebuild/plan/check-data.ts'
import { creating, planCreate } from '../rebuild/plan/create.ts'
import { exclusively, ourselves } from '../rebuild/plan/locks.ts'
import { isReadByViews, lacks, swapRequirements } from '../rebuild/plan/requirements.ts'
import { type Misfit, unfit } from '../rebuild/plan/trial.ts'
import { planDrop } from '../run/plan/drop.ts'
import type { Sql } from '../server/connect.ts'
import { mayPass, sqlstateOf } from '../server/failures.ts'
import { lacking } from '../server/rights.ts'
import { readShadow } from '../set-aside/db/trial.ts'
import { insistOnFreeName, type QualifiedName, quoteName } from '../sql/names.ts'
import type { Plan } from '../sql/plan.ts'
import { readSettings } from '../sql/settings.ts'
import { readColumnsUsed } from './db/group-trial.ts'
import { readNextOwner } from './next-owner.ts'
import {
  type FrozenChange,
  type FrozenMigration,
  renameStatements,
  type Together,
  type ViewChange,
  viewChangesOf,
} from './plan/frozen.ts'
import { laterVersions } from './plan/later-versions.ts'
import { planRedefinition } from './plan/redefine.ts'
import { type LiveChange, planWithReaders } from './plan-together.ts'

/** What a migration does to a view, as reports name it. */
export type Change = 'create' | 'rebuild' | 'alter' | 'drop' | 'rename'

export interface PlannedChange {
  does: Change
  plan: Plan
  timeoutSeconds: number
}

interface PlanOptions {
  /** Whether a new view is filled. A view that has data has data afterwards in any case. */
  withData: boolean
  /** Until when to wait for somebody else's lock on the view, epoch milliseconds. */
  deadline: number
  /** A trial fills no view, and records no run. */
  isTrial?: boolean
}

/**
 * Plans the change from one side of a migration to the other, for the database as it is now; null if nothing
 * is to be changed. `from` holds what was authored before. Throws StatementRefused if the server refuses a
 * statement of the definition, and Problems if something is in the way.
 */
export function planChange(
  sql: Sql,
  from: FrozenChange | null,
  to: ViewChange | Together,
  options: PlanOptions,
): Promise<PlannedChange | null> {
  switch (to.does) {
    case 'together':
      return planDefinitions(sql, from, to.definitions, options)
    case 'define':
      return planDefinition(sql, authoredIn(from, to.definition), to.definition, options)
    case 'drop':
      return planRemoval(sql, to.view, options)
    case 'rename':
      return planRename(sql, to.view, to.to)
    case 'release':
      return Promise.resolve(null)
  }
}

/**
 * The same for a migration that `later` ones follow, on a database whose tables have changed since it was frozen: if the
 * server refuses the change, the next version of the view that it accepts is planned, so that an old history builds a new
 * database. Null if it accepts none, and a later migration drops the view. Throws what the server said of the change itself.
 */
export async function planFrozen(
  sql: Sql,
  { from, to, later }: { from: FrozenChange | null; to: ViewChange | Together; later: FrozenMigration[] },
  options: PlanOptions,
): Promise<PlannedChange | null> {
  try {
    return await planChange(sql, from, to, options)
  } catch (error) {
    if (!isOutdated(error)) throw error
    for (const version of laterVersions(to, later)) {
      if (version === null) return null
      const planned = await planChange(sql, from, version, options).catch(() => undefined)
      if (planned !== undefined) return planned
    }
    throw error
  }
}

/** Whether the server will never accept a definition as its tables are now, or an earlier migration could not make the view. */
const isOutdated = (error: unknown): boolean =>
  error instanceof StatementRefused
    ? !mayPass(sqlstateOf(error.cause))
    : error instanceof Problem && error.code === 'UnknownView'

const runOptions = { rowCountStrategy: 'none', ifRunning: 'skip' } as const

async function planDefinition(
  sql: Sql,
  before: Definition | null,
  after: Definition,
  options: PlanOptions,
): Promise<PlannedChange | null> {
  insistOnFreeName(after)
  const { timeoutSeconds } = after
  const { isTrial = false, deadline } = options
  const settings = readSettings(quoteName(after), after.settings)
  if ((await findView(sql, after)) === undefined) {
    const owner = await readOwner(sql, after.owner)
    await readShadow(sql, after, owner) // reports an error and its line before anything is begun
    const { withData } = options
    const checking = checkingOf(after)
    const plan = planCreate(after, {
      ...runOptions,
      withData,
      timeoutSeconds,
      settings,
      checking,
      owner,
      replaces: null,
    })
    return { does: 'create', plan, timeoutSeconds }
  }
  const found = await readLiveChange(sql, before, after, deadline)
  const { view, snapshot, given } = found
  const { live } = snapshot
  const shadow = await readShadow(sql, after, given.view.owner, live)
  const runs = { ...runOptions, timeoutSeconds, settings }
  if (needsRebuild(live, shadow)) {
    if (givesReadersOtherTypes(live, shadow) || (await isReadByMaterialized(sql, view, live))) {
      const plan = await planWithReaders(sql, [found], { ...runs, deadline, isTrial })
      return plan && { does: 'rebuild', plan, timeoutSeconds }
    }
    if (view.populated && !isTrial) await insistOnNoPause(sql, [live.view], 'a new query')
    await insistOnColumns(sql, view, live, shadow)
    const refusals = await readObstacles(sql, swapRequirements(given))
    if (refusals.length > 0) {
      throw new Problem(
        'SwapImpossible',
        `${view.view} cannot be given another query, because ${sayObstacles(
          refusals,
          'If something depends on the view, drop that by own SQL in an earlier migration, and make it again in a later one.',
        )}`,
      )
    }
  }
  const change = planRedefinition(
    { view, snapshot, before, after, shadow },
    { ...runs, checking: checkingOf(after), withData: view.populated && !isTrial },
  )
  return change && { ...change, timeoutSeconds }
}

/** Refuses a query without a column that a plain view reads. */
async function insistOnColumns(
  sql: Sql,
  { oid }: ViewFacts,
  live: LiveView,
  shadow: LiveView,
): Promise<void> {
  const left = new Set(shadow.columns.map(({ name }) => name))
  const misfits: Misfit[] = []
  for (const { view } of live.dependents) {
    if (view === null) continue
    const gone = (await readColumnsUsed(sql, view.oid, oid)).filter((name) => !left.has(name))
    if (gone.length > 0) misfits.push({ reader: { ...view, kind: 'view' }, because: lacks(gone, live) })
  }
  if (misfits.length > 0) throw unfit([live.view], misfits)
}

/** Whether a materialized view reads this one, also through plain views: it would keep the data of the old query. */
async function isReadByMaterialized(sql: Sql, { oid }: ViewFacts, live: LiveView): Promise<boolean> {
  if (isReadByViews(live) || live.dependents.every(({ view }) => view === null)) return isReadByViews(live)
  const readers = await readReaders(sql, [oid])
  return (
    typeof readers === 'string' ||
    readers.some((reader) => reader.oid !== oid && reader.live.view.kind === 'materialized view')
  )
}

/** Whether a plain view may read a column that gets another type: `create or replace` cannot give it to that view. */
const givesReadersOtherTypes = ({ dependents, columns }: LiveView, shadow: LiveView): boolean =>
  dependents.some(({ view }) => view !== null) &&
  columns.some(({ name, type }) => shadow.columns.some((each) => each.name === name && each.type !== type))

/** Plans new definitions of several views, which exist. `from` holds what was authored before. */
async function planDefinitions(
  sql: Sql,
  from: FrozenChange | null,
  definitions: Definition[],
  { deadline, isTrial = false }: PlanOptions,
): Promise<PlannedChange | null> {
  const changes: LiveChange[] = []
  for (const after of definitions) {
    insistOnFreeName(after)
    changes.push(await readLiveChange(sql, authoredIn(from, after), after, deadline))
  }
  const timeoutSeconds = Math.max(...definitions.map((each) => each.timeoutSeconds))
  // What several views set differently holds as the first of them, which leads the run, sets it.
  const settings = Object.assign(
    {},
    ...definitions.toReversed().map((each) => readSettings(quoteName(each), each.settings)),
  )
  const plan = await planWithReaders(sql, changes, {
    ...runOptions,
    timeoutSeconds,
    settings,
    deadline,
    isTrial,
  })
  return plan && { does: 'rebuild', plan, timeoutSeconds }
}

/** The definition of a view on one side of a migration; null if that side has none. */
const authoredIn = (side: FrozenChange | null, view: QualifiedName): Definition | null =>
  (side === null ? [] : viewChangesOf(side)).flatMap((part) =>
    part.does === 'define' && quoteName(part.definition) === quoteName(view) ? [part.definition] : [],
  )[0] ?? null

/** A live view that is to get another definition. Refuses a view, or a next owner, as whom we may not act. */
async function readLiveChange(
  sql: Sql,
  before: Definition | null,
  after: Definition,
  deadline: number,
): Promise<LiveChange> {
  const { view, snapshot } = await readLiveView(sql, after, { until: deadline })
  if (!view.mayActAsOwner) {
    throw await lacking(
      sql,
      `${view.view} cannot be changed to match its definition.`,
      hintsQueryOf(hintsOn(view, 'act')),
    )
  }
  return {
    view,
    snapshot,
    before,
    after,
    given: await readNextOwner(sql, view, snapshot, { before, after }),
  }
}

async function planRemoval(
  sql: Sql,
  name: QualifiedName,
  { deadline }: PlanOptions,
): Promise<PlannedChange | null> {
  const view = await findView(sql, name)
  if (view === undefined) return null
  const timeoutSeconds = 3600
  const dependents = await readDependents(sql, view, { until: deadline })
  if (dependents.length > 0) {
    throw new Problem(
      'DependentsExist',
      `${view.view} cannot be dropped, because these depend on it: ${dependents.join(', ')}. Remove the ` +
        'views that read it with the same "freeze --remove", or give them queries without it in the same "freeze". ' +
        'Drop anything else by own SQL first.',
    )
  }
  const plan = planDrop(view, dependents, {
    cascade: false,
    rowCountStrategy: 'none',
    timeoutSeconds,
    definitionId: null,
  })
  return { does: 'drop', plan, timeoutSeconds }
}

async function planRename(sql: Sql, from: QualifiedName, to: QualifiedName): Promise<PlannedChange | null> {
  insistOnFreeName(to)
  if ((await findView(sql, from)) === undefined && (await findView(sql, to)) !== undefined) return null
  const view = await readView(sql, from)
  const timeoutSeconds = 3600
  const plan: Plan = {
    ifRunning: 'skip',
    basis: null,
    result: 'updated',
    fills: false,
    settings: {},
    prepare: [],
    cutOver: exclusively(
      ourselves(view),
      renameStatements(from, to).map((text) => creating(text, to.schema)),
      { timeoutSeconds },
    ),
    written: null,
    later: [],
  }
  return { does: 'rename', plan, timeoutSeconds }
}
