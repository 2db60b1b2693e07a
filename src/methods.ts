// biome-ignore-all format: made by `npm run docs` from src/api/routes: change a route there.

import type { CallOptions } from './api/route.ts'
import type { ProblemCode } from './words/problem.ts'

export interface Action {
  id: number
  at: string
  action: 'pause' | 'resume' | 'quiet' | 'cancel' | 'force' | 'create' | 'drop' | 'retry' | 'set-aside' | 'put-back' | 'alter' | 'without-checks'
  requestedBy: string
  /** Empty: the views of the batch, everything that is scheduled (`pause`, `resume`), or none. */
  views: string[]
  runId: number | null
  batchId: string | null
  /** Of the run or the batch: how what was asked for ended. Null: it has neither, or that is pruned. */
  status: 'pending' | 'running' | 'built' | 'success' | 'failed' | 'canceled' | 'skipped' | null
  /** The options of the deed. */
  request: Record<string, unknown>
}

/** Who did what. Refreshes without `force` are runs only. */
export interface ActionList {
  actions: Action[]
  /** The `cursor` of the next page; null on the last. */
  next: string | null
}

/** A refresh of several views in dependency order. */
export interface Batch {
  /** The batch's id. */
  id: string
  status: 'pending' | 'running' | 'success' | 'failed' | 'canceled' | 'skipped'
  trigger: 'schedule' | 'http' | 'cli' | 'deploy' | 'batch' | 'program'
  requestedBy: string
  request: Record<string, unknown>
  selection: Record<string, unknown>
  strategy: 'auto' | 'regular' | 'concurrent' | 'swap' | null
  concurrency: number
  exchange: 'together' | 'each'
  /** The room on disk that the shadows of the batch may take, in bytes; null: no limit. */
  maxShadowBytes: number | null
  /** The views that read others of the batch but are not exchanged with them, and why. */
  refreshedEach: {
    view: string
    because: string
  }[]
  /** The views that wait because somebody has locked a view that they are to be exchanged with: which one, and who. */
  locked: {
    view: string
    because: string
    since: string
  }[]
  /** What the server says to the connections for runs that it does not let in: the batch goes on with those it has. Null: it lets all in. */
  refused: string | null
  cancelRequestedAt: string | null
  requestedAt: string
  startedAt: string | null
  /** When the batch was last advanced. */
  advancedAt: string | null
  finishedAt: string | null
  elapsedMs: number | null
  error: BatchError | null
}

/** A batch with its graph. */
export interface BatchDetails {
  /** The batch's id. */
  id: string
  status: 'pending' | 'running' | 'success' | 'failed' | 'canceled' | 'skipped'
  trigger: 'schedule' | 'http' | 'cli' | 'deploy' | 'batch' | 'program'
  requestedBy: string
  request: Record<string, unknown>
  selection: Record<string, unknown>
  strategy: 'auto' | 'regular' | 'concurrent' | 'swap' | null
  concurrency: number
  exchange: 'together' | 'each'
  /** The room on disk that the shadows of the batch may take, in bytes; null: no limit. */
  maxShadowBytes: number | null
  /** The views that read others of the batch but are not exchanged with them, and why. */
  refreshedEach: {
    view: string
    because: string
  }[]
  /** The views that wait because somebody has locked a view that they are to be exchanged with: which one, and who. */
  locked: {
    view: string
    because: string
    since: string
  }[]
  /** What the server says to the connections for runs that it does not let in: the batch goes on with those it has. Null: it lets all in. */
  refused: string | null
  cancelRequestedAt: string | null
  requestedAt: string
  startedAt: string | null
  /** When the batch was last advanced. */
  advancedAt: string | null
  finishedAt: string | null
  elapsedMs: number | null
  error: BatchError | null
  /** The time that is probably left, estimated from past runs. */
  estimatedRestMs: number | null
  /** The room on disk of the shadows that the batch builds, in bytes. */
  shadowBytes: number
  /** The views that are exchanged at one moment. */
  groups: {
    views: string[]
    shadowBytes: number
    /** Whether they are refreshed in one transaction where they are, which locks readers out no longer than an exchange. */
    inPlace: boolean
    /** Why the views were refreshed each by itself instead. */
    givenUp: {
      class: ProblemCode
      message: string
    } | null
  }[]
  views: {
    view: string
    status: 'pending' | 'running' | 'built' | 'success' | 'failed' | 'canceled' | 'skipped' | 'waiting' | 'pruned'
    /** Why the batch rebuilds the view although it was not to refresh it; null if the batch was to refresh it. */
    includedBecause: string | null
    dependsOn: string[]
    /** While the view waits: the views of the batch that are not done yet. Empty if only a slot is missing. */
    waitsFor: string[]
    estimatedMs: number
    runs: {
      runId: number
      status: 'pending' | 'running' | 'built' | 'success' | 'failed' | 'canceled' | 'skipped'
      attempt: number
      /** The earliest start of the run. */
      notBefore: string | null
      startedAt: string | null
      finishedAt: string | null
      elapsedMs: number | null
      /** While the run is running: `building`, `exchange` or the like, if known. */
      phase: string | null
      /** The class of the error. */
      class: string | null
      /** The SQLSTATE of the error. */
      sqlstate: string | null
      /** The message of the error, or why the run was skipped; at most 1000 characters. */
      message: string | null
    }[]
  }[]
  /** The `cursor` of the next page; null on the last. */
  next: string | null
}

