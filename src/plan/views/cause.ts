import type { Tone } from './state.ts'

/** What makes the data of a view as old as they are, and how much that matters. */
export const causes = {
  SetAside: 'bad',
  Missing: 'bad',
  Paused: 'held',
  AllPaused: 'held',
  Locked: 'bad',
  Upstream: 'bad',
  Failed: 'bad',
  Lost: 'bad',
  Canceled: 'bad',
  Skipped: 'bad',
  Unpopulated: 'bad',
  NeverRefreshed: 'warn',
  Running: 'busy',
  Pending: 'busy',
  WaitsInBatch: 'busy',
  ScheduleMissed: 'bad',
  NotScheduled: 'idle',
  NotYetDue: 'idle',
  NoLimit: 'idle',
  Fresh: 'good',
} as const satisfies Record<string, Tone>
export type CauseCode = keyof typeof causes
export const causeCodes = Object.keys(causes) as CauseCode[]

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
