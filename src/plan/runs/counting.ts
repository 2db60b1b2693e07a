import { inPlaceOf } from '../acting.ts'
import { literal, quoteName, type ViewName } from '../names.ts'
import type { Statement } from '../plan.ts'
import type { RowCountStrategy } from '../views/definition.ts'
import { countingQuery } from './obstacles.ts'

/**
 * Counts rows one by one. Must never happen while readers are locked out. Counting a materialized view
 * executes nobody's code. A plain view, or a table with policies, that has taken the view's name would
 * execute its owner's code as us: so the name is locked and checked first.
 */
export const countRows = (view: ViewName, when: 'before' | 'after'): Statement => ({
  phase: 'counting',
  sql: `select count(*) from ${quoteName(view)}`,
  obstacles: countingQuery(view),
  count: when,
  countsRowsOf: quoteName(view),
  hidden: true,
})

/** Counts the rows of a twin that is filled and analyzed, as its owner. */
export const countTwin = (twin: ViewName, owner: string, how: RowCountStrategy): Statement[] => {
  if (how === 'exact') return inPlaceOf(owner, [countRows(twin, 'after')])
  return how === 'estimated' ? [readEstimate(twin, 'after')] : []
}

/** Reads the planner's estimate by name. -1 means that the view was never analyzed, and becomes null. */
export const readEstimate = (view: ViewName, when: 'before' | 'after'): Statement => ({
  phase: 'counting',
  sql: `select nullif(reltuples, -1)::bigint from pg_catalog.pg_class where oid = ${literal(quoteName(view))}::regclass`,
  count: when,
  hidden: true,
})

/** Brings the planner's estimate up to date. */
export const analyze = (view: ViewName): Statement => ({
  phase: 'analyzing',
  sql: `analyze ${quoteName(view)}`,
  userCode: true,
  computesRows: true,
})

/**
 * Counts before an operation on an existing view. An unpopulated view cannot be read, so it is not counted.
 */
export function countBefore(view: ViewName & { populated: boolean }, how: RowCountStrategy): Statement[] {
  if (how === 'none' || !view.populated) return []
  return [how === 'exact' ? countRows(view, 'before') : readEstimate(view, 'before')]
}

/** Analyzes after the commit, so that the estimate after is up to date. */
export const estimateAside = (view: ViewName, how: RowCountStrategy): Statement[] =>
  how === 'estimated' ? [analyze(view), readEstimate(view, 'after')] : []