/** Why a batch did not succeed. */
export interface BatchError {
  class: ProblemCode
  message: string
  views?: string[]
  openBatchId?: string
}

export interface BatchList {
  batches: Batch[]
  /** The `cursor` of the next page; null on the last. */
  next: string | null
}

export interface BatchOptions {
  /** Every view except those whose definition says `inAll: false`; the default. */
  all?: boolean
  /** These views. */
  views?: string[]
  /** A glob on `schema.name`; a quoted part is a name. */
  pattern?: string
  /** The views that this batch did not refresh: they failed, were canceled, or were skipped because of others. */
  retryOf?: string
  /** The views that fail, or were skipped because another view failed. */
  failed?: boolean
  /** Also everything that these views read. */
  ancestors?: boolean
  /** Also everything that reads these views. */
  descendants?: boolean
  /** Only the views that are older than their target lag, or than their limit if they have none, with what these read among the selected. A view without either is always refreshed. */
  onlyIfStale?: boolean
  /** The strategy for every view; by default each view has its own. */
  strategy?: 'auto' | 'regular' | 'concurrent' | 'swap'
  /** The number of views at once; by default 2. */
  concurrency?: number
  /** How often a view that fails is tried again; by default each view has its own number. */
  retries?: number
  /** `together`: views that read each other are built aside and exchanged at one moment. `each`: readers see each view when it is ready. By default the environment decides. */
  exchange?: 'together' | 'each'
  /** Whether to show the new data without the checks of the definition; by default false. `GET /actions` tells who asked for it. */
  withoutChecks?: boolean
}

/** Why the data of a view are as old as they are. */
export interface Cause {
  code: 'SetAside' | 'Missing' | 'Paused' | 'AllPaused' | 'Locked' | 'Upstream' | 'Failed' | 'CheckFailed' | 'Suspended' | 'LagTooShort' | 'Canceled' | 'Skipped' | 'Unpopulated' | 'HeldBack' | 'UnknownAge' | 'InProgress' | 'ScheduleMissed' | 'NotScheduled' | 'NotYetDue' | 'Well' | 'NotSkipped' | 'Slow' | 'WrongSlices' | 'Lost' | 'LogUnused'
  /** The cause in one or two sentences. */
  text: string
  /** What to type: a command line of `viewkeeper`, or SQL. Null if nothing helps. */
  next: string | null
  /** The view that has the cause, if it is another one. */
  view?: string
  /** With code `Upstream`: the code of the cause that the other view has. */
  upstream?: 'SetAside' | 'Missing' | 'Paused' | 'AllPaused' | 'Locked' | 'Upstream' | 'Failed' | 'CheckFailed' | 'Suspended' | 'LagTooShort' | 'Canceled' | 'Skipped' | 'Unpopulated' | 'HeldBack' | 'UnknownAge' | 'InProgress' | 'ScheduleMissed' | 'NotScheduled' | 'NotYetDue' | 'Well' | 'NotSkipped' | 'Slow' | 'WrongSlices' | 'Lost' | 'LogUnused'
  /** The run that the cause is about. */
  runId?: number
  /** The batch that the cause is about. */
  batchId?: string
}

/** What the checks of a view have found in the data that readers see. */
export interface CheckedView {
  view: string
  /** Whether no check found anything, besides those that only warn. */
  passes: boolean
  checks: {
    name: string
    /** The check only warns. */
    severity?: 'warn'
    /** How many rows it found; null if it could not be made. */
    rows: number | null
    ms: number | null
    /** Why the check could not be made, without row data. */
    error: {
      sqlstate: string | null
      message: string
    } | null
    /** The query that shows the rows. It knows the view by its name without a schema. */
    query: string
  }[]
}

export interface CreateOptions {
  /** Replaces an existing view if nothing depends on it; by default an existing view is left as it is. */
  force?: boolean
  /** Whether the view is filled; by default true. */
  withData?: boolean
  /** The longest time of the operation on the server, with the wait for locks. */
  timeoutSeconds?: number
}

/** Days without a run are left out, and so are views without one. */
export interface DayList {
  views: ViewDays[]
  /** The `cursor` of the next page; null on the last. */
  next: string | null
}

export interface DropOptions {
  /** Whether to drop what depends on the view, too; by default false. */
  cascade?: boolean
  /** Whether a missing view is skipped instead of refused; by default true. */
  ifExists?: boolean
  /** The longest time of the operation on the server, with the wait for locks. */
  timeoutSeconds?: number
}

/** A lock of another session that is in the way of the refresh. */
export interface HeldLock {
  /** The session's process; null for a prepared transaction. */
  pid: number | null
  role: string | null
  application: string | null
  /** Such as `active` or `idle in transaction`; null if our role may not see it. */
  state: string | null
  /** When the transaction of the session began; null if our role may not see it. */
  since: string | null
  mode: string
  /** What the session has locked. */
  relation: string
  /** The last statement of the session, with ... instead of each constant; null if our role may not see it. */
  statement: string | null
  /** SQL that ends the session; null if the session is a run of Viewkeeper: cancel the run. */
  end: string | null
  /** Who may execute it. */
  endBy: string | null
  /** The run whose session it is, if it is Viewkeeper's. */
  runId?: number
}

