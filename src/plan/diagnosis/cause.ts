import type { Tone } from './state.ts'

interface CauseWords {
  tone: Tone
  /** The section of the runbook, unless an error has its own. */
  section: string
  /** What a subject says after the name of the view or batch at fault; without it, the view is not at fault. */
  brief?: string
  /** What is said instead of the text if several views have the cause. */
  several?: string
  /** Whether it is one and the same thing for all views that have it. */
  isOne?: true
}

/** What makes the data of a view as old as they are. Each word is said once, here, for every face. */
export const causes = {
  SetAside: {
    tone: 'bad',
    section: 'set-aside-views',
    several: 'Views were set aside for a change of a table: whoever reads one gets an error.',
    isOne: true,
  },
  Missing: { tone: 'bad', section: 'missing-views', brief: 'is missing' },
  Paused: { tone: 'held', section: 'stale-views', brief: 'is paused' },
  AllPaused: {
    tone: 'held',
    section: 'stale-views',
    several: 'Everything scheduled is paused, so no schedule refreshes these views.',
    isOne: true,
  },
  Locked: { tone: 'bad', section: 'LockTimeout', brief: 'got no lock' },
  Upstream: { tone: 'bad', section: 'stale-views' },
  Failed: { tone: 'bad', section: 'failed-runs', brief: 'failed' },
  CheckFailed: { tone: 'bad', section: 'CheckFailed', brief: 'is held back by a check' },
  Suspended: { tone: 'bad', section: 'suspended-views', brief: 'is suspended' },
  LagTooShort: { tone: 'warn', section: 'lag-missed', brief: 'cannot keep its target lag' },
  Lost: { tone: 'bad', section: 'RunLost', brief: 'was lost' },
  Canceled: { tone: 'bad', section: 'Canceled', brief: 'was canceled' },
  Skipped: { tone: 'bad', section: 'stale-views', brief: 'was skipped' },
  Unpopulated: { tone: 'bad', section: 'stale-views', brief: 'is not populated' },
  NeverRefreshed: {
    tone: 'warn',
    section: 'stale-views',
    several: 'Viewkeeper has never refreshed these views.',
  },
  HeldBack: { tone: 'bad', section: 'stale-views', brief: 'is held back' },
  UnknownAge: {
    tone: 'warn',
    section: 'stale-views',
    several: 'Nobody knows how old the data of these views are.',
  },
  Running: { tone: 'busy', section: 'stale-views', several: 'Runs of these views are going on.' },
  Pending: { tone: 'busy', section: 'stale-views', several: 'Runs of these views have not begun yet.' },
  WaitsInBatch: { tone: 'busy', section: 'stale-views', several: 'These views wait in a batch.' },
  ScheduleMissed: {
    tone: 'bad',
    section: 'dead-letters',
    several: 'A schedule was due to refresh these views, and no run began: look at the dead letters.',
  },
  NotScheduled: { tone: 'idle', section: 'stale-views', several: 'No schedule refreshes these views.' },
  NotYetDue: {
    tone: 'idle',
    section: 'stale-views',
    several: 'The schedules of these views are too rare for their limits.',
  },
  NoLimit: { tone: 'idle', section: 'stale-views', several: 'These views have no limit.' },
  Fresh: { tone: 'good', section: 'stale-views', several: 'These views are fresh again.' },
  NotSkipped: {
    tone: 'warn',
    section: 'stale-views',
    several: 'Refreshes of these views are made although skipUnchanged asks to leave them out.',
  },
  LocksReaders: {
    tone: 'idle',
    section: 'slow-runs',
    several: 'Regular refreshes of these views lock readers out for long.',
  },
  Unread: { tone: 'idle', section: 'stale-views', several: 'Nobody reads these views.' },
  Slow: { tone: 'warn', section: 'slow-runs', brief: 'was slow' },
} as const satisfies Record<string, CauseWords>
export type CauseCode = keyof typeof causes
export const causeCodes = Object.keys(causes) as CauseCode[]

/** The words of a cause. */
export const wordsOf = (code: CauseCode): CauseWords => causes[code]

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
