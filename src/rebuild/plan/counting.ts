import type { RowCountStrategy } from '../../catalog/plan/definition.ts'
import type { ViewFacts } from '../../catalog/plan/live-view.ts'
import { hintsOn } from '../../catalog/plan/obstacles.ts'
import { literal, type QualifiedName, quoteName } from '../../sql/names.ts'
import type { LaterStatement, Sandbox, Statement } from '../../sql/plan.ts'

/**
 * Counts rows one by one, as the view's owner. Must never happen while readers are locked out.
 *
 * Even `count(*)` executes code of others: the planner computes what is constant in index expressions, predicates and
 * statistics objects. A plain view, or a table with policies, that has taken the view's name would execute more. No lock
 * holds the name of a schema, so the query is bound first, as the query of a throwaway view without data. Only if it
 * reads a materialized view of the owner's is it executed, as a refresh of the throwaway view: then the server lets the
 * code do nothing but as the owner, and only until the end of the statement.
 */
export const countRows = (
  view: QualifiedName,
  sandbox: Sandbox,
  when: 'before' | 'after',
): LaterStatement => ({
  phase: 'counting',
  sql: `select count(*) as rows from ${quoteName(view)}`,
  kind: 'countRows',
  when,
  sandbox,
  of: quoteName(view),
  obstacles: hintsOn(view, 'count'),
  hidden: true,
})

/** Counts the rows of a shadow that is filled and analyzed. */
export const countShadow = (shadow: QualifiedName, sandbox: Sandbox, how: RowCountStrategy): Statement[] => {
  if (how === 'exact') return [countRows(shadow, sandbox, 'after')]
  return how === 'estimated' ? [readEstimate(shadow, 'after')] : []
}

/** Reads the planner's estimate by name. -1 means that the view was never analyzed, and becomes null. */
export const readEstimate = (view: QualifiedName, when: 'before' | 'after'): LaterStatement => ({
  phase: 'counting',
  sql: `select nullif(reltuples, -1)::bigint from pg_catalog.pg_class where oid = ${literal(quoteName(view))}::regclass`,
  kind: 'count',
  when,
  hidden: true,
})

/** Brings the planner's estimate up to date. */
export const analyze = (view: QualifiedName): LaterStatement => ({
  phase: 'analyzing',
  sql: `analyze ${quoteName(view)}`,
  kind: 'userCode',
  computesRows: true,
})

/** An existing view. */
export type CountedView = QualifiedName & Pick<ViewFacts, 'populated' | 'counting'>

/**
 * Counts before an operation on an existing view. An unpopulated view cannot be read, so it is not counted.
 */
export function countBefore(view: CountedView, how: RowCountStrategy): Statement[] {
  if (how === 'none' || !view.populated) return []
  return how === 'exact' ? countExactly(view, 'before') : [readEstimate(view, 'before')]
}

/** Counts the rows of an existing view; nothing if that cannot be done as its owner. */
export const countExactly = (view: CountedView, when: 'before' | 'after'): LaterStatement[] =>
  view.counting === null ? [] : [countRows(view, view.counting, when)]

/** Analyzes after the commit, so that the estimate after is up to date. */
export const estimateLater = (view: QualifiedName, how: RowCountStrategy): LaterStatement[] =>
  how === 'estimated' ? [analyze(view), readEstimate(view, 'after')] : []
