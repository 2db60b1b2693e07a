import type { CauseCode } from '../../words/causes.ts'
import type {
  BatchEnded,
  EventOf,
  EventType,
  IncidentKind,
  ViewFailed,
  ViewIncidentKind,
  ViewkeeperEvents,
} from '../../words/event.ts'
import type { ProblemCode } from '../../words/problem.ts'
import type { BatchStatus, Operation, RunStatus, Trigger } from '../../words/run.ts'

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

/** A run, as far as it tells why a view is as old as it is. */
export interface RunFacts {
  id: number
  operation: Operation
  status: RunStatus
  batchId: string | null
  requestedAt: Date
  /** The earliest start of a retry. */
  notBefore: Date | null
  finishedAt: Date | null
  strategy: string | null
  /** Why the run was skipped without an error. */
  because: string | null
  error: {
    class: ProblemCode
    message: string
    sqlstate: string | null
    detail?: string | null
    hint?: string | null
  } | null
  /** Whether somebody canceled the whole batch of the run. */
  batchCanceled: boolean
  /** Whether the run was skipped because it would have changed nothing. */
  unneeded?: boolean
}

/** The open batch of a view, or else the newest, even if that was skipped because of a pause. */
export interface BatchFacts {
  id: string
  requestedAt: Date
  finishedAt: Date | null
  error: { class: ProblemCode; message: string } | null
  /** While the view waits in the batch: the views that come first. */
  waitsFor: string[]
}

/** An old transaction, which may hide commits of its session from the server's counters. */
export interface HiddenBehind {
  /** Null: a prepared transaction. */
  pid: number | null
  gid: string | null
  since: Date
  role: string | null
  application: string | null
  state: string | null
}

/** What keeps refreshes of a view from being left out because nothing has changed. */
export interface Uncounted {
  /** Why the view itself cannot be proved, as the schema says it; null if it can. */
  because: string | null
  /** SQL that lets the login see when the transactions of others began; null if it sees that. */
  grant: string | null
  /** Whether somebody may write without being counted. */
  countsOff: boolean
  /** SQL of a superuser after which everybody is counted; null if nothing needs it. */
  counting: string | null
  hidden: HiddenBehind | null
}

/** A successful refresh that took much longer than its view's usually do. */
export interface SlowRun {
  id: number
  view: string
  durationMs: number
  usualMs: number
  /** What else was not as in the success before: what, as it was, and as it is. */
  changed: [what: string, before: string, now: string][]
}

/** A batch that failed, and not because of a view of it. */
export interface FailedBatch {
  id: string
  finishedAt: Date
  error: { class: string; sqlstate: string | null; message: string }
}

/** A view of which a run has found that its strategy had left rows wrong, and what to say and to type. */
export interface FoundWrong {
  view: string
  runId: number
  text: string
  next: string
}

/** A view that somebody else has dropped and made again, and what is missing since: each with the SQL that brings it back. */
export interface LostParts {
  view: string
  since: Date
  parts: { what: string; sql: string }[]
}

// An incident is opened, changed and resolved by the looks of the monitor. Whoever tells what is wrong reads it.

/** Why something is not well, as `viewkeeper why` says it. */
export interface IncidentCause {
  code: CauseCode
  /** One or two sentences. */
  text: string
  /** What to type: a command line or SQL; null if nothing helps. */
  next: string | null
  /** The view at fault; null if no single view is. */
  view: string | null
  error: { class: string; sqlstate: string | null; message?: string } | null
  runId: number | null
  batchId: string | null
  /** The views that wait for the one at fault, and keep their old data until then. */
  holdsBack: string[]
  /** The section of the runbook. */
  runbook: string
}

/** What to fix first, and why. */
export interface Judgement {
  /** A view, a batch, a session; the subject itself if nothing else is. */
  culprit: string
  cause: IncidentCause
}

/** Something that is not well, or was. */
export interface Incident extends Judgement {
  subject: string
  /** In the order in which they are told. */
  kinds: IncidentKind[]
  openedAt: Date
  changedAt: Date
  resolvedAt: Date | null
  /** When a message last told of it. */
  toldAt: Date | null
  /** The key of the cause that people know; null: they know nothing of it, or know that it is resolved. */
  toldCause: string | null
}

/** What lists say of an open incident of a view. */
export interface ListedIncident
  extends Pick<Incident, 'openedAt' | 'culprit'>,
    Pick<IncidentCause, 'code' | 'text' | 'next'> {
  kinds: ViewIncidentKind[]
}

/** A channel of `viewkeeper serve` that has refused the message that waits longest for it. */
export interface FailingChannel {
  /** `mail ops@example.com`, `webhook cache`, `chat team` */
  channel: string
  since: Date
  /** Why the last try failed, without addresses and secrets. */
  error: string
}

/** What would be silence, and how it is said. */
export interface Silence {
  /** One line for each, the same everywhere; none if all is well. */
  lines: string[]
  /** The views that nothing refreshes: no schedule, no target lag, and no definition says that something else does. */
  unrefreshed: string[]
  /** Whether anybody is told what goes wrong; null: nobody knows. */
  told: boolean | null
  /** The views that have been paused for a week or longer, without an end. */
  forgotten: string[]
  /** Since when the oldest message or event has waited that is not sent, if that is too long; null: nothing has. */
  waitingSince: Date | null
}

/** What the last look has noted of silence. */
export interface NotedSilence extends Omit<Silence, 'lines'> {
  /** The newest migration, if it is deployed and the database lacks it. */
  lacks: number | null
  /** What to type to apply it. */
  migrates: string | null
}

// Makes events of what the record says. Pure.

/** What an event says before it has a number: the rest is given to it when it is written down. Or a message for people. */
export type News = { [Type in EventType]: NewsOf<Type> }[EventType] | MessageNews

/** What people are told: the subject and the text of a mail, and the same as JSON for chat and programs. */
export interface Message {
  subject: string
  text: string
  chat: object
  /** The mails for channels that hear a part of it, by their names. */
  filtered: Record<string, { subject: string; text: string }>
}

interface MessageNews {
  type: 'Message'
  subject: string
  at: Date
  detail: Message
}

interface NewsOf<Type extends EventType> {
  type: Type
  /** The view or the batch. */
  subject: string
  at: Date
  detail: Omit<ViewkeeperEvents[Type], keyof EventOf<Type>>
}

/** A run that has ended, and of which programs have to be told. */
export interface UntoldRun {
  id: number
  view: string
  batchId: string | null
  operation: Operation
  status: RunStatus
  trigger: Trigger
  attempt: number
  fills: boolean
  strategy: string | null
  finishedAt: Date
  durationMs: number | null
  rows: number | null
  error: ViewFailed['error'] | null
  /** The moment whose data the view had before this run; null if no run had filled it. */
  freshBefore: Date | null
}

/** A batch that has ended, and of which programs have to be told. */
export interface UntoldBatch {
  id: string
  status: BatchStatus
  trigger: Trigger
  finishedAt: Date
  durationMs: number | null
  error: BatchEnded['error']
  views: BatchEnded['views']
}

/** An event for programs that waits for the bus, or a message for people. */
export interface WaitingEvent {
  sequence: number
  id: string
  type: EventType | 'Message'
  subject: string
  at: string
  detail: Record<string, unknown>
}
