import { Problem } from '../problem.ts'

/** Something in the catalog that may stand between views: a relation or a function. */
export interface GraphNode {
  id: string
  /** The view's name as SQL would write it; null for what is not a materialized view. */
  view: string | null
}

/** `from` reads `to`. */
export interface GraphEdge {
  from: string
  to: string
}

/**
 * Which views each view reads, directly or through plain views and functions, but not through other views:
 * those are already refreshed for their own sake. Every view has an entry. Linear in nodes and edges per view.
 */
export function viewDependencies(nodes: GraphNode[], edges: GraphEdge[]): Map<string, string[]> {
  const viewOf = new Map(nodes.map(({ id, view }) => [id, view]))
  const reads = Map.groupBy(edges, ({ from }) => from)
  const dependencies = new Map<string, string[]>()
  for (const { id, view } of nodes) {
    if (view === null) continue
    const found = new Set<string>()
    const seen = new Set([id])
    const open = [id]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const { to } of reads.get(at) ?? []) {
        if (seen.has(to)) continue
        seen.add(to)
        const reached = viewOf.get(to)
        if (reached) found.add(reached)
        else open.push(to)
      }
    }
    dependencies.set(view, [...found].sort())
  }
  return dependencies
}

/** The reverse: which views read each view. */
export function dependents(dependencies: Map<string, string[]>): Map<string, string[]> {
  const result = new Map([...dependencies.keys()].map((view) => [view, [] as string[]]))
  for (const [view, reads] of dependencies) for (const read of reads) result.get(read)?.push(view)
  return result
}

/**
 * Views in an order in which each comes after all that it reads; by name where the order is free.
 * A dependency on a view that is not among them does not count. Throws InvalidRequest on a cycle, naming it.
 */
export function inDependencyOrder(dependencies: Map<string, string[]>): string[] {
  const waiting = new Map(
    [...dependencies].map(([view, reads]) => [view, reads.filter((read) => dependencies.has(read)).length]),
  )
  const readers = dependents(dependencies)
  const ready = [...waiting].filter(([, count]) => count === 0).map(([view]) => view)
  const order: string[] = []
  while (ready.length > 0) {
    ready.sort().reverse()
    const view = ready.pop() as string
    order.push(view)
    for (const reader of readers.get(view) ?? []) {
      const left = (waiting.get(reader) as number) - 1
      waiting.set(reader, left)
      if (left === 0) ready.push(reader)
    }
  }
  if (order.length < dependencies.size) {
    const stuck = [...waiting]
      .filter(([view, left]) => left > 0 && !order.includes(view))
      .map(([view]) => view)
    throw new Problem(
      'InvalidRequest',
      `These views depend on each other in a circle, or on one: ${stuck.join(', ')}.`,
    )
  }
  return order
}
