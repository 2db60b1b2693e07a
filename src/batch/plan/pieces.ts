import { parentsFirst, reached } from '../../sql/walks.ts'

/** What `piecesOf` needs to know of a view in a batch. */
interface Piece {
  id: number
  view: string
}

/**
 * The views of a batch, by their ids, in pieces of which no view reads a view of another one: what is exchanged together is decided for
 * each piece by itself. Views outside the batch join what they read, because they may come along. Views that belong to nothing are left
 * out. The order is that of `views`. `dependencies`: what each view of the database reads. Linear. Pure.
 */
export function piecesOf(views: Piece[], dependencies: Map<string, string[]>): number[][] {
  const ids = new Map(views.map(({ id, view }) => [view, id]))
  const readers = new Map<string, string[]>()
  for (const [view, reads] of dependencies)
    for (const read of reads) {
      const found = readers.get(read)
      if (found === undefined) readers.set(read, [view])
      else found.push(view)
    }
  const moving = reached(ids.keys(), (view) => readers.get(view) ?? [])
  const beside = (view: string) =>
    [...(dependencies.get(view) ?? []), ...(readers.get(view) ?? [])].filter((other) => moving.has(other))
  const placed = new Set<string>()
  const pieces: number[][] = []
  for (const { view } of views) {
    if (placed.has(view)) continue
    const piece = reached([view], beside)
    for (const each of piece) placed.add(each)
    if (piece.size > 1) pieces.push([...piece].flatMap((each) => ids.get(each) ?? []))
  }
  return pieces
}

/** All views of a batch with what was `decided` of some, parents before children; null if that changes nothing. */
export function withChanged<View extends { id: number; parents: number[]; includedBecause: string | null }>(
  views: View[],
  decided: View[],
): View[] | null {
  const before = new Map(views.map((view) => [view.id, view]))
  const isSame = ({ id, parents, includedBecause }: View) =>
    before.get(id)?.parents.length === parents.length && before.get(id)?.includedBecause === includedBecause
  if (decided.every(isSame)) return null
  const byId = new Map([...before, ...decided.map((view) => [view.id, view] as const)])
  return parentsFirst(
    [...byId.values()],
    ({ id }) => id,
    ({ parents }) => parents,
  )
}
