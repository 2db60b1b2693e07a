import type { RunStatus } from './run.ts'

interface LastRun {
  id: number
  status: RunStatus
  requestedAt: Date
  /** When it ended; null if it goes on, or waits. */
  finishedAt: Date | null
  durationMs: number | null
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

/** What is true of one view now: all that lists, diagnoses, plans by target lags, the monitor and mails go by. One statement reads it. */
export interface ViewFacts {
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
  limitMs: number | null
}
