import { quoteIdentifier } from '../../sql/names.ts'

/** A table, or a part of one that has rows of its own. */
export interface Leaf {
  oid: number
  pages: number
}

/** More rows than a page of 32 kB can have. */
const mostInPage = 2048

/** A part of a table's rows, by their places in its pages, up to `to` and without it. */
export interface RowRange {
  from: number
  to: number
}

/** How many places for rows there are. */
export const rowsIn = (leaves: Leaf[]): number =>
  leaves.reduce((sum, { pages }) => sum + pages * mostInPage, 0)

const ctidOf = (at: number): string => `(${Math.floor(at / mostInPage)},${at % mostInPage})`

/** The condition, in SQL, for the rows of a part. */
export function conditionOf(leaves: Leaf[], { from, to }: RowRange, called: string): string {
  const alias = quoteIdentifier(called)
  let begin = 0
  const parts = leaves.flatMap((leaf) => {
    const size = leaf.pages * mostInPage
    const [low, high] = [Math.max(from - begin, 0), Math.min(to - begin, size)]
    begin += size
    return low < high
      ? [
          `${alias}.tableoid = ${leaf.oid} and ${alias}.ctid >= '${ctidOf(low)}'::tid and ${alias}.ctid < '${ctidOf(high)}'::tid`,
        ]
      : []
  })
  return parts.length === 0 ? 'false' : parts.map((each) => `(${each})`).join(' or ')
}

/** Where the server keeps the row at a place. */
export function placeOf(leaves: Leaf[], at: number): { oid: number; ctid: string } {
  let within = at
  for (const { oid, pages } of leaves) {
    if (within < pages * mostInPage) return { oid, ctid: ctidOf(within) }
    within -= pages * mostInPage
  }
  throw new Error(`no row ${at}`)
}

/** Makes a part with which the query fails as small as the query lets it: halves, then the first and the last row. */
export async function narrow(part: RowRange, failsWith: (part: RowRange) => Promise<boolean>): Promise<void> {
  const middle = () => Math.floor((part.from + part.to) / 2)
  while (part.to - part.from > 1) {
    const at = middle()
    if (await failsWith({ from: part.from, to: at })) part.to = at
    else if (await failsWith({ from: at, to: part.to })) part.from = at
    else break
  }
  // Rows of both halves, only together: without the last of them the query works, and without the first.
  for (let low = part.from + 1; low < part.to; ) {
    const at = Math.floor((low + part.to) / 2)
    if (await failsWith({ from: part.from, to: at })) part.to = at
    else low = at + 1
  }
  for (let high = part.to - 1; high > part.from; ) {
    const at = Math.ceil((high + part.from) / 2)
    if (await failsWith({ from: at, to: part.to })) part.from = at
    else high = at - 1
  }
}
