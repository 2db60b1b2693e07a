/** What decides whether a view's data are stale. */
export interface Age {
  paused: boolean
  /** For how long the data have had to be as fresh as they may be, seconds: no longer than their age. */
  expectedSeconds: number
  /** As the definition says it; null leaves it to the schedule. */
  maxStalenessSeconds: number | null
  /** The longest time between two refreshes by schedule; null if none refreshes the view. */
  intervalSeconds: number | null
  /** The view's usual duration; null if no refresh has succeeded. */
  usualMs: number | null
}

/** How old a view's data may be. */
export interface Staleness {
  /** The age from which on the data are stale, seconds; null if nobody expects the view to be refreshed. */
  limitSeconds: number | null
  stale: boolean
}

const hour = 3600

/**
 * Judges a view's age. The limit is what the definition says; else the time between two scheduled refreshes, plus an hour or
 * twice the usual duration, whichever is longer. A paused view is never stale: somebody has decided that. Pure.
 */
export function judgeStaleness({ paused, expectedSeconds, ...limits }: Age): Staleness {
  const limitSeconds = limitOf(limits)
  return { limitSeconds, stale: !paused && limitSeconds !== null && expectedSeconds > limitSeconds }
}

function limitOf(age: Omit<Age, 'paused' | 'expectedSeconds'>): number | null {
  const { maxStalenessSeconds, intervalSeconds, usualMs } = age
  if (maxStalenessSeconds !== null) return maxStalenessSeconds
  if (intervalSeconds === null) return null
  return intervalSeconds + Math.max(hour, (2 * (usualMs ?? 0)) / 1000)
}

const slowFactor = 2
/** Below this nobody minds: a second instead of half of one is no news. */
const slowFloorMs = 10_000

/** Whether a refresh took much longer than its view's usually do. Pure. */
export const isSlow = (durationMs: number | null, usualMs: number | null): boolean =>
  durationMs !== null && usualMs !== null && durationMs > slowFloorMs && durationMs > slowFactor * usualMs
