/** How much something matters: the colours of the command line and of the page follow it. */
export type Tone = 'bad' | 'warn' | 'held' | 'busy' | 'idle' | 'good'

/** How a view stands: the word that people read, and its tone. The most urgent comes first. */
export const states = {
  missing: { word: 'missing', tone: 'bad' },
  aside: { word: 'set aside', tone: 'bad' },
  unpopulated: { word: 'unpopulated', tone: 'warn' },
  failed: { word: 'failed', tone: 'bad' },
  stale: { word: 'stale', tone: 'warn' },
  paused: { word: 'paused', tone: 'held' },
  unlimited: { word: 'no limit', tone: 'idle' },
  fresh: { word: 'fresh', tone: 'good' },
} as const satisfies Record<string, { word: string; tone: Tone }>
export type AnyState = keyof typeof states

/** How the data of a view stand. A paused view that is older than its limit is `unlimited`: nobody expects more of it. */
export type ViewState = Exclude<AnyState, 'failed' | 'paused'>
export const viewStates = [
  'missing',
  'aside',
  'unpopulated',
  'stale',
  'unlimited',
  'fresh',
] as const satisfies ViewState[]

/** What `GET /views` says of how a view stands. */
export interface ListedState {
  missing: boolean
  populated: boolean
  stale: boolean
  paused: boolean
  staleMs: number | null
  maxStaleMs: number | null
  lastRun: { status: string } | null
}

/** How the data of a view stand, by what `GET /views` says of it. */
export function stateOf({
  missing,
  populated,
  stale,
  maxStaleMs,
}: Pick<ListedState, 'missing' | 'populated' | 'stale' | 'maxStaleMs'>): Exclude<ViewState, 'aside'> {
  if (missing) return 'missing'
  if (!populated) return 'unpopulated'
  if (stale) return 'stale'
  return maxStaleMs === null ? 'unlimited' : 'fresh'
}

/** What a list of views can be narrowed to. */
export const filters = {
  stale: ({ stale }) => stale,
  failed: ({ lastRun }) => lastRun?.status === 'failed',
  running: ({ lastRun }) => lastRun?.status === 'running',
  paused: ({ paused }) => paused,
  missing: ({ missing }) => missing,
  unpopulated: ({ populated, missing }) => !populated && !missing,
} satisfies Record<string, (view: ListedState) => boolean>
export type Filter = keyof typeof filters
export const filterNames = Object.keys(filters) as Filter[]

/** The most urgent of all that is true of a view. */
export function worstOf(view: ListedState): AnyState {
  const all = [stateOf(view), ...(['failed', 'paused'] as const).filter((each) => filters[each](view))]
  return all.reduce((worst, each) => (urgencyOf(each) < urgencyOf(worst) ? each : worst))
}

const order = Object.keys(states) as AnyState[]
const urgencyOf = (state: AnyState): number => order.indexOf(state)

/** Orders views: the most urgent first, of the stale ones the most overdue; then by name. */
export const byUrgency = <View extends ListedState & { view: string }>(a: View, b: View): number =>
  urgencyOf(worstOf(a)) - urgencyOf(worstOf(b)) || overdueMs(b) - overdueMs(a) || (a.view < b.view ? -1 : 1)

const overdueMs = ({ stale, staleMs, maxStaleMs }: ListedState): number =>
  stale ? (staleMs ?? 0) - (maxStaleMs ?? 0) : 0
