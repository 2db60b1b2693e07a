import { readAges, readAverages, type ViewAge } from '../db/ages.ts'
import type { Sql } from '../db/connect.ts'
import { maxStaleness } from '../plan/staleness.ts'
import { type Nightly, scheduledInterval } from './interval.ts'

/** A view whose data are older than they may be. */
export interface StaleView {
  view: string
  ageSeconds: number
  maxStalenessSeconds: number
}

/**
 * The views whose data are older than they may be, oldest first. How long refreshes take is asked only for views that
 * could be stale by it, so that a quiet minute costs next to nothing. A paused view is never stale: somebody has decided that.
 */
export async function findStaleViews(sql: Sql, nightly: Nightly): Promise<StaleView[]> {
  const limitOf = (age: ViewAge, averageMs: number | null) =>
    maxStaleness({ ...age, intervalSeconds: scheduledInterval(age, nightly), averageMs })
  const suspects = (await readAges(sql)).filter(
    (age) => age.ageSeconds > (limitOf(age, null) ?? Number.POSITIVE_INFINITY),
  )
  const averages = await readAverages(
    sql,
    suspects.map(({ id }) => id),
  )
  return suspects
    .flatMap((age) => {
      const limit = limitOf(age, averages.get(age.id) ?? null) as number
      return age.ageSeconds > limit
        ? [{ view: age.view, ageSeconds: Math.round(age.ageSeconds), maxStalenessSeconds: Math.round(limit) }]
        : []
    })
    .sort((a, b) => b.ageSeconds - a.ageSeconds)
}