export interface MetricsList {
  windowSeconds: number
  metrics: ViewMetrics[]
  /** The `cursor` of the next page; null on the last. */
  next: string | null
}

export interface PauseOptions {
  /** When the pause ends by itself; by default somebody has to end it. */
  until?: string
}

export interface PauseState {
  paused: boolean
  view?: string
}

/** What runs in the coming 24 hours. */
export interface Plan {
  from: string
  /** Whether everything scheduled is paused now. The plan is as if it were not. */
  paused: boolean
  schedules: PlannedTurns[]
  /** What is refreshed whenever its data become `lagMs` old, and for which view; null: for its own sake. */
  lags: {
    view: string
    lagMs: number
    for: string | null
  }[]
  /** What is left out while it is paused, or suspended until then. */
  leftOut: {
    view: string
    because: 'paused' | 'suspended'
    until: string | null
  }[]
}

export interface PlannedTurns {
  /** Five fields of cron. */
  schedule: string
  timeZone: string
  /** Whether it is the views' own schedule, or the one for every view. */
  by: 'view' | 'nightly'
  first: string
  /** How many turns it has in these 24 hours. */
  count: number
  /** What each turn refreshes, without paused views. */
  views: string[]
  /** How long that usually takes, one after the other, in milliseconds. */
  usualMs: number
  /** The later schedules that refresh some of the same views at the same moment: the second batch waits for what the first builds. */
  meets?: {
    schedule: string
    timeZone: string
    at: string
    views: string[]
  }[]
}

export interface QuietOptionsOfNow {
  /** When it begins; by default now. */
  from?: string
  /** When it ends; by default it is over. */
  until?: string
}

export interface QuietState {
  /** Null: people are told. */
  quiet: {
    from: string
    until: string
    by: string
  } | null
}

export interface RefreshOptions {
  /** How to refresh; by default the view's own strategy, which is `auto` unless it was authored. */
  strategy?: 'auto' | 'regular' | 'concurrent' | 'swap'
  /** The longest time of the operation on the server, with the wait for locks. */
  timeoutSeconds?: number
  /** Whether to refresh a view that is paused or was refreshed within its minimum interval; by default false. */
  force?: boolean
  /** Whether to show the new data without the checks of the definition; by default false. `GET /actions` tells who asked for it. */
  withoutChecks?: boolean
  /** Computes only the rows anew whose `by` is between these two values, ends included, and keeps all others. */
  slices?: {
    from: string
    to: string
    /** A column by which the view falls into slices; by default that of its definition, or the only one. */
    by?: string
  }
}

/** The answer of an operation, the same for every trigger and every wait. */
export interface Result {
  runId: number
  view: string
  operation: 'create' | 'refresh' | 'drop'
  status: 'created' | 'updated' | 'deleted' | 'skipped' | 'running' | 'error'
  request: Record<string, unknown>
  response: {
    view: string
    strategy?: string
    because?: string
    sql?: string[]
    attempts?: number
    /** How long the run locked readers out, in milliseconds, its wait for the lock included. Absent: it locked none out. */
    lockedMs?: number
    /** How long it took to compute and write the rows, in milliseconds. */
    fillMs?: number
    /** The views that were refreshed together with this view, because they read it. */
    group?: {
      view: string
      runId: number
    }[]
    /** Which slices of the view were computed. */
    slices?: {
      /** How many slices were computed. Absent: all. */
      anew?: number
      /** About how many slices the view has. Absent: nobody knows. */
      of?: number
      /** If all were computed although a log told which: how many no change had touched, and were compared. */
      compared?: number
      /** How many of these were wrong. */
      wrong?: number
      /** If a change log told what to compute: by which column. */
      by?: string
      /** A mark of what else the rows depend on. */
      shape?: string
      /** When all rows were computed last. */
      wholeAt?: string
      /** How long that took, in milliseconds: in the last refresh before this one that did. */
      wholeMs?: number
      /** In a batch: the snapshot whose changes leave the log when the view is exchanged. */
      read?: string
    }
    /** What the refresh of an incremental table computes: `because` says it in words. */
    computes?: {
      mode: 'range' | 'touched' | 'all'
      /** The column of its slices. Absent: it computes all rows. */
      by?: string
      from?: string
      to?: string
      /** Whether changes of joined tables touch slices, too. */
      joined?: boolean
      /** How long all slices took, in milliseconds. */
      wholeMs?: number | null
      /** Why all slices are computed although there is a change log. */
      because?: {
        code: 'due' | 'wrong' | 'outOfRange' | 'notRead' | 'altered' | 'newLog' | 'zone' | 'changed'
      }
      /** Whether slices that no change has touched are compared. */
      compares?: boolean
      /** Why its change log is not used, and the OID of the log. */
      unused?: {
        because: string
        log: number | null
      }
    }
    rowCountBefore: number | null
    rowCountAfter: number | null
    durationMs: number | null
  }
  /** This result is of an earlier request's run: one that goes on, or ended within the view's minimum interval. */
  coalesced?: true
  error?: RunError
}

