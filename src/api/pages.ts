import * as z from 'zod/mini'
import { Problem } from '../words/problem.ts'
import { described, mostInteger, text, whole } from './request-fields.ts'
import { firstFitting } from './size.ts'

// What lists take, and their pages.

/** A moment, with its zone. */
export const moment = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-11-20T09:00:00Z' })
  .check(z.refine((text) => !text.startsWith('0000'), 'there is no year 0'))

export const limit = z._default(whole(200), 50)

/** The cursor of a list by number. */
export const numberCursor = described(z.optional(whole(mostInteger)), {
  description: 'The `next` of the page before.',
})

/** The cursor of a list by name. */
export const nameCursor = described(z.optional(text(1000)), {
  description: 'The `next` of the page before. A list has pages only if it is too large for one answer.',
})

/** A page of a list in an answer. `next` is the `cursor` of the next page, null on the last one. */
interface AnswerPage<Item> {
  page: Item[]
  next: string | null
}

/** As many of these items, a page by their number, as fit into an answer. `next` is what follows all of them. */
export function pageByKey<Item>(
  items: Item[],
  next: number | null,
  keyOf: (item: Item) => number,
): AnswerPage<Item> {
  const page = firstFitting(items)
  const last = page.at(-1)
  const key = page.length < items.length && last !== undefined ? keyOf(last) : next
  return { page, next: key === null ? null : String(key) }
}

/** As many of the views after `cursor`, in the order of their names, as fit into an answer. */
export function pageByName<Item extends { view: string }>(
  items: Item[],
  cursor: string | undefined,
): AnswerPage<Item> {
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
): AnswerPage<Item> {
  const at = items.findIndex(({ view }) => view === cursor)
  if (cursor !== undefined && at === -1) {
    throw new Problem('InvalidRequest', 'cursor: must be the `next` of the page before', { field: 'cursor' })
  }
  const left = items.slice(at + 1)
  return pageOf(left, firstFitting(left, most))
}

const pageOf = <Item extends { view: string }>(left: Item[], page: Item[]): AnswerPage<Item> => ({
  page,
  next: page.length < left.length ? (page.at(-1)?.view ?? null) : null,
})

/** What a query narrows a list to, from the page that it names. */
export const filterOf = <
  Query extends { since?: string | undefined; until?: string | undefined; cursor?: number | undefined },
>({
  since,
  until,
  cursor,
  ...filter
}: Query) => ({
  ...filter,
  ...(since === undefined ? {} : { since: new Date(since) }),
  ...(until === undefined ? {} : { until: new Date(until) }),
  ...(cursor === undefined ? {} : { before: cursor }),
})
