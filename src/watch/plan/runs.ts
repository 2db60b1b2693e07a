import { mayRetry, type ProblemCode } from '../../words/problem.ts'
import type { RunStatus, Trigger } from '../../words/run.ts'

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