/** One execution of one operation on one view. */
export interface Run {
  id: number
  view: string
  schema: string
  name: string
  operation: 'create' | 'refresh' | 'drop'
  status: 'pending' | 'running' | 'built' | 'success' | 'failed' | 'canceled' | 'skipped'
  trigger: 'schedule' | 'http' | 'cli' | 'deploy' | 'batch' | 'program'
  requestedBy: string
  batchId: string | null
  attempt: number
  requestedAt: string
  /** The earliest start of the run, if it is a retry. */
  notBefore: string | null
  startedAt: string | null
  finishedAt: string | null
  durationMs: number | null
  rowCountBefore: number | null
  rowCountAfter: number | null
  /** The checks of the new data. Null: none was made, or the run did not succeed. */
  checks: {
    name: string
    severity?: 'warn'
    /** How many rows the check found. */
    rows: number
    /** How many rows the view had, if the check counts them. */
    counted?: number
    /** How the rows differ from those before, if the check compares. */
    differs?: {
      before: number
      after: number
      added: number
      gone: number
      changed: number
    }
    /** About how many rows the view has, if they are too many to be compared. */
    about?: number
    ms: number
  }[] | null
  error: RunError | null
  /** Of one run that has failed or was canceled: the cause, as `why` tells it, and what to type next. */
  cause?: Cause
  /** While the run is running. */
  progress?: {
    phase: string | null
    elapsedMs: number | null
    estimatedMs: number | null
  }
  result: RunResult
}

/** Why a run did not succeed. Holds no row data. */
export interface RunError {
  class: ProblemCode
  message: string
  sqlstate?: string
  detail?: string
  hint?: string
  context?: string
  runningRunId?: number
}

export interface RunList {
  runs: Run[]
  /** The `cursor` of the next page; null on the last. */
  next: string | null
}

/** The answer of the operation. Its error is the one of the run. */
export interface RunResult {
  runId: number
  view: string
  operation: 'create' | 'refresh' | 'drop'
  status: 'created' | 'updated' | 'deleted' | 'skipped' | 'running' | 'error'
  request: Record<string, unknown>
  response: {
    view: string
    strategy?: string
    because?: string
    sql?: string[]
    attempts?: number
    /** How long the run locked readers out, in milliseconds, its wait for the lock included. Absent: it locked none out. */
    lockedMs?: number
    /** How long it took to compute and write the rows, in milliseconds. */
    fillMs?: number
    /** The views that were refreshed together with this view, because they read it. */
    group?: {
      view: string
      runId: number
    }[]
    /** Which slices of the view were computed. */
    slices?: {
      /** How many slices were computed. Absent: all. */
      anew?: number
      /** About how many slices the view has. Absent: nobody knows. */
      of?: number
      /** If all were computed although a log told which: how many no change had touched, and were compared. */
      compared?: number
      /** How many of these were wrong. */
      wrong?: number
      /** If a change log told what to compute: by which column. */
      by?: string
      /** A mark of what else the rows depend on. */
      shape?: string
      /** When all rows were computed last. */
      wholeAt?: string
      /** How long that took, in milliseconds: in the last refresh before this one that did. */
      wholeMs?: number
      /** In a batch: the snapshot whose changes leave the log when the view is exchanged. */
      read?: string
    }
    /** What the refresh of an incremental table computes: `because` says it in words. */
    computes?: {
      mode: 'range' | 'touched' | 'all'
      /** The column of its slices. Absent: it computes all rows. */
      by?: string
      from?: string
      to?: string
      /** Whether changes of joined tables touch slices, too. */
      joined?: boolean
      /** How long all slices took, in milliseconds. */
      wholeMs?: number | null
      /** Why all slices are computed although there is a change log. */
      because?: {
        code: 'due' | 'wrong' | 'outOfRange' | 'notRead' | 'altered' | 'newLog' | 'zone' | 'changed'
      }
      /** Whether slices that no change has touched are compared. */
      compares?: boolean
      /** Why its change log is not used, and the OID of the log. */
      unused?: {
        because: string
        log: number | null
      }
    }
    rowCountBefore: number | null
    rowCountAfter: number | null
    durationMs: number | null
  }
  /** This result is of an earlier request's run: one that goes on, or ended within the view's minimum interval. */
  coalesced?: true
}

/** What would be silence, as of the last look of the monitor. */
export interface Silence {
  /** How it is said: a line for each, and what to type; none if all is well. */
  lines: {
    text: string
    next: string | null
  }[]
  /** The views that nothing refreshes: no schedule, no target lag, and no definition says that something else does. */
  unrefreshed: string[]
  /** Whether anybody is told what goes wrong; null: nobody knows. */
  told: boolean | null
  /** The views that have been paused for a week or longer, without an end. */
  forgotten: string[]
  /** Since when the oldest message or event has waited that is not sent, if that is longer than ten minutes; null: nothing has. */
  waitingSince: string | null
}

export interface StartedBatch {
  /** The batch's id. */
  batchId: string
  status: 'pending' | 'running' | 'success' | 'failed' | 'canceled' | 'skipped'
  error?: BatchError | null
}

