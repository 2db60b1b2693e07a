import { findView } from '../catalog/db/catalog.ts'
import { readMembershipAdvice, readOwner, readReadersByOwner } from '../catalog/db/owner.ts'
import { readLivePlainView } from '../catalog/db/read-live-view.ts'
import { readObstacles } from '../catalog/db/read-obstacles.ts'
import { checkingOf } from '../catalog/plan/checks.ts'
import type { Definition } from '../catalog/plan/definition.ts'
import { isSameRelation, needsRebuild } from '../catalog/plan/differences.ts'
import {
  dependentsOf,
  type LiveView,
  ownedBy,
  type ViewFacts,
  type ViewSnapshot,
} from '../catalog/plan/live-view.ts'
import { hintsOn, hintsQueryOf } from '../catalog/plan/obstacles.ts'
import { inPlaceOf, sayObstacles } from '../catalog/plan/rights.ts'
import { readReaders } from '../rebuild/db/group.ts'
import { StatementRefused } from '../rebuild/db/statements.ts'
import { creating, type MadeView, madeBy, planCreate } from '../rebuild/plan/create.ts'
import { exclusively, ourselves } from '../rebuild/plan/locks.ts'
import { carryUnwritten } from '../rebuild/plan/nobody-writes.ts'
import { planRebuild } from '../rebuild/plan/plan-rebuild.ts'
import {
  changeRequirements,
  isReadByViews,
  namedRequirement,
  nextOwnersRequirements,
  requirementsOf,
  swapRequirements,
  withoutMembers,
} from '../rebuild/plan/requirements.ts'
import { isMaterialized, type Member, materialized, type Scope, together } from '../rebuild/plan/scope.ts'
import { type DefinitionDefaults, ensureDefinition } from '../record/definitions/definitions.ts'
import { findKnown, readDependents, readLiveView, readView } from '../record/definitions/look.ts'
import { insistOnNoPause } from '../record/definitions/pauses.ts'
import { keepingAge } from '../record/plan/journal-statements.ts'
import { planDrop } from '../run/plan/drop.ts'
import type { Sql } from '../server/database.ts'
import { mayPass, sqlstateOf } from '../server/failures.ts'
import { lacking } from '../server/own-rights.ts'
import { queryViewOf, quoteName } from '../sql/names.ts'
import { insistOnFreeName } from '../sql/new-names.ts'
import type { RunPlan } from '../sql/run-plan.ts'
import { readSettings } from '../sql/settings.ts'
import { readShadow } from '../trial/db/read-shadow.ts'
import { displayName, type QualifiedName, unquoted } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import { asView, insistOnOwnQuery, missingQuery, planKeptChange } from './change-kept.ts'
import { readAllReaders, type Tried, tryAlone, tryTogether } from './db/trial.ts'
import {
  definitionsOf,
  type FrozenChange,
  type FrozenMigration,
  laterVersions,
  type OfTable,
  renameStatements,
  type Together,
  type ViewChange,
} from './plan/frozen.ts'
import { type Change, type LiveChange, type PlannedChange, planAlteration } from './plan/redefine.ts'
import { unfit } from './plan/redefined.ts'

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
    case 'define':
    case 'together':
      return planDefinitions(sql, from, definitionsOf(to), options)
    case 'drop':
      return planRemoval(sql, to.view, to, options)
    case 'rename':
      return planRename(sql, to.view, to.to, to, options)
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

/**
 * Plans new definitions of views. One of them alone may be new, or be changed in place, or be exchanged without what reads it;
 * otherwise the views are built aside with everything that reads them, and all are exchanged at one moment. Refuses
 * (SwapImpossible), by name, what stands in the way and readers that no longer fit.
 */
async function planDefinitions(
  sql: Sql,
  from: FrozenChange | null,
  definitions: Definition[],
  options: PlanOptions,
): Promise<PlannedChange | null> {
  const [only] = definitions.length === 1 ? definitions : []
  definitions.forEach(insistOnFreeName)
  const before = from === null ? [] : definitionsOf(from)
  if (only !== undefined && (await findKnown(sql, only)) === undefined) {
    const owner = await readOwner(sql, only.owner)
    await readShadow(sql, only, owner) // reports an error and its line before anything is begun
    const { timeoutSeconds } = only
    const view = madeBy(only).at(-1) as MadeView
    const below = only.storage === 'table' ? await missingQuery(sql, only, owner) : undefined
    const checking = checkingOf(only)
    const runs = { ...runOptions, timeoutSeconds, settings: settingsOf(definitions) }
    const create = { ...runs, withData: options.withData, checking, owner, below, replaces: null }
    return { does: 'create', plan: planCreate(view, create), timeoutSeconds }
  }
  return planViews(sql, before, definitions.map(asView), options)
}

