import { displayName } from '../names.ts'
import type { Definition } from './definition.ts'

/** A view with a schedule of its own. */
export interface ScheduledView {
  /** The view's name for people (`displayName`). */
  view: string
  /** Five-field cron. */
  schedule: string
  /** IANA name. */
  timeZone: string
}

/** The views that have a schedule of their own. */
export const scheduledViews = (definitions: Definition[]): ScheduledView[] =>
  definitions.flatMap(({ schedule, timeZone, ...name }) =>
    schedule === null || timeZone === null ? [] : [{ view: displayName(name), schedule, timeZone }],
  )
