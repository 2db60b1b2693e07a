import { inAnyDependencyOrder } from '../views/graph.ts'
import type { Selectable } from './selection.ts'

/** As many runs of a batch may be running at once, at most. */
export const mostConcurrent = 64

/** What planning a batch needs to know of a view. */
export interface BatchableView extends Selectable {
  /** Of its definition. */
  id: number
  paused: boolean
  retries: number
  retryDelaySeconds: number
  /** How long its last successes took, on average; null where there was none. */
  usualMs: number | null
}

/** A view's place in a batch. */
export interface PlannedView {
  id: number
  schema: string
  name: string
  /** Ids of the views of this batch that it reads. */
  parents: number[]
  retries: number
  retryDelaySeconds: number
  estimateMs: number
  /** The longest way from here to the end of the batch, this view included. */
  remainingMs: number
}

const unknownMs = 1000

/**
 * Plans a batch of these views: who waits for whom, and who goes first, being at the start of the longest way to the
 * end. A dependency on a view that is not among them does not count. Comes in that order, parents before children.
 * Refuses a circle (DependencyCycle) by the names in it. Linear in views and edges, but for the sorting.
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

/** By history; a view without any takes as long as the one in the middle of those that have, and a paused one no time. */
function estimates(views: BatchableView[]): Map<string, number> {
  const known = views
    .flatMap(({ usualMs: averageMs }) => (averageMs === null ? [] : [averageMs]))
    .sort((a, b) => a - b)
  const usual = known[Math.floor((known.length - 1) / 2)] ?? unknownMs
  return new Map(
    views.map(({ view, paused, usualMs: averageMs }) => [view, paused ? 0 : Math.round(averageMs ?? usual)]),
  )
}
