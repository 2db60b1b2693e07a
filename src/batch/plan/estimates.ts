/** What nobody knows anything about is thought to take so long, in milliseconds. */
const unknownMs = 1000

/** How long a refresh takes whose usual duration nobody knows, in milliseconds: the median of those that are known, or a second. */
export function unknownDuration(usual: (number | null)[]): number {
  const known = usual.filter((ms) => ms !== null).sort((a, b) => a - b)
  return known[Math.floor((known.length - 1) / 2)] ?? unknownMs
}

/** What `estimateRest` needs to know of a view in a batch. */
export interface RestNode {
  id: number
  parents: number[]
  estimateMs: number
  /** Whether the view has ended. */
  ended: boolean
  /** For how long a run of the view has been running; null if none is. */
  elapsedMs: number | null
  /** How long the view still waits before it may be tried again. */
  waitMs: number
}

/**
 * Estimates how long a batch will still take: the longest chain of views, or all work divided by
 * `concurrency`, whichever is longer. A wait before a retry lengthens its chain, but is no work. Parents come before their
 * children in `nodes`. Pure.
 */
export function estimateRest(nodes: RestNode[], concurrency: number): number {
  const ways = new Map<number, number>()
  let longest = 0
  let work = 0
  for (const { id, parents, ended, estimateMs, elapsedMs, waitMs } of nodes) {
    const own = ended ? 0 : Math.max(0, estimateMs - (elapsedMs ?? 0))
    work += own
    const start = Math.max(ended ? 0 : waitMs, ...parents.map((parent) => ways.get(parent) ?? 0))
    const way = own + start
    ways.set(id, way)
    longest = Math.max(longest, way)
  }
  return Math.round(Math.max(longest, work / concurrency))
}
