/** What decides whether a view's data are stale. */
export interface Age {
  paused: boolean
  /**
   * Seconds since the last success or since a refresh has been expected (view adopted, resumed), whichever is
   * later.
   */
  expectedSeconds: number
  /** The definition's limit; null: the schedule decides. */
  maxStalenessSeconds: number | null
  /** The longest time between two refreshes by schedule; null if none refreshes the view. */
  intervalSeconds: number | null
  /** The view's usual duration; null if no refresh has succeeded. */
  usualMs: number | null
}

/** How old a view's data may be. */
export interface Staleness {
  /** The age above which the data are stale, seconds; null if nobody expects the view to be refreshed. */
  limitSeconds: number | null
  stale: boolean
}

const hour = 3600

/**
 * Judges a view's age. The limit is the definition's; without one, the time between two scheduled refreshes
 * plus an hour or twice the usual duration, whichever is longer. A paused view is never stale: somebody
 * paused it on purpose. Pure.
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
/** A shorter refresh is never slow: nobody minds 1 s instead of 0.5 s. */
const slowFloorMs = 10_000

/** Whether a refresh took much longer than its view's usually do. Pure. */
export const isSlow = (durationMs: number | null, usualMs: number | null): boolean =>
  durationMs !== null && usualMs !== null && durationMs > slowFloorMs && durationMs > slowFactor * usualMs
