import { Cron } from 'croner'
import {
  batchesOf,
  nightlyBatch,
  type ScheduledBatch,
  type ScheduledView,
  type ViewTimes,
} from '../catalog/plan/scheduled.ts'
import { defaults } from '../config/options.ts'

/** Nobody else gives these names, so the times themselves are the name. */
const nameOf = ({ schedule, timeZone }: ViewTimes): string => `${schedule} ${timeZone}`

/** A view whose migration is applied gets its schedule within this time. */
const lookEveryMs = 2000

/**
 * Starts the batches by the clock that EventBridge Scheduler starts in a deployed environment: one of all views every night, and
 * one for all views with the same schedule of their own. Follows the views that `readViews` tells, which may change. Returns a
 * function that stops them.
 */
export function startSchedules(
  execute: (event: object) => Promise<unknown>,
  readViews: () => Promise<ScheduledView[]>,
): () => Promise<void> {
  const nightly = job(nightlyBatch(defaults.schedules.nightly))
  const jobs = new Map<string, Cron>()
  const follow = async () => {
    const batches = new Map(batchesOf(await readViews(), nameOf).map((batch) => [batch.name, batch]))
    for (const [name, batch] of batches) if (!jobs.has(name)) jobs.set(name, job(batch))
    for (const [name, old] of jobs) {
      if (batches.has(name)) continue
      old.stop()
      jobs.delete(name)
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

  function job({ name, schedule, timeZone, selection }: ScheduledBatch): Cron {
    return new Cron(schedule, { timezone: timeZone, unref: true }, async (self: Cron) => {
      const scheduledTime = (self.currentRun() ?? new Date()).toISOString()
      const event = { trigger: 'schedule', schedule: name, scheduledTime, ...selection }
      await execute(event).catch((error) => console.error(error))
    })
  }
}
