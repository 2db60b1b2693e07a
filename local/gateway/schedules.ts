import { Cron } from 'croner'
import { defaults } from '../../src/config/options.ts'
import type { ScheduledView } from '../../src/plan/views/scheduled.ts'
import { everyDay } from '../../src/plan/views/scheduled.ts'

/**
 * Starts batches by the clock, as EventBridge Scheduler does in a deployed environment: one of all views
 * every night, and one for each view with its own schedule. Returns a function that stops them.
 */
export function startSchedules(
  execute: (event: object) => Promise<unknown>,
  views: ScheduledView[],
): () => void {
  const jobs = [
    job('nightly', everyDay(defaults.schedules.nightly), { all: true }),
    ...views.map(({ view, ...when }) => job(view, when, { views: [view] })),
  ]
  return () => {
    for (const each of jobs) each.stop()
  }

  function job(name: string, { schedule, timeZone }: Omit<ScheduledView, 'view'>, request: object): Cron {
    return new Cron(schedule, { timezone: timeZone, unref: true }, async (self: Cron) => {
      const scheduledTime = (self.currentRun() ?? new Date()).toISOString()
      const event = { trigger: 'schedule', schedule: name, scheduledTime, ...request }
      await execute(event).catch((error) => console.error(error))
    })
  }
}
