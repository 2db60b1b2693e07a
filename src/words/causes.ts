import type { Tone } from './phrases.ts'

/**
 * What makes the data of a view as old as they are, and how much it matters. By the tone, readers wait for it or not, it comes first in `why` or last, and
 * it is news or not.
 */
export const causeTones = {
  SetAside: 'bad',
  Missing: 'bad',
  Paused: 'held',
  AllPaused: 'held',
  Locked: 'bad',
  Upstream: 'bad',
  Failed: 'bad',
  CheckFailed: 'bad',
  Suspended: 'bad',
  LagTooShort: 'warn',
  Canceled: 'bad',
  Skipped: 'bad',
  Unpopulated: 'bad',
  HeldBack: 'bad',
  UnknownAge: 'warn',
  InProgress: 'busy',
  ScheduleMissed: 'bad',
  NotScheduled: 'idle',
  NotYetDue: 'idle',
  Well: 'good',
  NotSkipped: 'warn',
  Slow: 'warn',
  WrongSlices: 'bad',
  Lost: 'bad',
  LogUnused: 'warn',
} as const satisfies Record<string, Tone>
export type CauseCode = keyof typeof causeTones
export const causeCodes = Object.keys(causeTones) as CauseCode[]

interface CauseWords {
  /** The section of the runbook, unless an error has its own. */
  section: string
  /** What a subject says after the name of the view or batch at fault; without it, the view is not at fault. */
  brief?: string
  /** What is said instead of the text if several views have the cause. */
  several?: string
  /** Whether it is one and the same thing for all views that have it. */
  isOne?: true
}

/** What mails, news and the runbook say of each cause. The sentences of `why` stand in `own-causes.ts` and `run-cause.ts`. The page needs none of them. */
const causes = {
  SetAside: {
    section: 'set-aside-views',
    several: 'Views were set aside for a change of a table: their readers get an error.',
    isOne: true,
  },
  Missing: { section: 'missing-views', brief: 'is missing' },
  Paused: { section: 'stale-views', brief: 'is paused' },
  AllPaused: {
    section: 'stale-views',
    several: 'Everything scheduled is paused, so no schedule refreshes these views.',
    isOne: true,
  },
  Locked: { section: 'LockTimeout', brief: 'got no lock' },
  Upstream: { section: 'stale-views' },
  Failed: { section: 'failed-runs', brief: 'failed' },
  CheckFailed: { section: 'CheckFailed', brief: 'is held back by a check' },
  Suspended: { section: 'suspended-views', brief: 'is suspended' },
  LagTooShort: { section: 'lag-missed', brief: 'cannot keep its target lag' },
  Canceled: { section: 'Canceled', brief: 'was canceled' },
  Skipped: { section: 'stale-views', brief: 'was skipped' },
  Unpopulated: { section: 'stale-views', brief: 'is not populated' },
  HeldBack: { section: 'stale-views', brief: 'is held back' },
  UnknownAge: {
    section: 'stale-views',
    several: 'Nobody knows how old the data of these views are.',
  },
  InProgress: { section: 'stale-views', several: 'Runs of these views go on, or wait for their turn.' },
  ScheduleMissed: {
    section: 'dead-letters',
    several: 'A schedule was due to refresh these views, and no run began.',
  },
  NotScheduled: { section: 'stale-views', several: 'No schedule refreshes these views.' },
  NotYetDue: {
    section: 'stale-views',
    several: 'The schedules of these views are too rare for their limits.',
  },
  Well: { section: 'stale-views', several: 'These views are well again.' },
  NotSkipped: {
    section: 'stale-views',
    several: 'Refreshes of these views are made although skipUnchanged asks to leave them out.',
  },
  Slow: { section: 'slow-runs', brief: 'was slow' },
  WrongSlices: { section: 'wrong-slices', brief: 'was wrong in slices' },
  Lost: { section: 'lost-parts', brief: 'lost what hung on it' },
  LogUnused: {
    section: 'wrong-slices',
    several: 'All rows of these views are computed although they have change logs.',
  },
} as const satisfies Record<CauseCode, CauseWords>

/** The words of a cause. */
export const wordsOf = (code: CauseCode): CauseWords => causes[code]
