/** What decides how old a view's data may be. */
export interface Stalable {
  /** As the definition says it; null leaves it to the schedule. */
  maxStalenessSeconds: number | null
  /** The longest time between two refreshes by schedule; null where none refreshes it. */
  intervalSeconds: number | null
  /** How long its refreshes usually take; null where there was none. */
  usualMs: number | null
}

const hour = 3600

/**
 * The age from which on a view's data are stale, seconds: what the definition says, else the time between two scheduled
 * refreshes and the larger of an hour and twice the time a refresh takes. Null where nobody expects it to be refreshed. Pure.
 */
export function maxStaleness({ maxStalenessSeconds, intervalSeconds, usualMs }: Stalable): number | null {
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
