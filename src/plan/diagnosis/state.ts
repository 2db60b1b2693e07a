import { moment } from '../words.ts'

/** How much something matters: the colours of the command line and of the page follow it. */
export type Tone = 'bad' | 'warn' | 'held' | 'busy' | 'idle' | 'good'

/** How a view stands: the word that people read, and its tone. The most urgent comes first. */
export const states = {
  missing: { word: 'missing', tone: 'bad' },
  aside: { word: 'set aside', tone: 'bad' },
  unpopulated: { word: 'unpopulated', tone: 'warn' },
  failed: { word: 'failed', tone: 'bad' },
  heldBack: { word: 'held back', tone: 'bad' },
  stale: { word: 'stale', tone: 'warn' },
  paused: { word: 'paused', tone: 'held' },
  unlimited: { word: 'no limit', tone: 'idle' },
  fresh: { word: 'fresh', tone: 'good' },
} as const satisfies Record<string, { word: string; tone: Tone }>
export type AnyState = keyof typeof states

export const anyStates = Object.keys(states) as AnyState[]

/** How the data of a view stand. */
type DataState = Exclude<AnyState, 'failed' | 'heldBack' | 'paused'>

/** What `GET /views` says of how a view stands. */
export interface ListedState {
  missing: boolean
  populated: boolean
  stale: boolean
  paused: boolean
  staleMs: number | null
  maxStaleMs: number | null
  lastRun: { status: string } | null
  /** Whether a refresh failed, and none has succeeded since. Older versions do not say it. */
  failing?: boolean
  /** Since when checks hold the new data of the view back; null: none does. Older versions do not say it. */
  checkFailedSince?: Date | string | null
  /** Since when the view is set aside; null if it is not. */
  aside: { since: Date | string; by: string } | null
  /** That the last attempt failed, and when the next one begins; null if none waits. */
  retry: Retry | null
}

/** What is said of a view whose refresh failed and is tried again later. */
export interface Retry {
  /** The run that failed. */
  runId: number
  /** The earliest start of the next attempt. */
  at: Date | string
  /** Why the run failed. */
  message: string | null
}

/** `retries at 09:14 UTC after: division by zero` */
export function retryText({ at, message }: Retry, view: string, now: Date): string {
  const why = message?.startsWith(`${view}: `) ? message.slice(view.length + 2) : message
  return `retries at ${moment(at, now)}${why ? ` after: ${why}` : ''}`
}

/** How the data of a view stand, by what `GET /views` says of it. */
export function stateOf({
  aside,
  missing,
  populated,
  stale,
  maxStaleMs,
}: Pick<ListedState, 'aside' | 'missing' | 'populated' | 'stale' | 'maxStaleMs'>): DataState {
  if (aside) return 'aside'
  if (missing) return 'missing'
  if (!populated) return 'unpopulated'
  if (stale) return 'stale'
  return maxStaleMs === null ? 'unlimited' : 'fresh'
}

/** What a list of views can be narrowed to. */
export const filters = {
  stale: ({ stale }) => stale,
  failed: ({ failing, ...view }) => failing ?? tellsFailure(view),
  running: ({ lastRun }) => lastRun?.status === 'running',
  paused: ({ paused }) => paused,
  aside: ({ aside }) => Boolean(aside),
  missing: ({ missing, aside }) => missing && !aside,
  unpopulated: ({ populated, missing, aside }) => !populated && !missing && !aside,
} satisfies Record<string, (view: ListedState) => boolean>
export type Filter = keyof typeof filters
export const filterNames = Object.keys(filters) as Filter[]

/** Whether the last run of a view says that the view fails, or the retry that waits says so. */
export const tellsFailure = ({ lastRun, retry }: Pick<ListedState, 'lastRun' | 'retry'>): boolean =>
  lastRun?.status === 'failed' || Boolean(retry)

/** The most urgent of all that is true of a view. */
export function worstOf(view: ListedState): AnyState {
  const all: AnyState[] = [
    stateOf(view),
    ...(view.checkFailedSince ? ['heldBack' as const] : filters.failed(view) ? ['failed' as const] : []),
    ...(filters.paused(view) ? ['paused' as const] : []),
  ]
  return all.reduce((worst, each) => (urgencyOf(each) < urgencyOf(worst) ? each : worst))
}

/** The same beside the last run: that the view fails is left to that run, if the run tells it. */
export const stateBesideLastRun = (view: ListedState): AnyState =>
  worstOf({ ...view, failing: filters.failed(view) && !tellsFailure(view), lastRun: null, retry: null })

const urgencyOf = (state: AnyState): number => anyStates.indexOf(state)

/** Orders views: the most urgent first, of the stale ones the most overdue; then by name. */
export const byUrgency = <View extends ListedState & { view: string }>(a: View, b: View): number =>
  urgencyOf(worstOf(a)) - urgencyOf(worstOf(b)) || overdueMs(b) - overdueMs(a) || (a.view < b.view ? -1 : 1)

const overdueMs = ({ stale, staleMs, maxStaleMs }: ListedState): number =>
  stale ? (staleMs ?? 0) - (maxStaleMs ?? 0) : 0
