import { findView } from '../catalog/db/catalog.ts'
import { readLivePlainView } from '../catalog/db/read-live-view.ts'
import { checkingOf } from '../catalog/plan/checks.ts'
import type { Definition } from '../catalog/plan/definition.ts'
import { needsRebuild } from '../catalog/plan/differences.ts'
import { dependentsOf, type LiveView } from '../catalog/plan/live-view.ts'
import { liveViewHashQuery } from '../catalog/plan/live-view-query.ts'
import { inPlaceOf } from '../catalog/plan/rights.ts'
import { checkData, insistOnChecking } from '../rebuild/plan/check-data.ts'
import { type MadeView, ownerStatement, queryOf, queryViewMade, sealAll } from '../rebuild/plan/create.ts'
import type { RunOptions } from '../rebuild/plan/fill.ts'
import { besideReaders } from '../rebuild/plan/locks.ts'
import { keepingAge } from '../record/plan/journal-statements.ts'
import { recordChecks } from '../record/plan/work.ts'
import type { Sql } from '../server/database.ts'
import { type KeptFacts, readKept } from '../slices/db/kept.ts'
import { writeAll } from '../slices/keep.ts'
import { keptMark, queryViewOf, quoteName } from '../sql/names.ts'
import type { Statement } from '../sql/run-plan.ts'
import { readShadow } from '../trial/db/read-shadow.ts'
import { displayName, type QualifiedName } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import { type LiveChange, type PlannedChange, planAlteration } from './plan/redefine.ts'

/** What a definition makes, as a view that has its query, also if that is an incremental table. */
export const asView = (definition: Definition): MadeView =>
  definition.storage === 'table' ? { ...definition, kind: 'table' } : definition

/** The plain view of an incremental table that is to be made, unless it is there. Refuses (MigrationFailed) another view that has its name. */
export async function missingQuery(
  sql: Sql,
  definition: Definition,
  owner: string,
): Promise<MadeView | undefined> {
  const made = queryViewMade(definition)
  const found = await findView(sql, made, 'v')
  const live = found && (await readLivePlainView(sql, quoteName(made)))
  if (found === undefined || live === undefined) return made
  if (found.owner === owner && live.view.comment === keptMark)
    if (!needsRebuild(live, await readShadow(sql, made, owner, live))) return undefined
  throw nameTaken(made, definition)
}

/**
 * Plans another definition of an incremental table, of which `shadow` has the same columns: what hangs on the table is changed in place, and another query writes
 * the rows that differ, in the same transaction. Null: nothing is to be changed.
 */
export async function planKeptChange(
  sql: Sql,
  change: LiveChange,
  shadow: LiveView,
  { isTrial, ...runs }: RunOptions & { isTrial: boolean },
): Promise<PlannedChange | null> {
  const { view, snapshot, given, after } = change
  const { live } = snapshot
  const facts = await readKept(sql, view)
  if (facts === undefined)
    throw new Problem('CatalogChanged', `${view.view} was altered while its change was planned. Try again.`)
  const rows = needsRebuild(live, shadow) ? newQuery(change, facts, isTrial) : []
  const alteration = planAlteration(change, shadow, runs)
  if (rows.length === 0 && alteration === null) return null
  const handedOver = given === live ? [] : [ownerStatement(queryViewMade(after), given.view.owner)]
  const { prepare = [], locked = besideReaders(view, [], runs.timeoutSeconds) } = alteration ?? {}
  const fills = rows.length > 0 && !isTrial
  // Who holds this lock is in the way of whoever truncates the table.
  const lock: Statement = {
    kind: 'command',
    phase: 'locking',
    sql: `lock table ${quoteName(view)} in access share mode`,
    hidden: true,
  }
  const around = rows.length > 0 || isTrial ? null : keepingAge(view)
  return {
    does: 'alter',
    timeoutSeconds: runs.timeoutSeconds,
    plan: {
      ifRunning: runs.ifRunning,
      basis: { sql: liveViewHashQuery(String(view.oid), undefined, true), is: snapshot.hash },
      result: 'updated',
      fills,
      settings: runs.settings,
      prepare: [...rows, ...(around ? [...inPlaceOf(live.view.owner, [lock]), around[0]] : []), ...prepare],
      locked: {
        ...locked,
        statements: [
          ...locked.statements,
          ...handedOver,
          ...(around ? [around[1]] : []),
          ...(fills ? recordChecks([checkingOf(after)]) : []),
        ],
      },
      later: [],
    },
  }
}

/** The statements that give an incremental table another query, and write the rows that differ by it. */
function newQuery(
  { view, snapshot: { live }, after }: LiveChange,
  facts: KeptFacts,
  isTrial: boolean,
): Statement[] {
  const query = queryViewMade(after)
  const replaced: Statement = {
    kind: 'userCode',
    phase: 'building',
    sql: `create or replace view ${quoteName(query)} as\n${queryOf(after.sql)}`,
  }
  const checked = { view, relation: view, query, seal: insistOnChecking(view) }
  const work = isTrial ? [] : [...writeAll(view, facts), ...checkData(checked, checkingOf(after))]
  return [...inPlaceOf(live.view.owner, sealAll(live.view.owner, query, [replaced])), ...work]
}

/**
 * Refuses (MigrationFailed, DependentsExist) a rebuild of an incremental table whose query others read, as that goes with it, and of a view that is to become
 * one while something has the name of its query.
 */
export async function insistOnOwnQuery(sql: Sql, { view, after }: LiveChange): Promise<void> {
  const name = queryViewOf(view)
  if (view.query === null) {
    if (after.kind === 'table' && (await findView(sql, name, 'v')) !== undefined) throw nameTaken(name, view)
    return
  }
  const query = await readLivePlainView(sql, quoteName(name))
  const readers = query === undefined ? [] : dependentsOf(query)
  if (readers.length === 0) return
  throw new Problem(
    'DependentsExist',
    `${displayName(name)} goes with ${view.view}, and these read it: ${readers.join(', ')}. Let them read ${view.view} first.`,
  )
}

const nameTaken = (query: QualifiedName, view: QualifiedName): Problem =>
  new Problem(
    'MigrationFailed',
    `${displayName(query)} is there already, and its name is that of the plain view with the query of ${displayName(view)}. Rename it or drop it first.`,
  )
