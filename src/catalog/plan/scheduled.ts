import { displayName } from '../../words/names.ts'
import type { Definition } from './definition.ts'

/** When views are refreshed by their definitions. */
export interface ViewTimes {
  /** Five-field cron. */
  readonly schedule: string
  /** IANA name. */
  readonly timeZone: string
}

/** A view with a schedule of its own. */
export interface ScheduledView extends ViewTimes {
  /** The view's name for people (`displayName`). */
  readonly view: string
}

/** The views that have a schedule of their own. */
export const scheduledViews = (
  definitions: Pick<Definition, 'schema' | 'name' | 'schedule' | 'timeZone'>[],
): ScheduledView[] =>
  definitions.flatMap(({ schedule, timeZone, ...name }) =>
    schedule === null || timeZone === null ? [] : [{ view: displayName(name), schedule, timeZone }],
  )

/** The schedule of a batch at a time of each day, `hh:mm`. */
export function everyDay({ at, timeZone }: { at: string; timeZone: string }): {
  schedule: string
  timeZone: string
} {
  const [hour, minute] = at.split(':').map(Number)
  return { schedule: `${minute} ${hour} * * *`, timeZone }
}

/** The time of such a schedule, as people write it: `02:30 Europe/Paris`. */
export function timeOfDay({ schedule, timeZone }: ViewTimes): string {
  const [minute = '', hour = ''] = schedule.split(' ')
  return `${hour.padStart(2, '0')}:${minute.padStart(2, '0')} ${timeZone}`
}

/** A time in which nobody is told, as options say it. */
export interface Quiet {
  from: string
  to: string
  timeZone: string
  days: readonly string[]
}

/** What a schedule begins: a batch. */
export interface ScheduledBatch extends ViewTimes {
  /** The name of the schedule. */
  name: string
  selection: { all: true } | { scheduled: ViewTimes }
}

/** The batch of every view. */
export const nightlyBatch = (at: { at: string; timeZone: string }): ScheduledBatch => ({
  name: 'nightly',
  ...everyDay(at),
  selection: { all: true },
})

/**
 * The batches of views by their own schedules, in the order of the views: one for all views with the same times. `nameOf` names the
 * schedule of some times.
 */
export const batchesOf = (views: ScheduledView[], nameOf: (times: ViewTimes) => string): ScheduledBatch[] => [
  ...new Map(
    views.map(({ schedule, timeZone }) => {
      const times = { schedule, timeZone }
      const name = nameOf(times)
      return [name, { name, ...times, selection: { scheduled: times } }] as const
    }),
  ).values(),
]

/** What is wrong with the name of a time zone, and what to write; null if nothing is. */
export function timeZoneFault(timeZone: string): string | null {
  const fault = 'must be the IANA name of a time zone: "Europe/Berlin", "UTC"'
  if (!/^[A-Za-z]/.test(timeZone)) return fault // Intl accepts offsets too
  try {
    const { timeZone: known } = new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions()
    const sameButForCase = known !== timeZone && known.toLowerCase() === timeZone.toLowerCase()
    return sameButForCase ? `must be written "${known}"` : null
  } catch {
    return fault
  }
}
