import type postgres from 'postgres'
import type { Sql } from './database.ts'

/** A page of a list. `next` is the key from which the next page goes on, null on the last page. */
export interface Page<Item, Key> {
  rows: Item[]
  next: Key | null
}

/** A row of a page, and whether it is the last one of the whole list. */
export type Paged<Item> = Item & { isLast: boolean }

/**
 * The most bytes of JSON that the rows of a page have, besides the last row: a page of rows with long texts
 * has fewer rows, so that it fits into memory and into an answer.
 */
const mostBytes = 2_500_000

/**
 * The common table expression `page`: the keys of the newest rows of `found`, which selects `key` and `bytes`.
 * At most `limit` rows, and at least one.
 */
export const newestPage = (sql: Sql, found: postgres.PendingQuery<postgres.Row[]>, limit: number) => sql`
  found as materialized (${found} order by key desc limit ${limit + 1}),
  page as (
    select * from (
      select key, key = min(key) over () as is_last, row_number() over newest as place, sum(bytes) over newest - bytes as before
        from found window newest as (order by key desc)) sized
     where place <= ${limit} and before < ${mostBytes})`

/** The page that these rows make. */
export function pageOf<Item, Key>(rows: Paged<Item>[], keyOf: (row: Item) => Key): Page<Item, Key> {
  const last = rows.at(-1)
  return {
    rows: rows.map(({ isLast: _, ...row }) => row as unknown as Item),
    next: last === undefined || last.isLast ? null : keyOf(last),
  }
}
