import { checkingOf } from '../catalog/plan/checks.ts'
import type { Definition } from '../catalog/plan/definition.ts'
import type { LiveView, ViewFacts } from '../catalog/plan/live-view.ts'
import { liveViewHashQuery } from '../catalog/plan/live-view-query.ts'
import { inPlaceOf } from '../catalog/plan/rights.ts'
import { checkData, insistOnChecking, recordChecks } from '../rebuild/plan/check-data.ts'
import { type MadeView, ownerStatement, queryOf, sealAll } from '../rebuild/plan/create.ts'
import type { RunOptions } from '../rebuild/plan/fill.ts'
import { besideReaders } from '../rebuild/plan/locks.ts'
import type { Sql } from '../server/database.ts'
import { readKept } from '../slices/db/kept.ts'
import { writeAll } from '../slices/keep.ts'
import { quoteName } from '../sql/names.ts'
import type { Statement } from '../sql/run-plan.ts'
import { readShadow } from '../trial/db/shadows.ts'
import { Problem } from '../words/problem.ts'
import { readBelow, splitPair } from './pairs.ts'
import { type LiveChange, type PlannedChange, planAlteration } from './plan/redefine.ts'

/**
 * Plans another definition of a kept table that is there: what hangs on the table is changed in place, and another query writes the rows that differ, in
 * the same transaction. Null: nothing is to be changed. Refuses (SwapImpossible) a query with other columns: the table would be another one.
 */
export async function planKeptChange(
  sql: Sql,
  change: LiveChange,
  after: Definition,
  { isTrial, ...runs }: RunOptions & { isTrial: boolean },
): Promise<PlannedChange | null> {
  const { view, snapshot, given } = change
  const { below, view: table } = splitPair(after) as { below: MadeView; view: MadeView }
  const { owner } = snapshot.live.view
  const rows =
    (await readBelow(sql, below, owner, true)) === 'same'
      ? []
      : await newQuery(sql, change, below, after, isTrial)
  const alteration = planAlteration(change, await readShadow(sql, table, owner), runs)
  if (rows.length === 0 && alteration === null) return null
  const handedOver: Statement[] =
    given === snapshot.live ? [] : [ownerStatement({ ...below, kind: 'view' }, given.view.owner)]
  const { prepare = [], locked = besideReaders(view, [], runs.timeoutSeconds) } = alteration ?? {}
  const fills = rows.length > 0 && !isTrial
  return {
    does: 'alter',
    timeoutSeconds: runs.timeoutSeconds,
    plan: {
      ifRunning: runs.ifRunning,
      basis: { sql: liveViewHashQuery(String(view.oid), undefined, true), is: snapshot.hash },
      result: 'updated',
      fills,
      settings: runs.settings,
      prepare: [...rows, ...prepare],
      locked: {
        ...locked,
        statements: [
          ...locked.statements,
          ...handedOver,
          ...(fills ? recordChecks([checkingOf(after)]) : []),
        ],
      },
      later: [],
    },
  }
}

/** The statements that give a kept table another query, and write the rows that differ by it. */
async function newQuery(
  sql: Sql,
  { view, snapshot: { live } }: LiveChange,
  below: MadeView,
  after: Definition,
  isTrial: boolean,
): Promise<Statement[]> {
  const shapeOf = ({ columns }: LiveView) => columns.map(({ name, type }) => `${name} ${type}`).join(', ')
  const shadow = await readShadow(sql, below, live.view.owner)
  if (shapeOf(shadow) !== shapeOf(live))
    throw new Problem(
      'SwapImpossible',
      `${view.view} is a kept table, and keeps its columns (${shapeOf(live)}); the query has ${shapeOf(shadow)}. ` +
        'Remove it with freeze --remove, and freeze it again; or give the new one another name.',
      { field: 'query' },
    )
  const replaced: Statement = {
    kind: 'userCode',
    phase: 'building',
    sql: `create or replace view ${quoteName(below)} as\n${queryOf(below.sql)}`,
  }
  const facts = await readKept(sql, view)
  if (facts === undefined)
    throw new Problem('CatalogChanged', `${view.view} was altered while its change was planned. Try again.`)
  const checked = { view, relation: view, query: below, seal: insistOnChecking(view) }
  const work = isTrial ? [] : [...writeAll(view, facts), ...checkData(checked, checkingOf(after))]
  return [...inPlaceOf(live.view.owner, sealAll(live.view.owner, below, [replaced])), ...work]
}

/** Refuses (SwapImpossible) a definition that would make a table of a materialized view that is there, or the other way round. */
export function insistOnStorage({ query, view }: ViewFacts, { storage }: Definition): void {
  if ((query === null) === (storage === 'materialized view')) return
  throw new Problem(
    'SwapImpossible',
    `${view} is a ${query === null ? 'materialized view' : 'kept table'}, and its definition says storage "${storage}". ` +
      'Remove it with freeze --remove, and freeze it again with the other storage; or give the new one another name.',
    { field: 'storage' },
  )
}
