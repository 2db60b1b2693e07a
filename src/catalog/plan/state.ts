import { duration, moment } from '../../sql/words.ts'
import type { Retry, ViewFacts } from './facts.ts'

/** How much something matters: the colours of the command line and of the page follow it. */
export type Tone = 'bad' | 'warn' | 'held' | 'busy' | 'idle' | 'good'

/** What decides how a view stands: its facts, and who holds it back. */
export type Judged = Pick<
  ViewFacts,
  | 'missing'
  | 'aside'
  | 'populated'
  | 'failure'
  | 'leftOutSince'
  | 'stale'
  | 'asOf'
  | 'pausedSince'
  | 'maxStaleMs'
> & {
  /** The view to fix first, because this one waits for it, or shows its old data; null: none is. */
  culprit: string | null
}

interface StateWords {
  word: string
  tone: Tone
  is: (view: Judged) => boolean
}

/** Whether a refresh of the view itself failed, and none has succeeded since. */
export const fails = ({ failure }: Pick<ViewFacts, 'failure'>): boolean =>
  failure !== null && failure.class !== 'NotExchanged'

/** Whether the last attempt did not come to the view, or was undone, because another view failed. */
export const isLeftOut = ({ failure, leftOutSince }: Pick<ViewFacts, 'failure' | 'leftOutSince'>): boolean =>
  leftOutSince !== null || failure?.class === 'NotExchanged'

/**
 * How a view stands: the first of these that is true. A view that fails is failed; one that waits for it is held back by it. Fresh is no view whose
 * data may be too old, whose last attempt failed, or of whose data nobody knows the age.
 */
export const states = {
  missing: { word: 'missing', tone: 'bad', is: ({ missing, aside }) => missing && !aside },
  aside: { word: 'set aside', tone: 'bad', is: ({ aside }) => aside !== null },
  failed: { word: 'failed', tone: 'bad', is: fails },
  unpopulated: { word: 'unpopulated', tone: 'bad', is: ({ populated }) => !populated },
  heldBack: { word: 'held back', tone: 'warn', is: (view) => view.culprit !== null || isLeftOut(view) },
  stale: { word: 'stale', tone: 'warn', is: ({ stale }) => stale },
  paused: { word: 'paused', tone: 'held', is: ({ pausedSince }) => pausedSince !== null },
  unknown: { word: 'unknown', tone: 'warn', is: ({ asOf }) => asOf === null },
  unlimited: { word: 'no limit', tone: 'idle', is: ({ maxStaleMs }) => maxStaleMs === null },
  fresh: { word: 'fresh', tone: 'good', is: () => true },
} as const satisfies Record<string, StateWords>
export type AnyState = keyof typeof states

/** The word and the tone of a state, for people. An older version does not tell the state, a newer one may have another. */
export const wordsOfState = (state: AnyState | undefined): { word: string; tone: Tone } =>
  states[state as AnyState] ?? { word: 'state not told', tone: 'idle' }

export const anyStates = Object.keys(states) as AnyState[]

/** How a view stands. */
export const stateOf = (view: Judged): AnyState =>
  anyStates.find((state) => states[state].is(view)) as AnyState

/** What `GET /views` says of how a view stands. */
export interface ListedState {
  view: string
  state: AnyState
  culprit: string | null
  missing: boolean
  populated: boolean
  stale: boolean
  paused: boolean
  asOf: Date | string | null
  staleMs: number | null
  maxStaleMs: number | null
  lastRun: { status: string } | null
  aside: { since: Date | string; by: string } | null
}

/** `retries at 09:14 UTC after: division by zero` */
export function retryText({ at, message }: Retry, view: string, now: Date): string {
  const why = message?.startsWith(`${view}: `) ? message.slice(view.length + 2) : message
  const when = new Date(at) > now ? `at ${moment(at, now)}` : 'now'
  return `retries ${when}${why ? ` after: ${why}` : ''}`
}

/** The age of a view's data. One that nobody knows is at least the time since the last success. */
export const ageText = ({ staleMs, asOf }: { staleMs: number | null; asOf: Date | string | null }): string =>
  staleMs === null ? 'never refreshed' : `${asOf === null ? '>' : ''}${duration(staleMs)}`

/** The same where there is room for words: `26 h old`. */
export function oldText({ staleMs, asOf }: Pick<ListedState, 'staleMs' | 'asOf'>): string {
  if (staleMs === null) return 'never refreshed'
  return asOf === null ? `age unknown, at least ${duration(staleMs)}` : `${duration(staleMs)} old`
}

/** What a list of views can be narrowed to. */
export const filters = {
  stale: ({ stale, state }) => stale || state === 'unknown',
  failed: ({ state }) => state === 'failed',
  heldBack: ({ state }) => state === 'heldBack',
  unknown: ({ state }) => state === 'unknown',
  running: ({ lastRun }) => lastRun?.status === 'running',
  paused: ({ paused }) => paused,
  aside: ({ aside }) => Boolean(aside),
  missing: ({ state }) => state === 'missing',
  unpopulated: ({ populated, missing, aside }) => !populated && !missing && !aside,
} satisfies Record<string, (view: ListedState) => boolean>
export type Filter = keyof typeof filters
export const filterNames = Object.keys(filters) as Filter[]

const urgencyOf = ({ state }: ListedState): number => anyStates.indexOf(state)

/**
 * Views in order: the most urgent first, of the stale ones the most overdue, then by name; but below a view stand those that it holds
 * back.
 */
export function byUrgency<View extends ListedState>(views: View[]): View[] {
  const byName = new Map(views.map((view) => [view.view, view]))
  const culpritOf = (view: View): View => {
    const culprit = byName.get(view.culprit ?? '')
    return culprit && urgencyOf(culprit) <= urgencyOf(view) ? culprit : view
  }
  const compare = (a: View, b: View): number =>
    urgencyOf(a) - urgencyOf(b) ||
    overdueMs(b) - overdueMs(a) ||
    (a.view < b.view ? -1 : a.view > b.view ? 1 : 0)
  return views.toSorted((a, b) => {
    const [above, other] = [culpritOf(a), culpritOf(b)]
    return compare(above, other) || Number(a !== above) - Number(b !== other) || compare(a, b)
  })
}

const overdueMs = ({ stale, staleMs, maxStaleMs }: ListedState): number =>
  stale ? (staleMs ?? 0) - (maxStaleMs ?? 0) : 0
