import { readAges, readUsualDurations } from '../../db/monitoring/ages.ts'
import type { Sql } from '../../db/server/connect.ts'
import { maxStaleness, type Stalable } from '../../plan/monitoring/staleness.ts'
import { type Schedules, scheduledInterval } from './schedules.ts'

/** A view whose data are older than they may be. */
export interface StaleView {
  view: string
  ageSeconds: number
  maxStalenessSeconds: number
}

/**
 * The views whose data are older than they may be, oldest first; of one view alone where its definition's id is given. How
 * long refreshes take is asked only for views that could be stale by it, so that a quiet minute costs next to
 * nothing. A paused view is never stale: somebody has decided that.
 */
export async function findStaleViews(
  sql: Sql,
  schedules: Schedules,
  definitionId: number | null = null,
): Promise<StaleView[]> {
  const ages = (await readAges(sql, definitionId)).map((age) => ({
    ...age,
    intervalSeconds: scheduledInterval(age, schedules),
  }))
  const isPast = (age: Stalable & { expectedSeconds: number }) => {
    const limit = maxStaleness(age)
    return limit !== null && age.expectedSeconds > limit
  }
  const suspects = ages.filter((age) => isPast({ ...age, usualMs: null }))
  const usual = await readUsualDurations(
    sql,
    suspects.map(({ id }) => id),
  )
  return suspects
    .map((age) => ({ ...age, usualMs: usual.get(age.id) ?? null }))
    .filter(isPast)
    .map((age) => ({
      view: age.view,
      ageSeconds: Math.round(age.ageSeconds),
      maxStalenessSeconds: Math.round(maxStaleness(age) as number),
    }))
    .sort((a, b) => b.ageSeconds - a.ageSeconds)
}
