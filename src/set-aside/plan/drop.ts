import { inPlaceOf } from '../../catalog/plan/rights.ts'
import { exclusiveLock } from '../../rebuild/plan/locks.ts'
import { quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/plan.ts'
import type { AsideView } from './items.ts'

/**
 * Drops what stands in the way, children first. Nothing is dropped with `cascade`, so the drops prove that nothing else
 * depends on it.
 */
export const dropStatements = (items: AsideView[]): Statement[] =>
  items
    .toReversed()
    .flatMap(({ live: { view } }) =>
      inPlaceOf(view.owner, [
        { kind: 'command', phase: 'cut-over', sql: `drop ${view.kind} ${quoteName(view)}` },
      ]),
    )

/** Locks all views exclusively, children first: readers lock them in this order, too. */
export const lockStatements = (items: AsideView[]): Statement[] =>
  items.toReversed().flatMap(({ live: { view } }) => inPlaceOf(view.owner, [exclusiveLock(view.kind, view)]))

/** Locks a table exclusively. The name is written as in SQL. */
export const lockTable = (table: string): Statement => ({
  kind: 'command',
  phase: 'locking',
  sql: `lock table ${table} in access exclusive mode`,
})
