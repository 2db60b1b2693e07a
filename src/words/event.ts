// What programs are told: the `detail` of an event of EventBridge, whose `detail-type` is the name of the type. Fields are
// added in later versions, and none is taken away.

/** What every event says. */
export interface EventOf<Type extends EventType> {
  type: Type
  /** The same each time the event is delivered. */
  id: string
  /** Grows from event to event of an environment. Of two events about one view, the later one has the larger number. */
  sequence: number
  /** The name of the environment. */
  environment: string
  /** When it happened, in UTC: `2026-11-22T03:04:05.678Z`. */
  at: string
}

/** What an event of a run says besides. */
export interface EventOfRun {
  /** As SQL writes it: `public.sales`. */
  view: string
  runId: number
  /** Null: the run belongs to no batch. */
  batchId: string | null
  operation: 'create' | 'refresh' | 'drop'
  trigger: 'schedule' | 'http' | 'cli' | 'deploy' | 'batch' | 'program'
  /** Null: the run came to no strategy, or was no refresh. */
  strategy: string | null
  /** From the start to the end of the run; null if nobody knows. */
  durationMs: number | null
}

/** A run has made the data of a view fresh. */
export interface ViewRefreshed extends EventOf<'ViewRefreshed'>, EventOfRun {
  /** Rows of the view after the run; null if they were not counted. */
  rows: number | null
  /** How old the data were that the run has replaced; null if the view had none. */
  ageSeconds: number | null
}

/** A run has failed, or was lost. The view has the data that it had. */
export interface ViewFailed extends EventOf<'ViewFailed'>, EventOfRun {
  /** Which attempt of its batch the run was; 1 outside a batch. */
  attempt: number
  error: { class: string; sqlstate: string | null; message: string }
  /** How old the data of the view are; null if it has none, or they came from elsewhere. */
  ageSeconds: number | null
  /** What to type next. */
  next: string
}

/** A batch has ended, well or not. */
export interface BatchEnded extends EventOf<'BatchEnded'> {
  batchId: string
  status: 'success' | 'failed' | 'canceled' | 'skipped'
  trigger: 'schedule' | 'http' | 'cli' | 'deploy' | 'batch' | 'program'
  /** How many views ended in each way, each by its last run. */
  views: { success: number; failed: number; canceled: number; skipped: number }
  /** From the start to the end of the batch; null if it never started. */
  durationMs: number | null
  /** Null: the batch succeeded. */
  error: { class: string; message: string } | null
  /** What to type next; null if there is nothing to do. */
  next: string | null
}

/** What an event of an incident says. */
export interface EventOfIncident {
  /** As people write it: `public.sales`; what was set aside may also be a function, with its arguments. */
  view: string
  /** `failing`, `stale`, `missing`, `lag` if its target lag cannot be kept, `suspended`, `aside` if it has been set aside for long, `paused` if that has no end for a week, `slow` if its last refresh took much longer than usual or waits for a lock for longer than a minute, `wrong` if its change log has left slices wrong, or `lost` if somebody else has dropped it and made it again without what hung on it. */
  kinds: (
    | 'failing'
    | 'stale'
    | 'missing'
    | 'lag'
    | 'suspended'
    | 'aside'
    | 'paused'
    | 'slow'
    | 'wrong'
    | 'lost'
  )[]
  /** When the monitor first saw it. */
  openedAt: string
}

/** Why a view has an incident, and how it is. */
export interface EventOfCause extends EventOfIncident {
  /** What to fix first: this view, one that it reads, a batch, a session. */
  culprit: string
  /** Why, as `viewkeeper why` says it. */
  cause: { code: string; text: string; runId: number | null; batchId: string | null }
  /** How old the data of a stale view are, otherwise null. */
  ageSeconds: number | null
  /** How old they may be, otherwise null. */
  maxStalenessSeconds: number | null
  /** What to type next; null: nothing helps. */
  next: string | null
}

/** The monitor has found that a view fails, that its data are older than they may be, or that it is missing, suspended, unable to keep its target lag, set aside, paused without an end, slow, wrong in slices, or without what hung on it. */
export interface IncidentOpened extends EventOf<'IncidentOpened'>, EventOfCause {}

/** The incident has another cause, or other kinds. */
export interface IncidentChanged extends EventOf<'IncidentChanged'>, EventOfCause {}

/** The view is well again. */
export interface IncidentResolved extends EventOf<'IncidentResolved'>, EventOfIncident {}

/** Each event by its type, which is the `detail-type` on EventBridge. */
export interface ViewkeeperEvents {
  ViewRefreshed: ViewRefreshed
  ViewFailed: ViewFailed
  BatchEnded: BatchEnded
  IncidentOpened: IncidentOpened
  IncidentChanged: IncidentChanged
  IncidentResolved: IncidentResolved
}

/** The name of a type of events. */
export type EventType = keyof ViewkeeperEvents

/** All of them. */
export const eventTypes = [
  'ViewRefreshed',
  'ViewFailed',
  'BatchEnded',
  'IncidentOpened',
  'IncidentChanged',
  'IncidentResolved',
] as const satisfies EventType[]

/** Any event. */
export type ViewkeeperEvent = ViewkeeperEvents[EventType]

/** The `source` of every event on EventBridge. */
export const eventSource = 'viewkeeper'

/** What may be wrong, and what is said of it: `it is stale`. In this order it is told. */
export const kindWords = {
  failing: 'failing',
  stale: 'stale',
  missing: 'missing',
  lag: 'unable to keep the target lag',
  suspended: 'suspended',
  aside: 'set aside',
  paused: 'paused without an end',
  slow: 'slow',
  wrong: 'wrong in slices',
  lost: 'without what hung on it',
  step: 'failing',
  batch: 'failed',
  channel: 'refused',
} as const
export type IncidentKind = keyof typeof kindWords
export const incidentKinds = Object.keys(kindWords) as IncidentKind[]

/** What may be wrong with a view. */
export type ViewIncidentKind = Exclude<IncidentKind, 'step' | 'batch' | 'channel'>
/** Those of which there is a metric of how many views have it: not of what is told by mail alone, or counted by runs. */
export type MeasuredKind = Exclude<ViewIncidentKind, 'paused' | 'slow' | 'wrong' | 'lost'>
export const isOfView = (kind: IncidentKind): kind is ViewIncidentKind =>
  kind !== 'step' && kind !== 'batch' && kind !== 'channel'
export const viewKinds = incidentKinds.filter(isOfView)

/** What a step of the monitor is called among them. */
export const stepName = (step: string): string => `step ${step} of the monitor`

/** What a batch is called among them. */
export const batchName = (id: string): string => `batch ${id}`

/** So long a message or an event may wait: a channel that refuses for a moment is no news, and it is sent again. */
export const mayWaitSeconds = 600
