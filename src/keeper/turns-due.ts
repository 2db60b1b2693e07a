import { Cron } from 'croner'
import type { ViewTimes } from '../catalog/plan/scheduled.ts'

/** A turn that nobody has begun for so long is not caught up. */
const mostLateMs = 24 * 3_600_000

/**
 * The last turn of a schedule after `since`, and until `now` at the latest; null if there was none. Earlier turns that nobody
 * has begun are left out, because a later refresh has newer data.
 */
export function dueTurn({ schedule, timeZone }: ViewTimes, since: Date, now: Date): Date | null {
  const cron = new Cron(schedule, { timezone: timeZone, paused: true })
  // Croner seeks the runs before a moment, without the moment itself.
  const [turn] = cron.previousRuns(1, new Date(now.getTime() + 1))
  const earliest = Math.max(since.getTime(), now.getTime() - mostLateMs)
  return turn !== undefined && turn.getTime() > earliest ? turn : null
}