/**
 * Plans to make the plain view of an incremental table's query again, which somebody dropped: the table is kept again, with its rows. Null: no table has the
 * name, or it is kept. Refuses (MigrationFailed) a table with other columns.
 */
export async function planQueryAgain(sql: Sql, definition: Definition): Promise<PlannedChange | null> {
  const { schema, name, storage, timeoutSeconds } = definition
  const [table] = await sql<[{ owner: string; columns: string }?]>`
    select c.relowner::regrole::text as owner,
           (select string_agg(concat(a.attname, ' ', format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum) from pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = ${schema} and c.relname = ${name} and c.relkind = 'r' and c.relpersistence <> 't'`
  const query = storage === 'table' && table && (await missingQuery(sql, definition, table.owner))
  if (!query) return null
  const shadow = await readShadow(sql, query, table.owner)
  const columns = shadow.columns.map((column) => `${column.name} ${column.type}`).join(', ')
  if (columns !== table.columns)
    throw new Problem(
      'MigrationFailed',
      `Table ${displayName(definition)} has lost its query, which has other columns: ${columns}. Give it these, or drop it first.`,
    )
  const runs = { ...runOptions, timeoutSeconds, settings: settingsOf([definition]) }
  const create = { ...runs, withData: false, owner: table.owner, replaces: null }
  return { does: 'create', plan: planCreate(query, create), timeoutSeconds }
}

/** Plans other definitions of views that are there. */
async function planViews(
  sql: Sql,
  before: Definition[],
  definitions: MadeView[],
  { deadline, isTrial = false }: PlanOptions,
): Promise<PlannedChange | null> {
  const [only] = definitions.length === 1 ? definitions : []
  const timeoutSeconds = Math.max(...definitions.map((each) => each.timeoutSeconds))
  const runs = { ...runOptions, timeoutSeconds, settings: settingsOf(definitions) }
  const planned = (does: Change, plan: RunPlan | null) => plan && { does, plan, timeoutSeconds }
  const changes = await readChanges(sql, before, definitions, deadline)
  const lead = changes[0] as LiveChange
  const { live } = lead.snapshot
  const shadow = only === undefined ? null : await readShadow(sql, only, lead.given.view.owner, live)
  if (shadow?.view.kind === 'table' && isSameRelation(live, shadow))
    return planKeptChange(sql, lead, shadow, { ...runs, isTrial })
  if (shadow !== null && !needsRebuild(live, shadow))
    return planned('alter', planAlteration(lead, shadow, runs))
  const isAlone = shadow !== null && !(await takesReaders(sql, lead, shadow))
  for (const change of changes) await insistOnOwnQuery(sql, change)
  const { members, shadows, misfits } = isAlone
    ? await tryAlone(sql, lead, shadow)
    : await tryWithReaders(sql, changes, { deadline, isTrial })
  if (misfits.length > 0) throw unfit(definitions, misfits)
  const isDone = (change: LiveChange): boolean => {
    const made = shadows.get(change.view.oid) as LiveView
    return !needsRebuild(change.snapshot.live, made) && planAlteration(change, made, runs) === null
  }
  if (changes.every(isDone)) return null
  // A table has rows, if only none.
  const group = together(
    members.map((each) => (each.wanted?.view.kind === 'table' ? { ...each, populated: true } : each)),
  )
  await insistOnRebuild(sql, group, changes, isAlone)
  const filling = isTrial ? { withData: false } : { of: await readFilling(sql, group, changes) }
  return planned('rebuild', planRebuild(group, lead.view, { ...runs, ...filling, carrying: carryUnwritten }))
}

const runOptions = { ifRunning: 'skip' } as const

/** What several views set differently holds as the first of them, which leads the run, sets it. */
const settingsOf = (definitions: Definition[]): Record<string, string> =>
  Object.assign({}, ...definitions.toReversed().map((each) => readSettings(quoteName(each), each.settings)))

/** The live views that are to get other definitions. Refuses a view, or a next owner, as whom we may not act. */
async function readChanges(
  sql: Sql,
  authored: Definition[],
  definitions: MadeView[],
  until: number,
): Promise<LiveChange[]> {
  const changes: LiveChange[] = []
  for (const after of definitions) {
    const before = authored.find((each) => quoteName(each) === quoteName(after)) ?? null
    const { view, snapshot } = await readLiveView(sql, after, { until })
    if (!view.mayActAsOwner)
      throw await lacking(
        sql,
        `${view.view} cannot be changed to match its definition.`,
        hintsQueryOf(hintsOn(view, 'act')),
      )
    const given = await readNextOwner(sql, view, snapshot, { before, after })
    if (given !== snapshot.live && after.slices !== null)
      throw new Problem(
        'InvalidRequest',
        `${view.view} cannot be given to ${given.view.owner} with its slices, because its change log belongs to ${view.owner}: ` +
          'freeze it without slices, then with its owner, then with slices again.',
        { field: 'owner' },
      )
    changes.push({ view, snapshot, before, after, given })
  }
  return changes
}

