import { Annotations } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { Cron } from 'croner'
import type { ViewTimes } from '../../src/catalog/plan/scheduled.ts'

/** 1,000 once AWS has raised it. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const functionsAtOnce = 10

/** Warns if so many batches begin at one moment that a new account has no function left for the monitor and a caller. */
export function watchConcurrency(scope: Construct, batches: readonly ViewTimes[]): void {
  const { count, at } = mostAtOnce(batches)
  if (at === null || count < functionsAtOnce - 2) return
  Annotations.of(scope).addWarningV2(
    'viewkeeper:many-batches',
    `${count} schedules begin a batch at one moment (${at.toISOString().slice(11, 16)} UTC), and each batch holds a function. ` +
      `An account runs ${functionsAtOnce} at once until AWS raises that: the others wait, and are tried again for an hour. ` +
      'Give views the same schedule, which is one batch, or other minutes; or acknowledge this warning if the account runs more.',
  )
}

/** Any week: the answer may not depend on the day of the synthesis. A Monday. */
const weekFrom = Date.UTC(2026, 0, 5)
const weekUntil = weekFrom + 7 * 24 * 3_600_000

/** The most batches that begin at one moment of a week, and the first such moment. */
function mostAtOnce(batches: readonly ViewTimes[]): { count: number; at: Date | null } {
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