export interface View {
  /** Null until the monitor, a run or a batch first meets the view. */
  id: number | null
  view: string
  schema: string
  name: string
  source: 'authored' | 'discovered'
  strategy: string
  populated: boolean
  paused: boolean
  /** When its pause ends by itself; null: when somebody ends it. */
  pausedUntil?: string | null
  /** While the view is locked exclusively: the planner's estimate, or null. */
  sizeBytes: number | null
  /** The planner's estimate; if there is none, the count of the last refresh. */
  estimatedRows: number | null
  /** The count of the refresh that made the data; null if nobody knows which one did. */
  countedRows?: number | null
  /** How the view stands: the most urgent of all that is true of it. `failed`: its own refresh failed, and none has succeeded since; `heldBack`: it waits for `culprit`; `unknown`: nobody knows how old its data are; `unlimited`: nothing says how old they may be. */
  state: 'missing' | 'aside' | 'failed' | 'unpopulated' | 'heldBack' | 'stale' | 'paused' | 'unknown' | 'unlimited' | 'fresh'
  /** The view to fix first, because this one waits for it, or shows its old data. Null: none is. */
  culprit: string | null
  /** A run that has not ended, or else the one that ended last. */
  lastRun: {
    id: number
    status: 'pending' | 'running' | 'built' | 'success' | 'failed' | 'canceled' | 'skipped'
    requestedAt: string
    finishedAt: string | null
    durationMs: number | null
  } | null
  lastSuccessAt: string | null
  /** The moment whose data the view shows: nothing that was committed before is missing. Null if nobody knows it. */
  asOf: string | null
  /** The view whose data are the oldest in this view, or whose age nobody knows. Null if no view that it reads holds `asOf` back. */
  heldBackBy: string | null
  /** The age of the data: time since `asOf`, or since the last success if nobody knows it. Null if no run has made them fresh. */
  staleMs: number | null
  /** The age from which the data are stale; null if nothing says how old they may be. */
  maxStaleMs: number | null
  dependsOn: string[]
  neededBy: string[]
  /** Whether the data are older than they may be. */
  stale: boolean
  /** When the view is refreshed next, by a target lag: at the latest; null if nothing does that, or a pause keeps it from that. */
  nextRun: string | null
  /** What begins that run: the view's own schedule, the one for every view, a target lag, its log as soon as it has rows, and else at `nextRun`; a retry. Null if `nextRun` is null. */
  nextBy: 'view' | 'nightly' | 'lag' | 'log' | 'retry' | null
  /** How old target lags let the data become: its own, or the shortest of the views for which it is refreshed along. Null: none does. */
  promisedMs: number | null
  /** The view whose target lag that is; null: its own. */
  promisedFor: string | null
  /** The view's own schedule, as five fields of cron; null if its definition has none. */
  schedule: string | null
  /** The time zone of the view's own schedule. */
  timeZone: string | null
  /** Whether a batch of all views includes it. */
  inAll?: boolean
  /** When the batch of every view refreshes it; null if it does not. */
  nightly?: string | null
  /** How old the data may become, instead of a schedule; null if its definition does not say so. */
  targetLagSeconds: number | null
  /** The shortest target lag that can be kept, if that of the definition cannot; otherwise null. */
  lagWorksSeconds: number | null
  /** When schedules try the view next, of which too many scheduled refreshes have failed in a row; null if it is not suspended. */
  suspendedUntil: string | null
  /** What the last look of the monitor found wrong with the view, and why; null: nothing. `why` has the locks of this moment. */
  incident?: {
    kinds: ('failing' | 'stale' | 'missing' | 'lag' | 'suspended' | 'aside' | 'paused' | 'slow' | 'wrong' | 'lost')[]
    /** When the monitor first saw it. */
    openedAt: string
    /** What to fix first: this view, one that it reads, a batch, a session. */
    culprit: string
    code: 'SetAside' | 'Missing' | 'Paused' | 'AllPaused' | 'Locked' | 'Upstream' | 'Failed' | 'CheckFailed' | 'Suspended' | 'LagTooShort' | 'Canceled' | 'Skipped' | 'Unpopulated' | 'HeldBack' | 'UnknownAge' | 'InProgress' | 'ScheduleMissed' | 'NotScheduled' | 'NotYetDue' | 'Well' | 'NotSkipped' | 'Slow' | 'WrongSlices' | 'Lost' | 'LogUnused'
    /** Why, in one or two sentences. */
    text: string
    /** What to type; null if nothing helps. */
    next: string | null
  } | null
  /** Whether the view was authored, and is not in the database. */
  missing: boolean
  /** Whether its definition has checks. */
  checked: boolean
  /** Since when checks hold the new data of the view back; null: none does. */
  checkFailedSince: string | null
  /** Since when the view is set aside for a change of a table, and by which role; null if it is not. */
  aside: {
    since: string
    by: string
  } | null
  /** That the last attempt failed (`runId`, `message`), and when the next one begins (`at`); null if none waits. */
  retry: {
    runId: number
    at: string
    message: string | null
  } | null
}

export interface ViewDays {
  view: string
  days: {
    /** In UTC. */
    day: string
    /** How the last run that was requested on this day ended. */
    last: 'pending' | 'running' | 'built' | 'success' | 'failed' | 'canceled' | 'skipped'
    runs: number
    failed: number
  }[]
}

