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
  /** Whether the run has waited for a lock for a second: then its slot is free for another. */
  waits?: boolean
}

/** Views of a batch whose new data appear at one moment. */
export interface TogetherGroup {
  number: number
  /** The ids of the views. */
  members: number[]
  /** They are refreshed where they are, by one run in one transaction. Otherwise each has a run that fills its shadow. */
  inPlace?: boolean
}

/** Failures of an exchange that the same shadows may survive. After any other failure, each view is refreshed by itself. */
export const passing = ['Canceled', 'Deadlock', 'LockTimeout', 'RunLost', 'StatementTimeout']

/** A selection in canonical form: equal selections are written alike, and views as SQL writes their names. */
export type Selection = (
  | { all: true }
  | { views: string[] }
  | { pattern: string }
  | { scheduled: ViewTimes }
) & {
  ancestors?: true
  descendants?: true
}

/** What selecting needs to know of a view. */
export interface Selectable {
  schema: string
  name: string
  /** The name as SQL writes it. */
  view: string
  /** Whether a batch of all views includes it. */
  inAll: boolean
  /** When its definition has it refreshed; null if the definition does not say. */
  schedule: string | null
  timeZone: string | null
}

/** What planning a batch needs to know of a view. */
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
  /** The longest time from the start of this view to the end of the batch, along the views that read it. */
  remainingMs: number
}

/** A view of a batch, or one that reads a view of the batch, as far as it matters for what is exchanged together. */
export interface TogetherView {
  /** The id of the view's definition. */
  id: number
  schema: string
  name: string
  /** Ids of the views in the batch that the view reads, in whatever way. */
  parents: number[]
  /** Whether the batch is to refresh the view. */
  asked: boolean
  /** Its data must stand still, whatever another view needs. */
  paused: boolean
  /** The strategy of the batch, or of the view's definition. */
  strategy: Strategy
  /** Whether a concurrent refresh is possible: the view has a usable unique index. */
  hasKey: boolean
  /** Whether the view fails. */
  failed: boolean
}

/** Views of a batch that are built aside and exchanged at one moment. */
export interface PlannedGroup<G> {
  /** The ids of the materialized views whose shadows are filled, parents first. */
  members: number[]
  group: G
  shadowBytes: number
}

const slowFactor = 2

/** A shorter refresh is never slow: nobody minds 1 s instead of 0.5 s. */
const slowFloorMs = 10_000

/** Whether a refresh took much longer than its view's usually do. Pure. */
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
 * Whether a run ended badly in a way that nobody has noticed yet. A run that was refused before it started has not, if a
 * caller got the refusal as the answer. Pure.
 */
export const isUnnoticedFailure = ({ status, trigger, startedAt, error }: Ended): boolean =>
  status === 'failed' &&
  !(startedAt === null && isAnswered(trigger) && error !== null && !mayRetry(error.class))

const isAnswered = (trigger: Trigger): boolean => ['http', 'cli', 'program'].includes(trigger)

/** Which runs are kept. Open runs, and of each view what `viewkeeper.last_ends` names, the last success and the last failure are always kept. */
export interface Retention {
  /** This many successes of each view are kept; null: successes are kept by age only. */
  successes: number | null
  /** Runs that are not successes are kept for this many days; if `successes` is null, successes too. */
  days: number
  /** Whether programs are told of runs and batches: then those are kept that are no events yet. */
  programs?: boolean
}
