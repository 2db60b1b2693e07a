/** A view of a batch, as far as guessing goes. Parents come before their children. */
export interface RestNode {
  id: number
  parents: number[]
  estimateMs: number
  /** It has come to its end. */
  ended: boolean
  /** Since when it is running; null where it is not. */
  elapsedMs: number | null
}

/** How long a batch will probably take from here: the longest way to its end, or all its work by so many at once. Pure. */
export function estimateRest(nodes: RestNode[], concurrency: number): number {
  const ways = new Map<number, number>()
  let longest = 0
  let work = 0
  for (const { id, parents, ended, estimateMs, elapsedMs } of nodes) {
    const own = ended ? 0 : Math.max(0, estimateMs - (elapsedMs ?? 0))
    work += own
    const way = own + Math.max(0, ...parents.map((parent) => ways.get(parent) ?? 0))
    ways.set(id, way)
    longest = Math.max(longest, way)
  }
  return Math.round(Math.max(longest, work / concurrency))
}