export interface ViewDetails {
  /** Null until the monitor, a run or a batch first meets the view. */
  id: number | null
  view: string
  schema: string
  name: string
  source: 'authored' | 'discovered'
  strategy: string
  populated: boolean
  paused: boolean
  /** When its pause ends by itself; null: when somebody ends it. */
  pausedUntil?: string | null
  /** While the view is locked exclusively: the planner's estimate, or null. */
  sizeBytes: number | null
  /** The planner's estimate; if there is none, the count of the last refresh. */
  estimatedRows: number | null
  /** The count of the refresh that made the data; null if nobody knows which one did. */
  countedRows?: number | null
  /** How the view stands: the most urgent of all that is true of it. `failed`: its own refresh failed, and none has succeeded since; `heldBack`: it waits for `culprit`; `unknown`: nobody knows how old its data are; `unlimited`: nothing says how old they may be. */
  state: 'missing' | 'aside' | 'failed' | 'unpopulated' | 'heldBack' | 'stale' | 'paused' | 'unknown' | 'unlimited' | 'fresh'
  /** The view to fix first, because this one waits for it, or shows its old data. Null: none is. */
  culprit: string | null
  /** A run that has not ended, or else the one that ended last. */
  lastRun: {
    id: number
    status: 'pending' | 'running' | 'built' | 'success' | 'failed' | 'canceled' | 'skipped'
    requestedAt: string
    finishedAt: string | null
    durationMs: number | null
  } | null
  lastSuccessAt: string | null
  /** The moment whose data the view shows: nothing that was committed before is missing. Null if nobody knows it. */
  asOf: string | null
  /** The view whose data are the oldest in this view, or whose age nobody knows. Null if no view that it reads holds `asOf` back. */
  heldBackBy: string | null
  /** The age of the data: time since `asOf`, or since the last success if nobody knows it. Null if no run has made them fresh. */
  staleMs: number | null
  /** The age from which the data are stale; null if nothing says how old they may be. */
  maxStaleMs: number | null
  dependsOn: string[]
  neededBy: string[]
  /** Whether the data are older than they may be. */
  stale: boolean
  /** When the view is refreshed next, by a target lag: at the latest; null if nothing does that, or a pause keeps it from that. */
  nextRun: string | null
  /** What begins that run: the view's own schedule, the one for every view, a target lag, its log as soon as it has rows, and else at `nextRun`; a retry. Null if `nextRun` is null. */
  nextBy: 'view' | 'nightly' | 'lag' | 'log' | 'retry' | null
  /** How old target lags let the data become: its own, or the shortest of the views for which it is refreshed along. Null: none does. */
  promisedMs: number | null
  /** The view whose target lag that is; null: its own. */
  promisedFor: string | null
  /** The view's own schedule, as five fields of cron; null if its definition has none. */
  schedule: string | null
  /** The time zone of the view's own schedule. */
  timeZone: string | null
  /** Whether a batch of all views includes it. */
  inAll?: boolean
  /** When the batch of every view refreshes it; null if it does not. */
  nightly?: string | null
  /** How old the data may become, instead of a schedule; null if its definition does not say so. */
  targetLagSeconds: number | null
  /** The shortest target lag that can be kept, if that of the definition cannot; otherwise null. */
  lagWorksSeconds: number | null
  /** When schedules try the view next, of which too many scheduled refreshes have failed in a row; null if it is not suspended. */
  suspendedUntil: string | null
  /** What the last look of the monitor found wrong with the view, and why; null: nothing. `why` has the locks of this moment. */
  incident?: {
    kinds: ('failing' | 'stale' | 'missing' | 'lag' | 'suspended' | 'aside' | 'paused' | 'slow' | 'wrong' | 'lost')[]
    /** When the monitor first saw it. */
    openedAt: string
    /** What to fix first: this view, one that it reads, a batch, a session. */
    culprit: string
    code: 'SetAside' | 'Missing' | 'Paused' | 'AllPaused' | 'Locked' | 'Upstream' | 'Failed' | 'CheckFailed' | 'Suspended' | 'LagTooShort' | 'Canceled' | 'Skipped' | 'Unpopulated' | 'HeldBack' | 'UnknownAge' | 'InProgress' | 'ScheduleMissed' | 'NotScheduled' | 'NotYetDue' | 'Well' | 'NotSkipped' | 'Slow' | 'WrongSlices' | 'Lost' | 'LogUnused'
    /** Why, in one or two sentences. */
    text: string
    /** What to type; null if nothing helps. */
    next: string | null
  } | null
  /** Whether the view was authored, and is not in the database. */
  missing: boolean
  /** Whether its definition has checks. */
  checked: boolean
  /** Since when checks hold the new data of the view back; null: none does. */
  checkFailedSince: string | null
  /** Since when the view is set aside for a change of a table, and by which role; null if it is not. */
  aside: {
    since: string
    by: string
  } | null
  /** That the last attempt failed (`runId`, `message`), and when the next one begins (`at`); null if none waits. */
  retry: {
    runId: number
    at: string
    message: string | null
  } | null
  /** Null if the view is missing. */
  owner: string | null
  comment: string | null
  /** Null while a running refresh blocks reading it. */
  sql: string | null
  indexes: {
    name: string
    unique: boolean
    definition: string | null
  }[]
  /** The room on disk of its change log; null if it has none. */
  logBytes?: number | null
  /** Why its change log is not used, or that nothing checks it; null if neither is so. */
  logNote?: string | null
  recentRuns: Run[]
}

