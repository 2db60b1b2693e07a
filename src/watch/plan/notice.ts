import { type Trouble, troubles } from '../../events/plan/troubles.ts'
import type { CauseCode } from '../diagnosis/cause.ts'

/** The error of a run or a batch. No row data. */
export interface NoticeError {
  class: string
  message: string
  sqlstate: string | null
}

/** A view that a cause has put into trouble. */
export interface TroubledView {
  view: string
  trouble: Trouble
  /** The age of the data and its limit in milliseconds; null if the view is not stale, or its definition is gone. */
  ageMs: number | null
  limitMs: number | null
  /** When the monitor first saw the trouble. */
  since: Date
}

/** What has put views into trouble, and the views. */
export interface ToldCause {
  code: CauseCode
  /** Equal for the same cause in two notices. */
  key: string
  /** The view at fault; null if the cause is no single view. */
  view: string | null
  /** What happened, one or two sentences: those of `viewkeeper why`. */
  text: string
  error: NoticeError | null
  runId: number | null
  batchId: string | null
  /** When it happened, or began. */
  at: Date | null
  /** The last success of the view at fault before that. */
  lastSuccessAt: Date | null
  /** A success of the view at fault since then. */
  mendedAt: Date | null
  /** When a batch tries again. */
  nextTryAt: Date | null
  /** In order of their names; the view at fault comes first. */
  views: TroubledView[]
  /** Views that read the view at fault, and keep their old data until it is refreshed. */
  behind: string[]
  /** What to type to see more. */
  look: string[]
  /** What to type first, as `viewkeeper why` says it: a command or SQL; null if nothing helps, or `mend` does. */
  next: string | null
  /** What to type when the cause is gone; null if nothing has to be refreshed then, or that depends. */
  mend: string | null
  /** The section of the runbook. */
  runbook: string
}

/** A trouble that is over. */
export interface EndedTrouble {
  view: string
  trouble: Trouble
  since: Date
  over: Date
}

/** An alarm in its own words. */
export interface AlarmWords {
  /** Without `viewkeeper-<environment>-`, if the alarm is one of ours. */
  name: string
  state: string
  /** What happened, one sentence. */
  happened: string
  /** What to do first, one sentence; null for an alarm that is not one of ours. */
  first: string | null
  /** The section of the runbook; null for an alarm that is not one of ours. */
  runbook: string | null
  /** What CloudWatch says. */
  reason: string
  at: Date | null
  /** Whether somebody has set it off to try the mail. */
  test: boolean
}

/** Where mails lead to: the runbook on the web, and the page of the environment. */
export interface Links {
  runbookUrl?: string | undefined
  pageUrl?: string | undefined
}

/**
 * What people are told at one moment. `news`: something new is wrong. `reminder`: something is still wrong. `over`:
 * it is over. `alarm`: an alarm went off, and its own words are all that is known. `test`: somebody tries the mail.
 */
export interface Notice {
  links: Links
  kind: 'news' | 'reminder' | 'over' | 'alarm' | 'test'
  environment: string
  at: Date
  causes: ToldCause[]
  over: EndedTrouble[]
  /** How many views have each trouble in all, those of earlier notices too. */
  inAll: Record<Trouble, number>
  /** The alarms that no cause explains. */
  alarms: AlarmWords[]
  /** Why there is nothing but an alarm's own words; null if there is more, or nothing more to say. */
  lacking: string | null
}

/** A notice without content, to be filled. */
export const emptyNotice = (environment: string, at: Date, links: Links = {}): Notice => ({
  links,
  kind: 'alarm',
  environment,
  at,
  causes: [],
  over: [],
  inAll: Object.fromEntries(troubles.map((trouble) => [trouble, 0])) as Notice['inAll'],
  alarms: [],
  lacking: null,
})
