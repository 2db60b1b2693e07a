import type { Trouble } from '../../events/plan/troubles.ts'
import type { Examined } from '../diagnosis/standing.ts'
import type { NewsKind } from './alarms.ts'
import type { AlarmWords, NoticeError } from './notice.ts'

// What a notice is planned from.

/** A trouble that the monitor has told of, or its end, of which no notice has told yet; or one that lasts. */
export interface ToldTrouble {
  trouble: Trouble
  name: string
  toldAt: Date
  beganAt: Date
  overAt: Date | null
  /** The last moment of the row, exact, as the server writes it. */
  stamp: string
  /** Whether a notice has told of this trouble since it began. */
  known: boolean
  /** Whether the row says more than the last notice. */
  isNews: boolean
}

/** A batch that failed or was canceled, of which no notice has told yet. */
export interface EndedBatch {
  id: string
  status: 'failed' | 'canceled'
  finishedAt: Date
  error: NoticeError
  /** Whether the monitor has found that a view of it fails: that is told. */
  hasFailingView: boolean
}

/** A refresh that took much longer than its view's usually do. */
export interface SlowRun {
  id: number
  view: string
  durationMs: number
  usualMs: number
  finishedAt: Date
}

export interface NoticeFacts {
  now: Date
  told: ToldTrouble[]
  batches: EndedBatch[]
  slow: SlowRun[]
  /** By name. */
  views: Map<string, Examined>
  /** Which views each view reads. */
  reads: Map<string, string[]>
  /** Since when everything scheduled is paused, and by whom. */
  pause: { since: Date; by: string } | null
  /** Up to which moment notices have told of each kind of news. */
  covered: Partial<Record<NewsKind, Date>>
}

/** An alarm that went off or ended. */
export interface Alarm {
  words: AlarmWords
  /** Null: the alarm is not about views. */
  kind: NewsKind | null
  /** What set the alarm off happened after this moment. */
  since: Date
}
