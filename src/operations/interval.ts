import { Cron } from 'croner'

/** When every view is refreshed; null where there is no such schedule. */
export type Nightly = { schedule: string; timeZone: string } | null

/** The longest time between two scheduled refreshes of a view, seconds: of its own schedule or that of every view, whichever comes oftener. */
export function scheduledInterval(
  { schedule, timeZone, inAll }: { schedule: string | null; timeZone: string | null; inAll: boolean },
  nightly: Nightly,
): number | null {
  const intervals = [
    ...(schedule !== null && timeZone !== null ? [longestInterval(schedule, timeZone)] : []),
    ...(inAll && nightly !== null ? [longestInterval(nightly.schedule, nightly.timeZone)] : []),
  ]
  return intervals.length === 0 ? null : Math.min(...intervals)
}

const occurrences = 500

/**
 * The longest time between two occurrences of a cron expression in the near future, seconds: of one that comes on weekdays
 * only, the weekend. Known expressions are remembered.
 */
function longestInterval(schedule: string, timeZone: string): number {
  const key = `${schedule} ${timeZone}`
  const known = intervals.get(key)
  if (known !== undefined) return known
  const times = new Cron(schedule, { timezone: timeZone, paused: true }).nextRuns(occurrences)
  const gaps = times.slice(1).map((time, at) => time.getTime() - (times[at] as Date).getTime())
  const interval = Math.max(0, ...gaps) / 1000
  intervals.set(key, interval)
  return interval
}

const intervals = new Map<string, number>()
