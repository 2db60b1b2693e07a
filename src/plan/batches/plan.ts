import { inAnyDependencyOrder } from '../views/graph.ts'
import type { Selectable } from './selection.ts'

/** How many runs of a batch may be running at once, at most. */
export const mostConcurrent = 64

/** What planning a batch needs to know of a view. */
export interface BatchableView extends Selectable {
  /** The id of the view's definition. */
  id: number
  paused: boolean
  retries: number
  retryDelaySeconds: number
  /** The view's usual duration; null if no refresh has succeeded. */
  usualMs: number | null
}

/** A view's place in a batch. */
export interface PlannedView {
  id: number
  schema: string
  name: string
  /** Ids of the views in this batch that the view reads. */
  parents: number[]
  retries: number
  retryDelaySeconds: number
  estimateMs: number
  /** The longest time from the start of this view to the end of the batch, along the views that read it. */
  remainingMs: number
}

const unknownMs = 1000

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
  const byName = new Map(views.map((view) => [view.view, view]))
  const reads = new Map(
    views.map(
      ({ view }) => [view, (dependencies.get(view) ?? []).filter((read) => byName.has(read))] as const,
    ),
  )
  const estimate = estimates(views)
  const remaining = new Map<string, number>()
  const order = inAnyDependencyOrder(reads)
  for (const view of order.toReversed()) {
    const rest = (remaining.get(view) ?? 0) + (estimate.get(view) as number)
    remaining.set(view, rest)
    for (const read of reads.get(view) ?? []) remaining.set(read, Math.max(remaining.get(read) ?? 0, rest))
  }
  const place = new Map(order.map((view, at) => [view, at]))
  return views
    .map((view) => ({
      id: view.id,
      schema: view.schema,
      name: view.name,
      parents: (reads.get(view.view) ?? []).map((read) => (byName.get(read) as BatchableView).id),
      retries: retries ?? view.retries,
      retryDelaySeconds: view.retryDelaySeconds,
      estimateMs: estimate.get(view.view) as number,
      remainingMs: remaining.get(view.view) as number,
      place: place.get(view.view) as number,
    }))
    .sort((a, b) => b.remainingMs - a.remainingMs || a.place - b.place)
    .map(({ place: _, ...planned }) => planned)
}

/** The usual duration of each view; without one, the median of the others or 1 s; 0 if the view is paused. */
function estimates(views: BatchableView[]): Map<string, number> {
  const known = views.flatMap(({ usualMs }) => (usualMs === null ? [] : [usualMs])).sort((a, b) => a - b)
  const median = known[Math.floor((known.length - 1) / 2)] ?? unknownMs
  return new Map(views.map(({ view, paused, usualMs }) => [view, paused ? 0 : Math.round(usualMs ?? median)]))
}
