import { Problem } from '../../problem.ts'
import { dependents } from '../views/graph.ts'
import { matchesGlob } from './glob.ts'

/** Which views a batch is asked for: one of the first three, or nothing, which is all. */
export interface SelectionRequest {
  all?: boolean | undefined
  /** Names as SQL reads them, or ids. */
  views?: string[] | undefined
  /** A glob on `schema.name`: `sales.*`. */
  pattern?: string | undefined
  /** Also everything that these read. */
  ancestors?: boolean | undefined
  /** Also everything that reads these. */
  descendants?: boolean | undefined
}

/** A selection written in the one way in which equal ones are equal; views by their names as SQL writes them. */
export type Selection = ({ all: true } | { views: string[] } | { pattern: string }) & {
  ancestors?: true
  descendants?: true
}

/** What selecting needs to know of a view. */
export interface Selectable {
  schema: string
  name: string
  /** The name as SQL would write it. */
  view: string
  /** Whether it is one of all. */
  inAll: boolean
}

/** Refuses a selection that asks for nothing, or for several things at once, naming the field. Empty ones never get here. */
export function insistOnSelection({ all, views, pattern }: SelectionRequest): void {
  const asked = Object.entries({ all: all || undefined, views, pattern }).filter(
    ([, value]) => value !== undefined,
  )
  if (asked.length > 1) {
    const names = asked.map(([name]) => name)
    throw invalid(
      names[1] as string,
      `it cannot be asked for together with ${names[0]}. Ask for one of all, views, pattern.`,
    )
  }
  if (all === false && asked.length === 0)
    throw invalid('all', 'it is false, and neither views nor pattern is asked for.')
}

/** The canonical form of a selection; `named` are the names in `views`, as SQL would write them. */
export function canonicalSelection(request: SelectionRequest, named: string[]): Selection {
  const { pattern, ancestors, descendants } = request
  return {
    ...(pattern !== undefined
      ? { pattern }
      : request.views !== undefined
        ? { views: [...new Set(named)].sort() }
        : { all: true }),
    ...(ancestors ? { ancestors: true } : {}),
    ...(descendants ? { descendants: true } : {}),
  }
}

/**
 * The views that are selected, of those there are. `dependencies` says which views each view reads. Names that no view
 * has are refused with UnknownView, and what selects nothing with InvalidRequest, each naming the field.
 */
export function selectViews<View extends Selectable>(
  views: View[],
  dependencies: Map<string, string[]>,
  selection: Selection,
): View[] {
  const chosen = new Set(chooseViews(views, selection))
  if (chosen.size === 0) {
    const why =
      'pattern' in selection
        ? `no view's schema.name is like ${JSON.stringify(selection.pattern)}.`
        : 'there is no view to refresh.'
    throw invalid('pattern' in selection ? 'pattern' : 'all', why)
  }
  const start = [...chosen]
  if (selection.ancestors) reach(start, dependencies, chosen)
  if (selection.descendants) reach(start, dependents(dependencies), chosen)
  return views.filter(({ view }) => chosen.has(view))
}

function chooseViews(views: Selectable[], selection: Selection): string[] {
  if ('views' in selection) {
    const there = new Set(views.map(({ view }) => view))
    const unknown = selection.views.filter((view) => !there.has(view))
    if (unknown.length === 0) return selection.views
    throw new Problem(
      'UnknownView',
      `views: there is no materialized view ${firstOf(unknown)} in this database.`,
      { field: 'views' },
    )
  }
  const wanted =
    'pattern' in selection
      ? ({ schema, name }: Selectable) => matchesGlob(selection.pattern, `${schema}.${name}`)
      : ({ inAll }: Selectable) => inAll
  return views.filter(wanted).map(({ view }) => view)
}

const mostTold = 10

/** No refusal grows with its request. */
const firstOf = (names: string[]): string =>
  names.length <= mostTold
    ? names.join(', ')
    : `${names.slice(0, mostTold).join(', ')} (nor ${names.length - mostTold} more)`

/** Adds all that can be reached. */
function reach(from: string[], edges: Map<string, string[]>, found: Set<string>): void {
  const seen = new Set(from)
  const open = [...from]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const next of edges.get(at) ?? []) {
      if (seen.has(next)) continue
      seen.add(next)
      found.add(next)
      open.push(next)
    }
  }
}

const invalid = (field: string, why: string): Problem =>
  new Problem('InvalidRequest', `${field}: ${why}`, { field })
