import { literal, quoteName, type ViewName } from '../names.ts'
import type { Statement } from '../plan.ts'
import type { RowCountStrategy } from '../views/definition.ts'

/**
 * Counts rows one by one. Never to be done while readers are locked out. Counting a materialized view runs nobody's code;
 * a plain view or a table with policies that has taken its name would run its owner's as us, so the name is held first.
 */
export const countRows = (view: ViewName, when: 'before' | 'after'): Statement => ({
  phase: 'counting',
  sql: `select count(*) from ${quoteName(view)}`,
  needs: `Counting takes select on ${quoteName(view)} for Viewkeeper's role.`,
  count: when,
  countsRowsOf: quoteName(view),
  hidden: true,
})

/** Reads the planner's estimate by name: -1 means never analyzed, and is no number. */
export const readEstimate = (view: ViewName, when: 'before' | 'after'): Statement => ({
  phase: 'counting',
  sql: `select nullif(reltuples, -1)::bigint from pg_catalog.pg_class where oid = ${literal(quoteName(view))}::regclass`,
  count: when,
  hidden: true,
})

/** Makes the planner's estimate true. */
export const analyze = (view: ViewName): Statement => ({
  phase: 'analyzing',
  sql: `analyze ${quoteName(view)}`,
  userCode: true,
  computesRows: true,
})

/** The count before an operation on a view that is there; an unpopulated one cannot be read. */
export function countBefore(view: ViewName & { populated: boolean }, how: RowCountStrategy): Statement[] {
  if (how === 'none' || !view.populated) return []
  return [how === 'exact' ? countRows(view, 'before') : readEstimate(view, 'before')]
}

/** What follows the commit so that the estimate after is true. */
export const estimateAside = (view: ViewName, how: RowCountStrategy): Statement[] =>
  how === 'estimated' ? [analyze(view), readEstimate(view, 'after')] : []
