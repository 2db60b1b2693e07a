import { duration, moment, type Tone } from '../../words/phrases.ts'
import type { RunStatus } from '../../words/run.ts'

interface LastRun {
  id: number
  status: RunStatus
  requestedAt: Date
  /** When it ended; null if it goes on, or waits. */
  finishedAt: Date | null
  durationMs: number | null
}

/** What is said of a view whose refresh failed and is tried again later. */
interface Retry {
  /** The run that failed. */
  runId: number
  /** The earliest start of the next attempt. */
  at: Date | string
  /** Why the run failed. */
  message: string | null
}

/** What is true of one view now: all that lists, diagnoses, plans by target lags, the monitor and mails go by. One statement reads it. */
export interface ViewStateFacts {
  /** Null until a run, a batch or the monitor gives the view a definition. */
  id: number | null
  /** The name as SQL writes it. */
  view: string
  schema: string
  name: string
  source: 'authored' | 'discovered'
  strategy: string
  populated: boolean
  /** Whether the view, which somebody authored, is not in the database. */
  missing: boolean
  /** Since when the view is set aside, and which role set it aside; null if it is not. */
  aside: { since: Date; by: string } | null
  pausedSince: Date | null
  /** If somebody has locked the view exclusively: the planner's estimate, or null if there is none. */
  sizeBytes: number | null
  /** The planner's estimate; if there is none, the count of the last run that made the data fresh. */
  estimatedRows: number | null
  /** What that run has counted, if the view holds its data. */
  countedRows?: number | null
  /** Whether its definition has checks. */
  checked: boolean
  /** The fields of the definition that say which schedules refresh the view. */
  schedule: string | null
  timeZone: string | null
  targetLagSeconds: number | null
  inAll: boolean
  minIntervalSeconds: number
  /** The view has to be as fresh as its definition says from this moment on. */
  expectedSince: Date | null
  /** A run that has not ended, or else the one that ended last: a retry may end after a run that was requested later. */
  lastRun: LastRun | null
  /** The end of the last run that made the view's data fresh; null if there is none. */
  lastSuccessAt: Date | null
  /** The moment whose data the view shows; null if nobody knows it. */
  asOf: Date | null
  /** The view that holds `asOf` back: its data are the oldest in this view, or nobody knows their age. Null: none does. */
  heldBackBy: string | null
  /**
   * The age of the view's data, stale or not; if nobody knows it, the time since the last success. Null if no run has made them
   * fresh.
   */
  staleMs: number | null
  /** The age from which the data are stale; null if nobody expects the view to be refreshed. */
  maxStaleMs: number | null
  /** How old target lags let the data become, and the view for whose sake; null: none does, or no monitor has looked. */
  promisedMs: number | null
  /** Null: its own sake. */
  promisedFor: string | null
  /** Whether the data of the view are older than that, or may be. A paused view's never are. */
  stale: boolean
  /** The failed run, if none that ended later is well; null: the view does not fail. */
  failure: { at: Date; class: string | null } | null
  /** Since when checks hold the new data of the view back; null: none does. */
  checkFailedSince: Date | null
  /** When the last run ended that was skipped because another view failed, if none that ended later is well. */
  leftOutSince: Date | null
  /** That the last attempt failed, and when the next one begins; null if none waits. */
  retry: (Retry & { at: Date }) | null
  /** What planning by target lags goes by; null if it was not asked for, no view has a target lag, and the view does not fail. */
  planned: PlannedFacts | null
}

/** Times are epoch milliseconds. */
interface PlannedFacts {
  /** Whether a refresh of it goes on, or waits for its turn in an open batch. */
  busy: boolean
  /** Whether nobody can know as of when its data are, even after a refresh. */
  unseen: boolean
  /** When the run began that has filled it last, or when one ended later that had nothing to do. */
  filledAt: number | null
  usualMs: number | null
  /** How many scheduled refreshes have failed in a row. */
  failures: number
  /** When the last of them ended. */
  failedAt: number | null
  suspendAfter: number
  intervalMs: number | null
  /** Whether its change log, too, says when it is due. */
  byLog: boolean
  /** Of the log of one with a target lag, as `viewkeeper.followed_log` has it. */
  followed?: { tookMs: number | null; unused: boolean; owner: string | null; asker: string } | null
  limitMs: number | null
  /** The last attempt of an open batch, if no other run has failed since the last success. */
  attempt?: Attempt | null
}

/** An attempt of a batch at a view, which it makes once more up to so many times. */
interface Attempt {
  status: RunStatus
  attempt: number
  class: string | null
  sqlstate: string | null
  retries: number
}

/** What decides how a view stands: its facts, and who holds it back. */
type Judged = Pick<
  ViewStateFacts,
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
export const fails = ({ failure }: Pick<ViewStateFacts, 'failure'>): boolean =>
  failure !== null && failure.class !== 'NotExchanged'

/** Whether the last attempt did not come to the view, or was undone, because another view failed. */
export const isLeftOut = ({ failure, leftOutSince }: Pick<ViewStateFacts, 'failure' | 'leftOutSince'>) =>
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
interface ListedState {
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
  stale: ({ stale }) => stale,
  failed: ({ state }) => state === 'failed',
  heldBack: ({ state }) => state === 'heldBack',
  unknown: ({ state }) => state === 'unknown',
  running: ({ lastRun }) => lastRun?.status === 'running',
  paused: ({ paused }) => paused,
  aside: ({ aside }) => Boolean(aside),
  missing: ({ state }) => state === 'missing',
  unpopulated: ({ populated, missing, aside }) => !populated && !missing && !aside,
} satisfies Record<string, (view: ListedState) => boolean>
export type StateFilter = keyof typeof filters
export const filterNames = Object.keys(filters) as StateFilter[]

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
