/** How a view stands, in one word. A paused view that is older than its limit is `unlimited`: nobody expects more of it. */
export const viewStates = ['fresh', 'stale', 'unlimited', 'missing', 'aside', 'unpopulated'] as const
export type ViewState = (typeof viewStates)[number]

/** How a view stands by what `GET /views` says of it. */
export function stateOf({
  missing,
  populated,
  stale,
  maxStaleMs,
}: {
  missing: boolean
  populated: boolean
  stale: boolean
  maxStaleMs: number | null
}): Exclude<ViewState, 'aside'> {
  if (missing) return 'missing'
  if (!populated) return 'unpopulated'
  if (stale) return 'stale'
  return maxStaleMs === null ? 'unlimited' : 'fresh'
}

/** What makes the data of a view as old as they are. */
export const causeCodes = [
  'SetAside',
  'Missing',
  'Paused',
  'AllPaused',
  'Locked',
  'Upstream',
  'Failed',
  'Lost',
  'Canceled',
  'Skipped',
  'Unpopulated',
  'NeverRefreshed',
  'Running',
  'Pending',
  'WaitsInBatch',
  'ScheduleMissed',
  'NotScheduled',
  'NotYetDue',
  'NoLimit',
  'Fresh',
] as const
export type CauseCode = (typeof causeCodes)[number]

/** One cause, for people. */
export interface Cause {
  code: CauseCode
  /** One or two sentences. */
  text: string
  /** What to type: a command line or SQL; null if nothing helps. */
  next: string | null
  /** The view that has the cause, if it is another one. */
  view?: string
  /** With code `Upstream`: the code of the other view's cause. */
  upstream?: CauseCode
  runId?: number
  batchId?: string
}

/** A lock of another session that is in the way of a refresh. What our role may not see is null. */
export interface HeldLock {
  /** Null: a prepared transaction. */
  pid: number | null
  role: string | null
  application: string | null
  state: string | null
  /** When the transaction began. */
  since: Date | null
  mode: string
  relation: string
  /** The last statement of the session, without its constants. */
  statement: string | null
  /** SQL that ends the session; null for a run of Viewkeeper. */
  end: string | null
  /** The run whose session it is. */
  runId?: number
}
