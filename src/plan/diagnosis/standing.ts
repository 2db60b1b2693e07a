import type { ProblemCode } from '../../problem.ts'
import type { Operation, RunStatus } from '../run.ts'
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

/** All that tells why one view is as old as it is. */
export interface Standing {
  /** The name as SQL writes it. */
  view: string
  missing: boolean
  populated: boolean
  aside: { since: Date; by: string } | null
  pausedSince: Date | null
  stale: boolean
  /** The age of the data; null if no run has made them fresh. */
  staleMs: number | null
  maxStaleMs: number | null
  lastSuccessAt: Date | null
  /** The moment whose data the view shows; null if nobody knows it. */
  asOf: Date | null
  /** The view that holds `asOf` back; null: none does. */
  heldBackBy: string | null
  /** Since when checks hold the new data of the view back; null: none does. */
  checkFailedSince?: Date | null
  /** Whether a schedule refreshes the view, paused or not. */
  scheduled: boolean
  nextRun: Date | null
  /** The shortest target lag that can be kept, if that of the view cannot. */
  lagWorksMs?: number | null
  targetLagMs?: number | null
  /** That scheduled refreshes leave the view out until then, because so many have failed in a row. */
  suspended?: { failures: number; until: Date } | null
  /** When a schedule was due last, if no run began then. */
  missedAt: Date | null
  /** Newest first. */
  runs: RunFacts[]
  batch: BatchFacts | null
  /** Of the running run. */
  progress: RunProgress | null
  /** Whether the running run stands before a lock. */
  waits: boolean
  locks: HeldLock[]
  /** Why nobody can know how old its data are; null or absent: somebody can, or nobody has asked. */
  unseen?: string | null
  /** What keeps its refreshes from being left out; null or absent: nothing, or nobody has asked. */
  uncounted?: Uncounted | null
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
