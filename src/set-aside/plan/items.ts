import type { ViewDefinition } from '../../catalog/plan/definition.ts'
import type { Obstacle } from '../../catalog/plan/rights.ts'
import { viewsNamedIn } from '../../rebuild/plan/requalify.ts'
import { displayName, displayPart, type QualifiedName, quoteName, type ViewName } from '../../sql/names.ts'
import { reached } from '../../sql/walks.ts'
import type { Copy } from '../../trial/plan/copy.ts'

/** A view that is taken away and made again, with all that the catalog says about it. */
export interface AsideView extends Copy {
  populated: boolean
  /** The size on disk with indexes and TOAST, as the server last knew it. */
  sizeBytes: number
  /** The relations and functions that stand below the view, as people write them. */
  reads: string[]
  below?: Below[]
  /** The query as it is frozen, if the view has that query. */
  frozen?: string
}

/**
 * A relation that an item reads, by its OID, and the names by which the item's text calls it and the columns that the item
 * reads, by their numbers. What an older version has set aside lacks this.
 */
export interface Below extends QualifiedName {
  oid: number
  columns: { number: number; name: string }[]
}

/** What stands in the way: parents before children. */
export interface InTheWay {
  items: AsideView[]
  /** What cannot be taken away and made again, and why. */
  obstacles: Obstacle[]
  /** As long as it is the same, so is what the items mean. */
  version: string
}

/** The name, as people write it; each item has another one. */
export const nameOf = ({ live }: AsideView): string => displayName(live.view)

/** The names of all items. */
export const viewsOf = (items: AsideView[]): string[] => items.map(nameOf)

/** A part of the catalog that a statement changes, so that what reads it stands in the way. */
export interface Touched {
  relation: ViewName
  /** Only readers of these columns stand in the way; null: all readers do. */
  columns: string[] | null
  /** Whether what needs a constraint of the table, such as a query grouped by its primary key, stands in the way, too. */
  constraints: boolean
  /** Whether the statement drops the relation: if it is a view, it is not made again. */
  dropped: boolean
  /** Whether the relation is locked exclusively before its readers are taken away. */
  locked: boolean
}

/** All readers of a relation. */
export const readersOf = (relation: ViewName): Touched => ({
  relation,
  columns: null,
  constraints: false,
  dropped: false,
  locked: false,
})

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

/** A relation below an item, as it is called now. */
export interface CalledNow extends QualifiedName {
  columns: { number: number; name: string }[]
}

/**
 * What was renamed since the names `below` were read, in words. A column is the same one under any name. So is a relation,
 * unless another relation has its former name: then that one has taken its place. `isTaken` says so. Pure.
 */
export const renamedSince = (
  below: Below[],
  now: Map<number, CalledNow>,
  isTaken: (name: QualifiedName) => boolean,
): string[] =>
  below.flatMap((was) => {
    const is = now.get(was.oid)
    if (is === undefined) return []
    const isRenamed = displayName(is) !== displayName(was)
    if (isRenamed && isTaken(was)) return []
    const columns = new Map(is.columns.map(({ number, name }) => [number, name]))
    return [
      ...(isRenamed ? [`${displayName(was)}, which is called ${displayName(is)} now`] : []),
      ...was.columns.flatMap(({ number, name }) => {
        const called = columns.get(number) ?? name
        return called === name
          ? []
          : [`column ${displayPart(name)} of ${displayName(was)}, which is called ${displayPart(called)} now`]
      }),
    ]
  })
