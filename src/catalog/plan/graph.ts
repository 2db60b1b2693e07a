import { reached } from '../../sql/walks.ts'
import { displayName, nearest, parseName, type QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'

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
  const viewOf = new Map(nodes.flatMap(({ id, view }) => (view === null ? [] : [[id, view] as const])))
  const reads = Map.groupBy(edges, ({ from }) => from)
  const readsOf = (id: string) => (reads.get(id) ?? []).map(({ to }) => to)
  return new Map(
    [...viewOf].map(([id, view]) => {
      const read = reached(readsOf(id), (at) => (viewOf.has(at) ? [] : readsOf(at)))
      read.delete(id)
      return [view, [...read].flatMap((each) => viewOf.get(each) ?? []).sort()]
    }),
  )
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
  const plainRead = (name: string) => (reads.get(name) ?? []).filter((read) => isPlain.has(read))
  const readsOnlyViews = (plain: string) => {
    const through = [...reached([plain], plainRead)]
    const upon = through.flatMap((name) => reads.get(name) ?? []).filter((read) => !isPlain.has(read))
    return upon.length > 0 && upon.every((view) => views.has(view))
  }
  const along = reached([...views, ...[...isPlain].filter(readsOnlyViews)], plainRead)
  return inDependencyOrder(reads).filter((name) => along.has(name))
}

/** The reverse of `viewDependencies`: which views read each view. */
export function dependents(dependencies: Map<string, string[]>): Map<string, string[]> {
  const result = new Map([...dependencies.keys()].map((view) => [view, [] as string[]]))
  for (const [view, reads] of dependencies) for (const read of reads) result.get(read)?.push(view)
  return result
}

/** The views that a view reads, directly or through other views, without itself; what it reads directly comes last. */
export const viewsAbove = (view: string, dependencies: Map<string, string[]>): string[] =>
  [...reached([view], (each) => dependencies.get(each) ?? [])].slice(1).reverse()

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

/**
 * The same, but in any order if there is a choice, and without the views that depend on each other in a circle and those
 * that read them. Linear in views and edges.
 */
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

/** What a view reads by its definition, besides what it reads by the catalog. */
export interface Declared {
  schema: string
  name: string
  /** Names as SQL reads them; a name without a schema is looked for in the view's schema. */
  dependsOn: string[]
}

/**
 * The edges that definitions declare. A name may also be that of a plain view. A name that no relation has at
 * the moment makes no edge.
 */
export function declaredEdges(relations: NamedRelation[], declared: Declared[]): GraphEdge[] {
  const ids = new Map(relations.map(({ id, schema, name }) => [keyOf(schema, name), id]))
  return declared.flatMap(({ schema, name, dependsOn }) => {
    const from = ids.get(keyOf(schema, name))
    if (from === undefined) return []
    return dependsOn.flatMap((text) => {
      const to = ids.get(keyOfText(text, schema))
      return to === undefined ? [] : [{ from, to }]
    })
  })
}

/** The names in `dependsOn` that no view and no table has, in words for the author of the definition. Pure. */
export function unknownDependencies<D extends Declared>(
  definitions: D[],
  known: QualifiedName[],
): { definition: D; message: string }[] {
  const keys = new Set(known.map(({ schema, name }) => keyOf(schema, name)))
  return definitions.flatMap((definition) =>
    definition.dependsOn
      .filter((text) => !keys.has(keyOfText(text, definition.schema)))
      .map((text) => {
        const own = displayName(definition)
        const meant = nearest(
          text,
          known.map(displayName).filter((each) => each !== own),
        )
        const advice =
          meant === undefined ? 'correct it, or create that view first' : `did you mean ${meant}?`
        return { definition, message: `names ${text}, but no view or table has that name: ${advice}` }
      }),
  )
}

function keyOfText(text: string, ownSchema: string): string {
  try {
    const { schema, name } = parseName(text)
    return keyOf(schema ?? ownSchema, name)
  } catch {
    return '' // not a name, so no relation has it
  }
}

const keyOf = (schema: string, name: string): string => JSON.stringify([schema, name])
