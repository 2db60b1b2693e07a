import type { Strategy } from '../../catalog/plan/definition.ts'
import type { ViewTimes } from '../../catalog/plan/scheduled.ts'
import { mayRetry, type ProblemCode } from '../../words/problem.ts'
import type { RunStatus, Trigger } from '../../words/run.ts'

/** The latest run of a view in its batch. */
export interface LatestRun {
  runId: number
  status: RunStatus
  attempt: number
  /** The class of the run's error; null if it has none. */
  class: string | null
  /** The SQLSTATE of the run's error; null if it has none. */
  sqlstate: string | null
  /** Whether the run's `not_before` has passed or is not set. */
  due: boolean
  /** Whether the view's shadow was whole when the run ended: only its exchange failed. */
  built?: boolean
  /** Whether the run was skipped because it would have changed nothing. */
  unneeded?: boolean
  /** Whether the run of another view does the work of this one, too. */
  follows?: boolean
  /** Whether the run has waited for a lock for more than a second, so that another run may have its slot. */
  waits?: boolean
}

/** Views of a batch whose new data appear at one moment. */
export interface TogetherGroup {
  number: number
  /** The ids of the views. */
  members: number[]
  /** One run refreshes the views where they are, in one transaction. Default: each view has a run that fills its shadow. */
  inPlace?: boolean
}

/** Classes of failures after which the exchange of the same shadows is tried again. After any other, each view is refreshed by itself. */
export const passing = ['Canceled', 'Deadlock', 'LockTimeout', 'RunLost', 'StatementTimeout']

/** The views that a batch is to refresh, in canonical form: equal selections are equal JSON. Views by their names in SQL. */
export type Selection = (
  | { all: true }
  | { views: string[] }
  | { pattern: string }
  | { scheduled: ViewTimes }
) & {
  ancestors?: true
  descendants?: true
}

/** The facts of a view that decide whether a selection has it. */
export interface Selectable {
  schema: string
  name: string
  /** The name as SQL writes it. */
  view: string
  /** Whether a batch of all views includes it. */
  inAll: boolean
  /** The schedule of its definition; null if it has none. */
  schedule: string | null
  timeZone: string | null
}

/** The facts of a view from which a batch is planned. */
export interface BatchableView extends Selectable {
  /** The id of the view's definition. */
  id: number
  paused: boolean
  retries: number
  retryDelaySeconds: number
  /** The view's usual duration; null if no refresh has succeeded. */
  usualMs: number | null
}

/** A view's place in a batch. */
export interface PlannedView {
  id: number
  schema: string
  name: string
  /** Ids of the views in this batch that the view reads. */
  parents: number[]
  retries: number
  retryDelaySeconds: number
  estimateMs: number
  /** The estimate of the time from the start of this view to the end of the last view that waits for it: the critical path. */
  remainingMs: number
}

/** A view of a batch, or a reader of one, by the facts that decide which views are exchanged together. */
export interface TogetherView {
  /** The id of the view's definition. */
  id: number
  schema: string
  name: string
  /** Ids of the views in the batch that the view reads, also by `dependsOn`. */
  parents: number[]
  /** Whether the batch is to refresh the view. */
  asked: boolean
  /** Nobody may change its data, even if another view needs that. */
  paused: boolean
  /** The strategy of the batch, or of the view's definition. */
  strategy: Strategy
  /** Whether a concurrent refresh is possible: the view has a usable unique index. */
  hasKey: boolean
  /** Whether a failure of the view is newer than its last success. */
  failed: boolean
}

/** Views of a batch whose shadows are exchanged at one moment. */
export interface PlannedGroup<G> {
  /** The ids of the materialized views whose shadows are filled, parents first. */
  members: number[]
  group: G
  shadowBytes: number
}

const slowFactor = 2

/** A shorter refresh is never slow. */
const slowFloorMs = 10_000

/** Whether a refresh took more than 10 s, and more than twice the usual duration of its view. Pure. */
export const isSlow = (durationMs: number | null, usualMs: number | null): boolean =>
  durationMs !== null && usualMs !== null && durationMs > slowFloorMs && durationMs > slowFactor * usualMs

/** How a run ended, and who asked for it. */
interface Ended {
  status: RunStatus
  trigger: Trigger
  startedAt: Date | null
  error: { class: ProblemCode } | null
}

/**
 * Whether a run failed unnoticed. A final refusal before the run started is noticed if a caller got it as the answer. Pure.
 */
export const isUnnoticedFailure = ({ status, trigger, startedAt, error }: Ended): boolean =>
  status === 'failed' &&
  !(startedAt === null && isAnswered(trigger) && error !== null && !mayRetry(error.class))

const isAnswered = (trigger: Trigger): boolean => ['http', 'cli', 'program'].includes(trigger)

/** How long runs are kept. Always kept are open runs and, of each view, the last success, the last failure and the runs in `viewkeeper.last_ends`. */
export interface Retention {
  /** How many successes of each view are kept; null: `days` decides for successes, too. */
  successes: number | null
  /** For how many days other runs are kept. */
  days: number
  /** Whether programs are told of runs and batches. If so, those that are not yet events are kept. */
  programs?: boolean
}
