import type { BatchDefaults } from '../batch/start.ts'
import { everyDay } from '../catalog/plan/scheduled.ts'
import { defaults, type ScheduleOptions } from '../config/options.ts'
import type { FunctionOptions } from '../config/variables.ts'
import type { Looks } from '../due/plan/lags.ts'
import { type Schedules, unscheduled } from '../due/schedules.ts'
import { type Telling, tellingOf } from '../events/plan/reminders.ts'
import type { Retention } from '../watch/db/prune.ts'

/** What stands for the name of an environment that has none. */
export const localEnvironment = 'local'

/** What an environment's options say of its schedules, looks and history. */
export interface Terms {
  schedules: Schedules
  /** When target lags are looked at. */
  looks: Looks
  /** The time between two looks of the monitor; null: nobody looks. */
  monitorEveryMs: number | null
  telling: Telling
  retention: Retention
  /** What a batch takes from the environment if its request does not say otherwise. */
  batchDefaults: BatchDefaults
}

/** The terms of these options. */
export function termsOf(options: FunctionOptions): Terms {
  const { remindEveryHours, monitorEveryMinutes } = { ...defaults, ...options }
  const schedules = schedulesOf(options.schedules ?? {})
  const looks: Looks = {
    everySeconds: schedules.views && monitorEveryMinutes !== false ? monitorEveryMinutes * 60 : null,
    concurrency: options.batchConcurrency,
  }
  const { successes, days } = { ...defaults.retention, ...options.retention }
  return {
    schedules: { ...schedules, looks },
    looks,
    monitorEveryMs: monitorEveryMinutes === false ? null : monitorEveryMinutes * 60_000,
    telling: tellingOf(remindEveryHours, monitorEveryMinutes),
    retention: { successes: successes === false ? null : successes, days },
    batchDefaults: { exchange: options.batchExchange, maxShadowBytes: options.maxShadowBytes },
  }
}

/** The schedules that refresh views, `nightly` with a time and a time zone. */
function schedulesOf(said: ScheduleOptions | false): Schedules {
  if (said === false) return unscheduled
  const { nightly = defaults.schedules.nightly, views = true } = said
  return {
    nightly: nightly === false ? null : everyDay({ ...defaults.schedules.nightly, ...nightly }),
    views,
  }
}
