import { Cron } from 'croner'
import type { ViewTimes } from '../../src/catalog/plan/scheduled.ts'

/** Any week: the answer may not depend on the day of the synthesis. A Monday. */
const weekFrom = Date.UTC(2026, 0, 5)
const weekUntil = weekFrom + 7 * 24 * 3_600_000

/** The most batches that begin at one moment of a week, and the first such moment. */
export function mostAtOnce(batches: readonly ViewTimes[]): { count: number; at: Date | null } {
  const begun = new Map<number, number>()
  for (const { schedule, timeZone } of batches) {
    const cron = new Cron(schedule, { timezone: timeZone })
    let next = cron.nextRun(new Date(weekFrom - 1))
    while (next !== null && next.getTime() < weekUntil) {
      begun.set(next.getTime(), (begun.get(next.getTime()) ?? 0) + 1)
      next = cron.nextRun(next)
    }
  }
  const count = Math.max(0, ...new Set(begun.values()))
  const first = Math.min(...[...begun].filter(([, many]) => many === count).map(([at]) => at))
  return { count, at: count === 0 ? null : new Date(first) }
}
