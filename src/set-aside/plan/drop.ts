import { inPlaceOf } from '../../catalog/plan/acting.ts'
import { dropRules } from '../../rebuild/plan/attached.ts'
import { exclusiveLock } from '../../rebuild/plan/locks.ts'
import { quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/plan.ts'
import { type AsideItem, isView } from './items.ts'

/**
 * Drops what stands in the way, children first. Nothing is dropped with `cascade`, so the drops prove that nothing else
 * depends on it.
 */
export const dropStatements = (items: AsideItem[]): Statement[] => [
  ...items.flatMap((item) => (item.kind === 'policy' ? dropItem(item) : [])),
  ...items.filter(isView).flatMap(({ live }) => inPlaceOf(live.view.owner, dropRules(live))),
  ...items.toReversed().flatMap((item) => (item.kind === 'policy' ? [] : dropItem(item))),
]

function dropItem(item: AsideItem): Statement[] {
  switch (item.kind) {
    case 'view': {
      const { view } = item.live
      return inPlaceOf(view.owner, [dropping(`drop ${view.kind} ${quoteName(view)}`)])
    }
    case 'function':
      return inPlaceOf(item.owner, [dropping(`drop ${item.routine} ${item.signature}`)])
    case 'policy':
      return inPlaceOf(item.owner, [
        dropping(`drop policy ${quoteIdentifier(item.name)} on ${quoteName(item.table)}`),
      ])
  }
}

const dropping = (sql: string): Statement => ({ kind: 'command', phase: 'cut-over', sql })

/** Locks all views exclusively, children first: readers lock them in this order, too. Then the tables of policies. */
export const lockStatements = (items: AsideItem[]): Statement[] => [
  ...items.toReversed().flatMap((item) => {
    if (item.kind !== 'view') return []
    const { kind, owner } = item.live.view
    return inPlaceOf(owner, [exclusiveLock(kind, item.live.view)])
  }),
  ...items.flatMap((item) =>
    item.kind === 'policy' ? inPlaceOf(item.owner, [lockTable(quoteName(item.table))]) : [],
  ),
]

/** Locks a table exclusively. The name is written as in SQL. */
export const lockTable = (table: string): Statement => ({
  kind: 'command',
  phase: 'locking',
  sql: `lock table ${table} in access exclusive mode`,
})
