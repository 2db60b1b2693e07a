import type { View } from '../../../src/edge/http/schemas/answers.ts'
import { byUrgency, type Filter, filterNames, filters } from '../../../src/plan/diagnosis/state.ts'

/** How many views are in each state that the list can be narrowed to. */
export const countStates = (views: View[]): Record<Filter, number> =>
  Object.fromEntries(filterNames.map((state) => [state, views.filter(filters[state]).length])) as Record<
    Filter,
    number
  >

/** The orders of the list; each begins with what matters most. */
export const sorts = ['urgency', 'name', 'age', 'duration', 'rows', 'size', 'next'] as const
type Sort = (typeof sorts)[number]

const last = Number.POSITIVE_INFINITY

/** Small numbers come first. */
const rank: Record<Exclude<Sort, 'name' | 'urgency'>, (view: View) => number> = {
  age: ({ staleMs }) => -(staleMs ?? last),
  duration: ({ lastRun }) => -(lastRun?.durationMs ?? -1),
  rows: ({ estimatedRows }) => -(estimatedRows ?? -1),
  size: ({ sizeBytes }) => -(sizeBytes ?? -1),
  next: ({ nextRun }) => (nextRun === null ? last : Date.parse(nextRun)),
}

/** The views of a state whose names have all the words, in this order. Unknown states and orders change nothing. */
export function select(
  views: View[],
  { q = '', state = '', sort = 'urgency' }: Record<string, string>,
): View[] {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean)
  const fits = filters[state as Filter] ?? (() => true)
  const chosen = views.filter(
    (view) => fits(view) && words.every((word) => view.view.toLowerCase().includes(word)),
  )
  const by = rank[sort as keyof typeof rank]
  if (sort === 'urgency') return byUrgency(chosen)
  return chosen.sort((a, b) => (by ? compare(by(a), by(b)) : 0) || a.view.localeCompare(b.view))
}

/** Infinities are equal to themselves, and their difference is no number. */
const compare = (a: number, b: number) => (a === b ? 0 : a < b ? -1 : 1)