/** How the members with data are filled: each has a definition, by which it is checked. Refuses paused ones. */
async function readFilling(
  sql: Sql,
  group: Scope,
  changes: LiveChange[],
): Promise<NonNullable<Parameters<typeof planRebuild>[2]['of']>> {
  const filled = materialized(group).filter(({ populated }) => populated)
  const views = filled.map(({ live }) => live.view)
  if (views.length > 0) await insistOnNoPause(sql, views, 'a new query')
  const known = new Map<Member, DefinitionDefaults>()
  for (const member of filled) known.set(member, await ensureDefinition(sql, member.live.view))
  const changed = new Map(changes.map(({ view, after }) => [view.oid, after]))
  return (member) => ({
    definitionId: known.get(member)?.id ?? 0,
    checking: checkingOf(changed.get(member.oid) ?? known.get(member)),
  })
}

/**
 * Whether a view of another query has to be exchanged together with what reads it: a materialized view would keep the data of the
 * old query, and `create or replace` cannot give a column of another type to a plain one.
 */
async function takesReaders(
  sql: Sql,
  { view: { oid }, snapshot: { live } }: LiveChange,
  shadow: LiveView,
): Promise<boolean> {
  if (isReadByViews(live)) return true
  if (live.dependents.every(({ view }) => view === null)) return false
  const isRetyped = live.columns.some(({ name, type }) =>
    shadow.columns.some((each) => each.name === name && each.type !== type),
  )
  if (isRetyped) return true
  const readers = await readReaders(sql, [oid])
  return typeof readers === 'string' || readers.some((reader) => reader.oid !== oid && isMaterialized(reader))
}

/** Tries changed views with everything that reads them, as they were when the changes were planned. */
async function tryWithReaders(
  sql: Sql,
  changes: LiveChange[],
  { deadline, isTrial }: { deadline: number; isTrial: boolean },
): Promise<Tried> {
  const oids = changes.map(({ view }) => view.oid)
  const tables = changes.flatMap(({ view: { oid, query }, snapshot }) =>
    query === null ? [] : { ...snapshot, oid, populated: true, sizeBytes: 0, reads: [] },
  )
  const found = [...tables, ...(await readAllReaders(sql, oids, deadline))]
  const hashes = new Map(found.map(({ oid, hash }) => [oid, hash]))
  const altered = changes.find(({ view, snapshot }) => hashes.get(view.oid) !== snapshot.hash)
  if (altered !== undefined)
    throw new Problem(
      'CatalogChanged',
      `${altered.view.view} was altered while its change was planned. Try again.`,
    )
  // A trial has left views without data that will have data.
  const readers = isTrial ? found.map((reader) => ({ ...reader, populated: false })) : found
  await insistOnRebuild(sql, together(readers), changes, false)
  return tryTogether(sql, readers, changes)
}

/** Refuses (SwapImpossible), by name, what keeps views from being exchanged, alone or with what reads them. */
async function insistOnRebuild(
  sql: Sql,
  group: Scope,
  changes: LiveChange[],
  isAlone: boolean,
): Promise<void> {
  const names = changes.map(({ view }) => view.view).join(', ')
  const [requirements, what, advice] = isAlone
    ? [
        changes.flatMap(({ given }) => changeRequirements(given)),
        ', because ',
        'If something depends on the view, drop that by own SQL in an earlier migration, and make it again in a later one.',
      ]
    : [
        [
          ...requirementsOf(group),
          ...changes
            .filter(({ snapshot, given }) => given !== snapshot.live)
            .flatMap(({ view, given }) =>
              swapRequirements(withoutMembers(group, given)).map((each) => namedRequirement(view.view, each)),
            ),
        ],
        ` together with the views that read ${changes.length === 1 ? 'it' : 'them'}: `,
        'Remove what is in the way by own SQL in an earlier migration, and make it again in a later one.',
      ]
  const refusals = await readObstacles(sql, requirements)
  if (refusals.length > 0)
    throw new Problem(
      'SwapImpossible',
      `${names} cannot be given another query${what}${sayObstacles(refusals, advice)}`,
    )
}

