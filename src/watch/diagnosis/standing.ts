import type { Operation, RunStatus } from '../../catalog/plan/run.ts'
import type { AnyState, ViewFacts } from '../../catalog/plan/state.ts'
import type { ProblemCode } from '../../problem.ts'
import type { HeldLock } from './cause.ts'
import type { Uncounted } from './uncounted.ts'

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

/** How far a running run is. */
interface RunProgress {
  phase: string | null
  elapsedMs: number | null
  estimatedMs: number | null
}

/** What is true of a view, with what schedules and other views make of it. */
export interface Standing extends ViewFacts {
  state: AnyState
  /** The view to fix first, because this one waits for it, or shows its old data; null: none is. */
  culprit: string | null
  /** Whether a schedule refreshes the view, paused or not. */
  scheduled: boolean
  nextRun: Date | null
  /** What begins the next run: the view's own schedule, the one for every view, a target lag, a retry. Null: there is none. */
  nextBy: NextBy | null
  /** The shortest target lag that can be kept, if that of the view cannot. */
  lagWorksMs: number | null
  /** That scheduled refreshes leave the view out until then, because so many have failed in a row. */
  suspended: { failures: number; until: Date } | null
}

export const nextBys = ['view', 'nightly', 'lag', 'retry'] as const
type NextBy = (typeof nextBys)[number]

/** All that tells why one view is as old as it is. */
export interface Examined extends Standing {
  /** When a schedule was due last, if no run began then. */
  missedAt: Date | null
  /** What ended last comes first, after what has not ended. */
  runs: RunFacts[]
  batch: BatchFacts | null
  /** Of the running run. */
  progress: RunProgress | null
  /** Whether the running run stands before a lock. */
  waits: boolean
  locks: HeldLock[]
  /** Why nobody can know how old its data are; null: somebody can, or nobody has asked. */
  unseen: string | null
  /** What keeps its refreshes from being left out; null: nothing, or nobody has asked. */
  uncounted: Uncounted | null
}

/** What all views of an environment have in common. */
export interface Surroundings {
  now: Date
  /** A moment as the reader of a cause reads it. */
  clock: (at: Date) => string
  /** The name of the environment; null for the local gateway. */
  environment: string | null
  allPaused: { since: Date; by: string } | null
}
