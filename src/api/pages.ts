import { Problem } from '../problem.ts'
import { firstFitting } from './size.ts'

/** A page of a list in an answer. `next` is the `cursor` of the next page, null on the last one. */
interface Page<Item> {
  page: Item[]
  next: string | null
}

/** As many of these items, a page by their number, as fit into an answer. `next` is what follows all of them. */
export function pageByKey<Item>(
  items: Item[],
  next: number | null,
  keyOf: (item: Item) => number,
): Page<Item> {
  const page = firstFitting(items)
  const last = page.at(-1)
  const key = page.length < items.length && last !== undefined ? keyOf(last) : next
  return { page, next: key === null ? null : String(key) }
}

/** As many of the views after `cursor`, in the order of their names, as fit into an answer. */
export function pageByName<Item extends { view: string }>(
  items: Item[],
  cursor: string | undefined,
): Page<Item> {
  const left = items
    .filter(({ view }) => cursor === undefined || view > cursor)
    .sort((one, other) => (one.view < other.view ? -1 : 1))
  return pageOf(left, firstFitting(left))
}

/** As many of the views after the one that `cursor` names, in the order that they have, as fit into `most` bytes. */
export function pageInOrder<Item extends { view: string }>(
  items: Item[],
  cursor: string | undefined,
  most: number,
): Page<Item> {
  const at = items.findIndex(({ view }) => view === cursor)
  if (cursor !== undefined && at === -1) {
    throw new Problem('InvalidRequest', 'cursor: must be the `next` of the page before', { field: 'cursor' })
  }
  const left = items.slice(at + 1)
  return pageOf(left, firstFitting(left, most))
}

const pageOf = <Item extends { view: string }>(left: Item[], page: Item[]): Page<Item> => ({
  page,
  next: page.length < left.length ? (page.at(-1)?.view ?? null) : null,
})
