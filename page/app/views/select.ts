import type { View } from '../api/types.ts'
import { isOpen } from '../words/standing.ts'
import { usedOf } from '../words/used.ts'

/** The states that the list of views can be narrowed to. */
export const states = ['stale', 'failed', 'running', 'paused', 'missing', 'unpopulated'] as const
export type State = (typeof states)[number]

const isIn: Record<State, (view: View) => boolean> = {
  stale: ({ stale }) => stale,
  failed: ({ lastRun }) => lastRun?.status === 'failed',
  running: ({ lastRun }) => lastRun !== null && isOpen(lastRun.status),
  paused: ({ paused }) => paused,
  missing: ({ missing }) => missing,
  unpopulated: ({ populated, missing }) => !populated && !missing,
}

/** How many views are in each state. */
export const countStates = (views: View[]): Record<State, number> =>
  Object.fromEntries(states.map((state) => [state, views.filter(isIn[state]).length])) as Record<
    State,
    number
  >

/** The orders of the list; each begins with what matters most. */
export const sorts = ['urgency', 'name', 'age', 'duration', 'rows', 'size', 'next'] as const
type Sort = (typeof sorts)[number]

const last = Number.POSITIVE_INFINITY

/** Small numbers come first. */
const rank: Record<Exclude<Sort, 'name'>, (view: View) => number> = {
  urgency: (view) =>
    view.missing ? -last : isIn.failed(view) ? -1e9 : isIn.unpopulated(view) ? -1e8 : -(usedOf(view) ?? 0),
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
  const fits = isIn[state as State] ?? (() => true)
  const chosen = views.filter(
    (view) => fits(view) && words.every((word) => view.view.toLowerCase().includes(word)),
  )
  const by = rank[sort as keyof typeof rank]
  return chosen.sort((a, b) => (by ? compare(by(a), by(b)) : 0) || a.view.localeCompare(b.view))
}

/** Infinities are equal to themselves, and their difference is no number. */
const compare = (a: number, b: number) => (a === b ? 0 : a < b ? -1 : 1)