async function planRemoval(
  sql: Sql,
  name: QualifiedName,
  { table }: OfTable,
  { deadline }: PlanOptions,
): Promise<PlannedChange | null> {
  const view = await findView(sql, name)
  if (view === undefined) return null
  const timeoutSeconds = 3600
  const query = table ? await readLivePlainView(sql, quoteName(queryViewOf(name))) : undefined
  const dependents = [
    ...(await readDependents(sql, view, { until: deadline })),
    ...(query === undefined ? [] : dependentsOf(query)),
  ]
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
    timeoutSeconds,
    definitionId: null,
  })
  if (query !== undefined)
    plan.locked.statements.push(
      ...inPlaceOf(query.view.owner, [
        { kind: 'command', phase: 'exchange', sql: `drop view ${quoteName(query.view)}` },
      ]),
    )
  return { does: 'drop', plan, timeoutSeconds }
}

async function planRename(
  sql: Sql,
  from: QualifiedName,
  to: QualifiedName,
  of: OfTable,
  { isTrial }: PlanOptions,
): Promise<PlannedChange | null> {
  insistOnFreeName(to)
  if ((await findView(sql, from)) === undefined && (await findView(sql, to)) !== undefined) return null
  const view = await readView(sql, from)
  const timeoutSeconds = 3600
  const [first, last] = keepingAge(view)
  // The row of a relation whose column is locked still tells who has written it.
  const columns = view.firstColumn && { columns: [view.firstColumn] }
  const moves = renameStatements(from, to, of).map((text) => creating(text, to.schema))
  const plan: RunPlan = {
    ifRunning: 'skip',
    basis: null,
    result: 'updated',
    fills: false,
    settings: {},
    prepare: [],
    locked: exclusively(
      [
        ...ourselves(view).map((each) => ({ ...each, ...columns })),
        ...(of.table ? [{ ...queryViewOf(from), kind: 'view' as const, owner: null }] : []),
      ],
      isTrial ? moves : [...moves, last],
      { timeoutSeconds, guard: isTrial ? [] : [first] },
    ),
    later: [],
  }
  return { does: 'rename', plan, timeoutSeconds }
}

/**
 * A live view with the owner that it has after the change of its definition. Refuses
 * (InsufficientPrivilege) a new owner to whom we cannot give the view, who would take it from its readers, or whom the old
 * owner's code would reach with it.
 */
async function readNextOwner(
  sql: Sql,
  view: ViewFacts,
  { live }: ViewSnapshot,
  { before, after }: { before: Definition | null; after: Definition },
): Promise<LiveView> {
  const old = live.view.owner
  // A definition without an owner gives back the view that the definition before took.
  const stays = after.owner === null && before?.owner !== unquoted(old)
  const owner = stays ? old : await readOwner(sql, after.owner)
  if (owner === old) return live
  const given = ownedBy(live, owner)
  const refusal = (message: string) =>
    new Problem('InsufficientPrivilege', `${view.view} cannot be given to ${owner}, because ${message}`, {
      field: 'owner',
    })
  if (!view.mayAlter) {
    const advice = await readMembershipAdvice(sql, old)
    throw refusal(`it needs the rights of its owner, ${old}. ${advice}`)
  }
  const authored = new Set([before, after].flatMap((each) => each?.indexes.map(({ name }) => name) ?? []))
  const [stray] = [
    ...live.indexes.filter(({ name }) => !authored.has(name)).map((each) => ({ ...each, kind: 'index' })),
    ...live.statistics.map((each) => ({ ...each, kind: 'statistics object' })),
  ].filter(({ hasExpressions }) => hasExpressions)
  if (stray !== undefined)
    throw refusal(
      `nobody has authored its ${stray.kind} ${stray.name}, whose expressions would run as ${owner}. Drop it first.`,
    )
  const lacks = await readObstacles(sql, nextOwnersRequirements(given))
  if (lacks.length > 0) throw refusal(sayObstacles(lacks))
  for (const { role, reader } of await readReadersByOwner(sql, view.oid, { old, owner })) {
    const mayRead =
      given.grants.some(
        ({ grantee, privilege }) => [role, 'public'].includes(grantee) && privilege === 'SELECT',
      ) ||
      after.grants.some(
        ({ to, privileges }) =>
          [unquoted(role), 'public'].includes(to) &&
          privileges.some((each) => ['select', 'all'].includes(each)),
      )
    if (mayRead) continue
    throw refusal(
      `${reader} of ${role} reads it, and would lose the right. Write ` +
        `grants: [{ privileges: ['select'], to: '${unquoted(role)}' }] into the definition.`,
    )
  }
  return given
}
