import { displayName } from '../names.ts'
import type { Definition } from './definition.ts'

/** When views are refreshed by their definitions. */
export interface ViewTimes {
  /** Five-field cron. */
  schedule: string
  /** IANA name. */
  timeZone: string
}

/** A view with a schedule of its own. */
export interface ScheduledView extends ViewTimes {
  /** The view's name for people (`displayName`). */
  view: string
}

/** The views that have a schedule of their own. */
export const scheduledViews = (
  definitions: Pick<Definition, 'schema' | 'name' | 'schedule' | 'timeZone'>[],
): ScheduledView[] =>
  definitions.flatMap(({ schedule, timeZone, ...name }) =>
    schedule === null || timeZone === null ? [] : [{ view: displayName(name), schedule, timeZone }],
  )

/** Each schedule with its time zone once, in the order of the views. */
export const distinctTimes = (views: ScheduledView[]): ViewTimes[] => [
  ...new Map(
    views.map(({ schedule, timeZone }) => [`${schedule} ${timeZone}`, { schedule, timeZone }] as const),
  ).values(),
]

/** The schedule of a batch at a time of each day, `hh:mm`. */
export function everyDay({ at, timeZone }: { at: string; timeZone: string }): {
  schedule: string
  timeZone: string
} {
  const [hour, minute] = at.split(':').map(Number)
  return { schedule: `${minute} ${hour} * * *`, timeZone }
}
