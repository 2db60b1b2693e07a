import type { ViewDefinition } from '../../catalog/plan/definition.ts'
import { viewsNamedIn } from '../../rebuild/plan/requalify.ts'
import { displayName, quoteName } from '../../sql/names.ts'
import { reached } from '../../sql/walks.ts'
import { type AsideView, nameOf } from './items.ts'

/**
 * An item and all items that read it, directly or through each other, in the order of `items`. What a view reads that gets
 * a new definition is known only by the names in the definition.
 */
export function withReaders(item: AsideView, items: AsideView[], given: ViewDefinition[]): AsideView[] {
  const views = items.map(({ live: { view } }) => view)
  const reads = new Map(
    items.map((each) => {
      const definition = given.find((one) => quoteName(one) === quoteName(each.live.view))
      return [
        each,
        definition === undefined
          ? [...each.reads, ...(each.below ?? []).map(displayName)]
          : viewsNamedIn(definition.sql, views).map(displayName),
      ]
    }),
  )
  const found = reached([item], (read) => items.filter((each) => reads.get(each)?.includes(nameOf(read))))
  return items.filter((each) => found.has(each))
}
