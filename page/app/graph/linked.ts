import { reached } from '../../../src/sql/walks.ts'

/** A view with the views that it reads. */
export interface Linked {
  view: string
  dependsOn: string[]
}

/** The view with everything that it reads and everything that reads it, through other views, too. */
export function around<View extends Linked>(views: View[], view: string): View[] {
  const reads = new Map(views.map((each) => [each.view, each.dependsOn]))
  const readBy = new Map<string, string[]>()
  for (const each of views)
    for (const parent of each.dependsOn) readBy.set(parent, [...(readBy.get(parent) ?? []), each.view])
  const above = reached([view], (each) => reads.get(each) ?? [])
  const below = reached([view], (each) => readBy.get(each) ?? [])
  return views.filter((each) => above.has(each.view) || below.has(each.view))
}

/** The views that read others of the list or are read by them. */
export function connected<View extends Linked>(views: View[]): View[] {
  const known = new Set(views.map(({ view }) => view))
  const linked = new Set(
    views.flatMap(({ view, dependsOn }) => {
      const parents = dependsOn.filter((parent) => known.has(parent))
      return parents.length > 0 ? [view, ...parents] : []
    }),
  )
  return views.filter(({ view }) => linked.has(view))
}
