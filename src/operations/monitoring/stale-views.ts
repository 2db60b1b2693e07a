import { readAges, readUsualDurations } from '../../db/monitoring/ages.ts'
import type { Sql } from '../../db/server/connect.ts'
import { judgeStaleness } from '../../plan/monitoring/staleness.ts'
import { type Schedules, scheduledInterval } from './schedules.ts'

/** A view whose data are stale. */
export interface StaleView {
  view: string
  ageSeconds: number
  maxStalenessSeconds: number
}

/**
 * Finds the stale views, oldest data first; with a `definitionId`, looks at that view only. Usual durations
 * are read only for views that are stale without them, so that a quiet minute costs almost nothing.
 */
export async function findStaleViews(
  sql: Sql,
  schedules: Schedules,
  definitionId: number | null = null,
): Promise<StaleView[]> {
  const ages = (await readAges(sql, definitionId)).map((age) => ({
    ...age,
    paused: false,
    intervalSeconds: scheduledInterval(age, schedules),
  }))
  const suspects = ages.filter((age) => judgeStaleness({ ...age, usualMs: null }).stale)
  const usual = await readUsualDurations(
    sql,
    suspects.map(({ id }) => id),
  )
  return suspects
    .flatMap((age) => {
      const { stale, limitSeconds } = judgeStaleness({ ...age, usualMs: usual.get(age.id) ?? null })
      if (!stale || limitSeconds === null) return []
      const { view, ageSeconds } = age
      return [{ view, ageSeconds: Math.round(ageSeconds), maxStalenessSeconds: Math.round(limitSeconds) }]
    })
    .sort((a, b) => b.ageSeconds - a.ageSeconds)
}
