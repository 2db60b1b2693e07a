import type { LiveView } from '../../catalog/plan/live-view.ts'
import type { Obstacle } from '../../catalog/plan/rights.ts'
import { displayName, displayPart, type QualifiedName, type ViewName } from '../../sql/names.ts'

/** A view that is taken away and made again, with all that the catalog says about it. */
export interface AsideView {
  kind: 'view'
  live: LiveView
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

/** A function with a parsed body (`begin atomic`) that reads a relation. Roles are written as SQL writes them. */
export interface AsideFunction {
  kind: 'function'
  /** `function` or `procedure`. */
  routine: string
  schema: string
  /** The name with the types of its arguments, as SQL writes it: `app.total(integer)`. */
  signature: string
  owner: string
  /** The whole statement that makes it, without a semicolon. */
  definition: string
  comment: string | null
  /** The grants; null if nobody ever granted or revoked anything. */
  grants: { grantor: string; grantee: string; grantable: boolean }[] | null
  extensions: string[]
  reads: string[]
  below?: Below[]
}

/** A policy that reads a relation. Roles are written as SQL writes them. */
export interface AsidePolicy {
  kind: 'policy'
  name: string
  table: QualifiedName
  /** The owner of the table. */
  owner: string
  /** What follows the table in `create policy name on table`. */
  rest: string
  comment: string | null
  reads: string[]
  below?: Below[]
}

/** Something that stands in the way of a change of a relation, and that can be made again. */
export type AsideItem = AsideView | AsideFunction | AsidePolicy

/** What stands in the way: parents before children, policies last. */
export interface InTheWay {
  items: AsideItem[]
  /** What cannot be taken away and made again, and why. */
  obstacles: Obstacle[]
}

/** As people name it: `view app.sales`, `policy own_rows on app.orders`. */
export const describeItem = (item: AsideItem): string =>
  item.kind === 'view'
    ? `${item.live.view.kind} ${nameOf(item)}`
    : item.kind === 'function'
      ? `${item.routine} ${item.signature}`
      : nameOf(item)

/** The name, as people write it; each item of a kind has another one. */
export const nameOf = (item: AsideItem): string =>
  item.kind === 'view'
    ? displayName(item.live.view)
    : item.kind === 'function'
      ? item.signature
      : `policy ${displayPart(item.name)} on ${displayName(item.table)}`

export const isView = (item: AsideItem): item is AsideView => item.kind === 'view'

/** The names of the views among the items. */
export const viewsOf = (items: AsideItem[]): string[] => items.filter(isView).map(nameOf)

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

/** What may be gone for a while. A policy may not: without it, others could see or change rows that they must not. */
export const rememberedKinds = ['view', 'function'] as const