export interface ViewList {
  views: View[]
  /** Since when everything scheduled is paused, who paused it, and when that ends by itself; null if it is not paused. */
  paused: {
    since: string
    by: string
    until?: string | null
  } | null
  /** From when until when nobody is told what is wrong, and who wants that; null: people are told. */
  quiet?: {
    from: string
    until: string
    by: string
  } | null
  /** The channels of viewkeeper serve that do not take their messages. Empty on AWS, where SNS delivers. */
  failing?: {
    channel: string
    since: string
    /** Why the last try failed. */
    error: string
  }[]
  silence?: Silence
  /** The `cursor` of the next page; null on the last. */
  next: string | null
}

/** Durations are those of successful refreshes. */
export interface ViewMetrics {
  id: number
  view: string
  runs: number
  succeeded: number
  failed: number
  /** Successes divided by successes and failures, 0 to 1. */
  successRate: number | null
  averageMs: number | null
  minMs: number | null
  maxMs: number | null
  p95Ms: number | null
  /** The part of `averageMs` that the checks took; null if none was made. */
  checksMs: number | null
  /** The average of the last 20 successful refreshes, also of those before the window. */
  usualMs: number | null
  paused: boolean
  lastStatus: 'pending' | 'running' | 'built' | 'success' | 'failed' | 'canceled' | 'skipped' | null
  lastSuccessAt: string | null
  /** The moment whose data the view shows: nothing that was committed before is missing. Null if nobody knows it. */
  asOf: string | null
  /** The view whose data are the oldest in this view, or whose age nobody knows. Null if no view that it reads holds `asOf` back. */
  heldBackBy: string | null
  /** The age of the data: time since `asOf`, or since the last success if nobody knows it. Null if no run has made them fresh. */
  staleMs: number | null
  /** The age from which the data are stale; null if nothing says how old they may be. */
  maxStaleMs: number | null
  stale: boolean
  missing: boolean
  rowCountBefore: number | null
  rowCountAfter: number | null
  failedLastDay: number
  lastFailure: {
    runId: number
    at: string
    class: string | null
  } | null
}

/** Why the data of a view are as old as they are, and what to do. */
export interface Why {
  view: string
  /** How the view stands: the most urgent of all that is true of it. `failed`: its own refresh failed, and none has succeeded since; `heldBack`: it waits for `culprit`; `unknown`: nobody knows how old its data are; `unlimited`: nothing says how old they may be. */
  state: 'missing' | 'aside' | 'failed' | 'unpopulated' | 'heldBack' | 'stale' | 'paused' | 'unknown' | 'unlimited' | 'fresh'
  /** The view to fix first, because this one waits for it, or shows its old data. Null: none is. */
  culprit: string | null
  lastSuccessAt: string | null
  /** The moment whose data the view shows: nothing that was committed before is missing. Null if nobody knows it. */
  asOf: string | null
  /** The view whose data are the oldest in this view, or whose age nobody knows. Null if no view that it reads holds `asOf` back. */
  heldBackBy: string | null
  /** The age of the data: time since `asOf`, or since the last success if nobody knows it. Null if no run has made them fresh. */
  staleMs: number | null
  /** The age from which the data are stale; null if nothing says how old they may be. */
  maxStaleMs: number | null
  /** When a schedule refreshes the view next; null if none does, or a pause keeps it from that. */
  nextRun: string | null
  /** What begins that run: the view's own schedule, the one for every view, a target lag, its log as soon as it has rows, and else at `nextRun`; a retry. Null if `nextRun` is null. */
  nextBy?: 'view' | 'nightly' | 'lag' | 'log' | 'retry' | null
  /** The views that wait for the one to fix first, which is `culprit`, or else this view. */
  holdsBack: string[]
  /** Why the data are as old as they are: the real cause first. There is always one. */
  causes: Cause[]
  /** Who is in the way of the refresh now: the oldest transaction first. */
  locks: HeldLock[]
  /** The last five runs of the view, newest first. */
  recentRuns: Run[]
  silence?: Silence
}

