import type { BatchableView } from '../../src/batch/plan/plan.ts'

/** A view to be made, with the time that its refresh takes. */
export interface Node {
  name: string
  reads: string[]
  seconds: number
}

/** The same numbers every time, between 0 and 1. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Views of 0.1 to 2 seconds, most of them short. Each reads up to four others; names do not tell the order.
 */
export function unevenGraph(seed: number, count: number): Node[] {
  const next = random(seed)
  const names = Array.from({ length: count }, (_, at) => ({ name: `v${at}`, key: next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ name }) => name)
  return names.map((name, at) => ({
    name,
    seconds: 0.1 + 1.9 * next() ** 2,
    reads: names
      .slice(0, at)
      .filter(() => next() < 0.08)
      .slice(-4),
  }))
}

/** A graph for the planner alone: `count` views, each of which reads up to three others. */
export function plannableGraph(count: number): {
  views: BatchableView[]
  dependencies: Map<string, string[]>
} {
  const next = random(count)
  const views = Array.from({ length: count }, (_, id) => ({
    id,
    schema: 'bench',
    name: `v${id}`,
    view: `bench.v${id}`,
    inAll: true,
    schedule: null,
    timeZone: null,
    paused: false,
    retries: 1,
    retryDelaySeconds: 300,
    usualMs: next() < 0.9 ? Math.round(next() * 60_000) : null,
  }))
  const dependencies = new Map(
    views.map(({ id, view }) => {
      const reads = id === 0 ? [] : Array.from({ length: 3 }, () => `bench.v${Math.floor(next() * id)}`)
      return [view, [...new Set(reads)]]
    }),
  )
  return { views, dependencies }
}
