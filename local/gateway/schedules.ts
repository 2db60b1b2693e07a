import { Cron } from 'croner'
import { defaults } from '../../src/config/options.ts'
import type { ScheduledView } from '../../src/plan/views/scheduled.ts'
import { everyDay } from '../../src/plan/views/scheduled.ts'

/** A view whose migration is applied gets its schedule within this time. */
const lookEveryMs = 2000

/**
 * Starts batches by the clock, as EventBridge Scheduler does in a deployed environment: one of all views
 * every night, and one for each view with its own schedule. Follows the views that `readViews` tells, which may change. Returns
 * a function that stops them.
 */
export function startSchedules(
  execute: (event: object) => Promise<unknown>,
  readViews: () => Promise<ScheduledView[]>,
): () => Promise<void> {
  const nightly = job('nightly', everyDay(defaults.schedules.nightly), { all: true })
  const jobs = new Map<string, Cron>()
  const follow = async () => {
    const views = new Map((await readViews()).map((each) => [JSON.stringify(each), each]))
    for (const [key, { view, ...when }] of views)
      if (!jobs.has(key)) jobs.set(key, job(view, when, { views: [view] }))
    for (const [key, old] of jobs) {
      if (views.has(key)) continue
      old.stop()
      jobs.delete(key)
    }
  }
  // While the database cannot be read, the schedules stay as they are.
  const look = () => follow().catch(() => {})
  let current = look()
  const timer = setInterval(() => {
    current = current.then(look)
  }, lookEveryMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await current
    for (const each of [nightly, ...jobs.values()]) each.stop()
  }

  function job(name: string, { schedule, timeZone }: Omit<ScheduledView, 'view'>, request: object): Cron {
    return new Cron(schedule, { timezone: timeZone, unref: true }, async (self: Cron) => {
      const scheduledTime = (self.currentRun() ?? new Date()).toISOString()
      const event = { trigger: 'schedule', schedule: name, scheduledTime, ...request }
      await execute(event).catch((error) => console.error(error))
    })
  }
}
