import { Problem } from '../../problem.ts'

/** Something in the catalog that may stand between views: a relation or a function. */
export interface GraphNode {
  id: string
  /** The view's name as SQL writes it; null if the node is not a materialized view. */
  view: string | null
}

/** A relation that the `dependsOn` of a definition may name. */
export interface NamedRelation {
  id: string
  schema: string
  name: string
}

/** `from` reads `to`. */
export interface GraphEdge {
  from: string
  to: string
}

/**
 * Which views each view reads, directly or through plain views and functions, but not through other views,
 * because those have their own entries. Every view has an entry. Linear in nodes and edges for each view.
 */
export function viewDependencies(nodes: GraphNode[], edges: GraphEdge[]): Map<string, string[]> {
  const viewOf = new Map(nodes.map(({ id, view }) => [id, view]))
  return namesRead(nodes, edges, (id) => viewOf.get(id))
}

/**
 * Which views and plain views go along with these views, each after all that it reads: the views themselves, the plain views
 * that they read through, and the plain views that read only them.
 */
export function withPlainViews(
  views: ReadonlySet<string>,
  nodes: (GraphNode & { plain: string | null })[],
  edges: GraphEdge[],
): string[] {
  const isPlain = new Set(nodes.flatMap(({ plain }) => plain ?? []))
  const reads = viewDependencies(
    nodes.map(({ id, view, plain }) => ({ id, view: view ?? plain })),
    edges,
  )
  const along = new Set<string>()
  const take = (name: string) => {
    if (along.has(name)) return
    along.add(name)
    for (const read of reads.get(name) ?? []) if (isPlain.has(read)) take(read)
  }
  for (const view of views) take(view)
  const order = inDependencyOrder(reads)
  // What a plain view reads comes first in the order, so it is known by then which views a plain view can be made upon.
  const upon = new Map<string, Set<string>>()
  for (const name of order.filter((each) => isPlain.has(each))) {
    const found = new Set(
      (reads.get(name) ?? []).flatMap((read) => (isPlain.has(read) ? [...(upon.get(read) ?? [])] : [read])),
    )
    upon.set(name, found)
    if (found.size > 0 && [...found].every((view) => views.has(view))) take(name)
  }
  return order.filter((name) => along.has(name))
}

/** The names of all nodes that each view reaches without passing through another view. */
function namesRead(
  nodes: GraphNode[],
  edges: GraphEdge[],
  nameOf: (id: string) => string | null | undefined,
): Map<string, string[]> {
  const views = new Set(nodes.flatMap(({ id, view }) => (view === null ? [] : [id])))
  const reads = Map.groupBy(edges, ({ from }) => from)
  const names = new Map<string, string[]>()
  for (const { id, view } of nodes) {
    if (view === null) continue
    const seen = new Set([id])
    const open = [id]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const { to } of reads.get(at) ?? []) {
        if (seen.has(to)) continue
        seen.add(to)
        if (!views.has(to)) open.push(to)
      }
    }
    seen.delete(id)
    names.set(view, [...seen].flatMap((reached) => nameOf(reached) ?? []).sort())
  }
  return names
}

/** The reverse of `viewDependencies`: which views read each view. */
export function dependents(dependencies: Map<string, string[]>): Map<string, string[]> {
  const result = new Map([...dependencies.keys()].map((view) => [view, [] as string[]]))
  for (const [view, reads] of dependencies) for (const read of reads) result.get(read)?.push(view)
  return result
}

/** The views that a view reads, directly or through other views, without itself; what it reads directly comes last. */
export function viewsAbove(view: string, dependencies: Map<string, string[]>): string[] {
  const seen = new Set([view])
  for (const each of seen) for (const read of dependencies.get(each) ?? []) seen.add(read)
  return [...seen].slice(1).reverse()
}

/**
 * Sorts views: each comes after all views that it reads, and by name if that leaves a choice. A dependency on
 * a view that has no entry is ignored. Views that depend on each other in a circle are refused
 * (DependencyCycle), by name.
 */
export const inDependencyOrder = (dependencies: Map<string, string[]>): string[] =>
  insistOnAll(
    ordered(dependencies, (ready) => ready.sort().reverse()),
    dependencies,
  )

/** The same, but in any order if there is a choice: linear in views and edges. */
export const inAnyDependencyOrder = (dependencies: Map<string, string[]>): string[] =>
  insistOnAll(outsideCircles(dependencies), dependencies)

/** The same, without the views that depend on each other in a circle and those that read them. */
export const outsideCircles = (dependencies: Map<string, string[]>): string[] =>
  ordered(dependencies, () => {})

/** `arrange` puts the view that comes next to the end of those that are ready. */
function ordered(dependencies: Map<string, string[]>, arrange: (ready: string[]) => void): string[] {
  const waiting = new Map(
    [...dependencies].map(([view, reads]) => [view, reads.filter((read) => dependencies.has(read)).length]),
  )
  const readers = dependents(dependencies)
  const ready = [...waiting].filter(([, count]) => count === 0).map(([view]) => view)
  const order: string[] = []
  while (ready.length > 0) {
    arrange(ready)
    const view = ready.pop() as string
    order.push(view)
    for (const reader of readers.get(view) ?? []) {
      const left = (waiting.get(reader) as number) - 1
      waiting.set(reader, left)
      if (left === 0) ready.push(reader)
    }
  }
  return order
}

/**
 * Refuses a circle. A view that never became ready is in a circle or reads another one that never became
 * ready: so going from one to the next leads into the circle.
 */
function insistOnAll(order: string[], dependencies: Map<string, string[]>): string[] {
  if (order.length === dependencies.size) return order
  const ready = new Set(order)
  const stuck = (view: string) => dependencies.has(view) && !ready.has(view)
  const path: string[] = []
  let at = [...dependencies.keys()].find(stuck) as string
  while (!path.includes(at)) {
    path.push(at)
    at = dependencies.get(at)?.find(stuck) as string
  }
  const circle = path.slice(path.indexOf(at))
  const first = circle.indexOf(circle.toSorted()[0] as string)
  const said = [...circle.slice(first), ...circle.slice(0, first), circle[first]].join(' -> ')
  throw new Problem(
    'DependencyCycle',
    `These views depend on each other in a circle: ${said}. At least one of these dependencies is in the dependsOn of a ` +
      'definition: remove it there.',
    { field: 'dependsOn' },
  )
}
