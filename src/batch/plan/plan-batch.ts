import { inDependencyOrder } from '../../catalog/plan/graph.ts'
import type { BatchableView, PlannedView } from '../../record/plan/batch.ts'
import { type Exchange, unknownDuration } from '../../words/run.ts'

/** How many runs of a batch may be running at once, at most. */
export const mostConcurrent = 64

/** What an environment says about its batches. */
export interface BatchDefaults {
  /** How many views may be refreshed at once. Default: 2. */
  concurrency?: number | undefined
  exchange?: Exchange | undefined
  /** The room on disk that the shadows of one batch may take; undefined: no limit. */
  maxShadowBytes?: number | undefined
}

/**
 * Plans a batch of views: which view waits for which, and which goes first. The result has the view with the
 * longest remaining time first, and parents before children. A dependency on a view outside the batch is
 * ignored. Views that depend on each other in a circle are refused (DependencyCycle), by name. Linear in
 * views and edges, except for the sorting.
 */
export function planBatch(
  views: BatchableView[],
  dependencies: Map<string, string[]>,
  retries?: number,
): PlannedView[] {
  const unknownMs = unknownDuration(views.map(({ usualMs }) => usualMs))
  const nodes = new Map(
    views.map((view): [string, Node] => {
      const estimateMs = view.paused ? 0 : Math.round(view.usualMs ?? unknownMs)
      return [view.view, { view, reads: [], readers: [], waitsFor: 0, estimateMs, remainingMs: 0 }]
    }),
  )
  // Each name is looked up once, because a look-up of a string takes longer than all else with 100,000 views.
  for (const node of nodes.values()) {
    for (const read of dependencies.get(node.view.view) ?? []) {
      const parent = nodes.get(read)
      if (parent === undefined) continue
      node.reads.push(parent)
      parent.readers.push(node)
    }
    node.waitsFor = node.reads.length
  }
  const ready = [...nodes.values()].filter(({ waitsFor }) => waitsFor === 0)
  const ordered: Node[] = []
  for (let node = ready.pop(); node !== undefined; node = ready.pop()) {
    ordered.push(node)
    for (const reader of node.readers) if (--reader.waitsFor === 0) ready.push(reader)
  }
  // The others are in a circle, or read it.
  if (ordered.length < nodes.size) {
    const names = (some: Node[]) => some.map(({ view }) => view.view)
    inDependencyOrder(new Map([...nodes].map(([name, { reads }]) => [name, names(reads)])))
  }
  for (const node of ordered.toReversed()) {
    node.remainingMs += node.estimateMs
    for (const parent of node.reads) parent.remainingMs = Math.max(parent.remainingMs, node.remainingMs)
  }
  // The sort keeps the order of equals: parents stay before children.
  return ordered
    .sort((a, b) => b.remainingMs - a.remainingMs)
    .map(({ view, reads, estimateMs, remainingMs }) => ({
      id: view.id,
      schema: view.schema,
      name: view.name,
      parents: reads.map((parent) => parent.view.id),
      retries: retries ?? view.retries,
      retryDelaySeconds: view.retryDelaySeconds,
      estimateMs,
      remainingMs,
    }))
}

interface Node {
  view: BatchableView
  /** What the view reads of this batch, and what reads it. */
  reads: Node[]
  readers: Node[]
  /** While the views are put in order: how many of those that it reads are not yet in it. */
  waitsFor: number
  estimateMs: number
  /** While the views are gone through: the longest time after this view. */
  remainingMs: number
}

/** What `estimateRest` needs to know of a view in a batch. */
interface RestNode {
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