/** Each route of the API as a method. */
export interface Methods {
  /** Cancels a batch with its runs */
  cancelBatch(input: {
    /** The batch's id. */
    id: string
  }, options?: CallOptions): Promise<StartedBatch>
  /** Cancels a run on the server */
  cancelRun(input: {
    /** The run's id. */
    id: number
  }, options?: CallOptions): Promise<Result>
  /** Makes the checks of a view on the data that readers see */
  checkView(input: {
    /** A view: its name as SQL reads it (`sales`, `app.sales`, `"Odd.Name"`), or its id. */
    view: string
  }, options?: CallOptions): Promise<CheckedView>
  /** Creates a view from its definition */
  createView(input: {
    /** A view: its name as SQL reads it (`sales`, `app.sales`, `"Odd.Name"`), or its id. */
    view: string
  } & CreateOptions, options?: CallOptions): Promise<Result>
  /** Drops a view */
  dropView(input: {
    /** A view: its name as SQL reads it (`sales`, `app.sales`, `"Odd.Name"`), or its id. */
    view: string
  } & DropOptions, options?: CallOptions): Promise<Result>
  /** Shows one batch with its graph */
  getBatch(input: {
    /** The batch's id. */
    id: string
    /** The `next` of the page before. A list has pages only if it is too large for one answer. */
    cursor?: string
  }, options?: CallOptions): Promise<BatchDetails>
  /** Shows counts and durations of the runs of each view in a window, and how each view is now */
  getMetrics(input?: {
    /** A view: its name as SQL reads it (`sales`, `app.sales`, `"Odd.Name"`), or its id. */
    view?: string
    /** How far back: `90m`, `24h`, `7d`. */
    window?: string
    /** The `next` of the page before. A list has pages only if it is too large for one answer. */
    cursor?: string
  }, options?: CallOptions): Promise<MetricsList>
  /** Describes the API by OpenAPI 3.1 */
  getOpenapi(input?: Record<string, never>, options?: CallOptions): Promise<Record<string, unknown>>
  /** Says what runs in the coming 24 hours */
  getPlan(input?: Record<string, never>, options?: CallOptions): Promise<Plan>
  /** Shows one run */
  getRun(input: {
    /** The run's id. */
    id: number
  }, options?: CallOptions): Promise<Run>
  /** Shows one view */
  getView(input: {
    /** A view: its name as SQL reads it (`sales`, `app.sales`, `"Odd.Name"`), or its id. */
    view: string
  }, options?: CallOptions): Promise<ViewDetails>
  /** Says why the data of a view are as old as they are, and what to do */
  getWhy(input: {
    /** A view: its name as SQL reads it (`sales`, `app.sales`, `"Odd.Name"`), or its id. */
    view: string
  }, options?: CallOptions): Promise<Why>
  /** Lists who did what, newest first: pauses, cancels, forced refreshes, drops and the like */
  listActions(input?: {
    /** Only what concerns this view: also what was done to a batch with it, or to everything. */
    view?: string
    action?: 'pause' | 'resume' | 'quiet' | 'cancel' | 'force' | 'create' | 'drop' | 'retry' | 'set-aside' | 'put-back' | 'alter' | 'without-checks'
    /** Only actions at or after this moment. */
    since?: string
    /** Only actions before this moment. */
    until?: string
    limit?: number
    /** The `next` of the page before. */
    cursor?: number
  }, options?: CallOptions): Promise<ActionList>
  /** Lists batches, newest first */
  listBatches(input?: {
    status?: 'pending' | 'running' | 'success' | 'failed' | 'canceled' | 'skipped'
    limit?: number
    /** The `next` of the page before. */
    cursor?: number
  }, options?: CallOptions): Promise<BatchList>
  /** Shows for each view and day how its runs ended */
  listDays(input?: {
    /** How many days, today among them. */
    days?: number
    /** The `next` of the page before. A list has pages only if it is too large for one answer. */
    cursor?: string
  }, options?: CallOptions): Promise<DayList>
  /** Lists runs, newest first */
  listRuns(input?: {
    /** A view: its name as SQL reads it (`sales`, `app.sales`, `"Odd.Name"`), or its id. */
    view?: string
    /** Only runs of the views whose `schema.name` matches this glob, also of views that are gone. */
    pattern?: string
    operation?: 'create' | 'refresh' | 'drop'
    /** Only runs with one of these statuses. */
    status?: string
    /** Only runs requested at or after this moment. */
    since?: string
    /** Only runs requested before this moment. */
    until?: string
    limit?: number
    /** The `next` of the page before. */
    cursor?: number
  }, options?: CallOptions): Promise<RunList>
  /** Lists every view */
  listViews(input?: {
    /** Only views that are in this state. `failed`: a refresh failed, and none has succeeded since. `running`: the last run is running. */
    state?: 'stale' | 'failed' | 'heldBack' | 'unknown' | 'running' | 'paused' | 'aside' | 'missing' | 'unpopulated'
    /** The `next` of the page before. A list has pages only if it is too large for one answer. */
    cursor?: string
  }, options?: CallOptions): Promise<ViewList>
  /** Pauses everything: schedules and deploys start no more refreshes, perhaps `until` a moment */
  pauseAll(input?: PauseOptions, options?: CallOptions): Promise<PauseState>
  /** Pauses a view: its refreshes are skipped, except with `force`, perhaps `until` a moment */
  pauseView(input: {
    /** A view: its name as SQL reads it (`sales`, `app.sales`, `"Odd.Name"`), or its id. */
    view: string
  } & PauseOptions, options?: CallOptions): Promise<PauseState>
  /** Lets nobody be told what is wrong, perhaps `from` a moment, `until` another; without `until`, that is over */
  quiet(input?: QuietOptionsOfNow, options?: CallOptions): Promise<QuietState>
  /** Refreshes a view */
  refreshView(input: {
    /** A view: its name as SQL reads it (`sales`, `app.sales`, `"Odd.Name"`), or its id. */
    view: string
  } & RefreshOptions, options?: CallOptions): Promise<Result>
  /** Resumes everything: schedules and deploys start refreshes again */
  resumeAll(input?: Record<string, never>, options?: CallOptions): Promise<PauseState>
  /** Resumes a view: its refreshes run again */
  resumeView(input: {
    /** A view: its name as SQL reads it (`sales`, `app.sales`, `"Odd.Name"`), or its id. */
    view: string
  }, options?: CallOptions): Promise<PauseState>
  /** Refreshes several views in dependency order */
  startBatch(input?: BatchOptions, options?: CallOptions): Promise<StartedBatch>
}
