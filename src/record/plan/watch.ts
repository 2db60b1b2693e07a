import type { CauseCode } from '../../words/causes.ts'
import type { Said } from '../../words/commands.ts'
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

/** A lock of another session that is in the way of a refresh. Fields that our role may not see are null. */
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
  /** The last statement of the session, with its constants removed. */
  statement: string | null
  /** SQL that ends the session or the prepared transaction; null for a run of Viewkeeper. */
  end: string | null
  /** Who may execute it. */
  endBy: string | null
  /** The run of Viewkeeper that the session executes. */
  runId?: number
}

/** The facts of a run that may explain the age of its view. */
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

/** The open batch of a view, else its newest batch, even one that a pause has skipped. */
export interface BatchFacts {
  id: string
  requestedAt: Date
  finishedAt: Date | null
  error: { class: ProblemCode; message: string } | null
  /** The views that the view waits for in the batch; empty unless it waits. */
  waitsFor: string[]
}

/** An old transaction. The server's counters may lack earlier commits of its session until it ends. */
export interface HiddenBehind {
  /** Null: a prepared transaction. */
  pid: number | null
  gid: string | null
  since: Date
  role: string | null
  application: string | null
  state: string | null
}

/** Why the server's counters cannot prove that nothing has changed below a view, so that `skipUnchanged` leaves out no refresh. */
export interface Uncounted {
  /** Why a view with such a query cannot be proved unchanged, as the schema says it; null if it can. */
  because: string | null
  /** SQL that lets the login see when transactions of others began; null if it may see that. */
  grant: string | null
  /** Whether somebody may write without being counted, because `track_counts` is off or may be set. */
  countsOff: boolean
  /** SQL for a superuser, after which all writes are counted; null if none helps or none is needed. */
  counting: string | null
  hidden: HiddenBehind | null
}

/** A successful refresh that took much longer than usual: see `isSlow`. */
export interface SlowRun {
  id: number
  view: string
  durationMs: number
  usualMs: number
  /** Facts that differ from the success before: the name of the fact, its value then, and now. */
  changed: [what: string, before: string, now: string][]
}

/** A batch that failed for another reason than its views. */
export interface FailedBatch {
  id: string
  finishedAt: Date
  error: { class: string; sqlstate: string | null; message: string }
}

/** An incremental table in which a run has found wrong rows, left by refreshes in slices. `text` says so; `next` is what to type. */
export interface FoundWrong {
  view: string
  runId: number
  text: string
  next: string
}

/** A step of the looks of the monitor that has failed more than once in a row. */
export interface FailingStep {
  step: string
  since: Date
  /** PostgreSQL's name of the condition. */
  error: string
}

/** A view that somebody else has dropped and made again without some of its parts: views, indexes, comments, grants. */
export interface LostParts {
  view: string
  since: Date
  parts: string[]
}

// Looks of the monitor open, change and resolve incidents. Everything that tells people what is wrong reads them.

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

/** Something that is not well or, with `resolvedAt`, was not well. */
export interface Incident extends Judgement {
  subject: string
  /** In the order of `incidentKinds`. */
  kinds: IncidentKind[]
  openedAt: Date
  changedAt: Date
  resolvedAt: Date | null
  /** When people were last told of it. */
  toldAt: Date | null
  /** The key of the cause that people were told; null: they were told of no cause, or that the incident is resolved. */
  toldCause: string | null
}

/** An open incident of a view, as lists of views show it. */
export interface ListedIncident
  extends Pick<Incident, 'openedAt' | 'culprit'>,
    Pick<IncidentCause, 'code' | 'text' | 'next'> {
  kinds: ViewIncidentKind[]
}

/** A channel of `viewkeeper serve` that has refused the oldest message that waits for it. */
export interface FailingChannel {
  /** `mail ops@example.com`, `webhook cache`, `chat team` */
  channel: string
  since: Date
  /** Why the last try failed, without addresses and secrets. */
  error: string
}

/** Who listens to a topic that messages are published to. */
export interface CountedTopic {
  /** Its ARN. */
  topic: string
  /** Subscriptions that get what is published; null: SNS does not say. */
  confirmed: number | null
  /** The name of the error with which SNS does not say it. */
  error: string | null
}

/** Who listens to what people are told, as `send` has counted it last. */
export interface Heard {
  /** The topic of mails, and that of the same as JSON. */
  topics: CountedTopic[]
  /** Whether addresses of the environment subscribe to the mails: then it is not enough that a program listens. */
  mailed: boolean
}

/** What would go wrong silently: views that nothing refreshes, news that nobody gets. */
export interface Silence {
  /** A line for people about each of them, the same in the command line, the page and mails. */
  lines: Said[]
  /** The views that nothing refreshes: without schedule and target lag, and not refreshed from outside (`schedule` is not `none`). */
  unrefreshed: string[]
  /** Whether anybody is told what goes wrong; null: nobody knows. */
  told: boolean | null
  /** The views that have been paused for a week or longer, without an end. */
  forgotten: string[]
  /** Since when the oldest unsent message or event has waited; null if none has waited too long. */
  waitingSince: Date | null
}

/** Silence as the last look of the monitor has noted it. */
export interface NotedSilence extends Omit<Silence, 'lines'> {
  /** The number of the newest deployed migration, if the database lacks it. */
  lacks: number | null
  /** What to type to apply it. */
  migrates: string | null
  /** Null: nobody counts, or nobody has counted for hours. */
  heard: Heard | null
  /** The steps that fail. */
  steps: FailingStep[]
}

// The news that the record has for programs and people.

/** An event before it is recorded, which gives it its number, id and other common fields; or a message for people. */
export type News = { [Type in EventType]: NewsOf<Type> }[EventType] | MessageNews

/** A message for people: subject and text of a mail, and the same as JSON for chat and programs. */
export interface Message {
  subject: string
  text: string
  chat: object
  /** The mails for channels with a filter, by the channel's name. */
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

/** An ended run of which no event tells yet. */
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
  /** The moment whose data the view showed before this run; null if no run had filled it. */
  freshBefore: Date | null
}

/** An ended batch of which no event tells yet. */
export interface UntoldBatch {
  id: string
  status: BatchStatus
  trigger: Trigger
  finishedAt: Date
  durationMs: number | null
  error: BatchEnded['error']
  views: BatchEnded['views']
}

/** A recorded event or message that is not sent yet. */
export interface WaitingEvent {
  sequence: number
  id: string
  type: EventType | 'Message'
  subject: string
  at: string
  detail: Record<string, unknown>
}
