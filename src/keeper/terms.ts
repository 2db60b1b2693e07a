import type { BatchDefaults } from '../batch/plan/plan-batch.ts'
import { everyDay } from '../catalog/plan/scheduled.ts'
import { defaults, type ScheduleOptions } from '../config/options.ts'
import type { FunctionOptions } from '../config/variables.ts'
import type { Looks } from '../due/plan/lags.ts'
import { type Schedules, unscheduled } from '../due/schedules.ts'
import type { Retention } from '../record/plan/batch.ts'
import type { Database } from '../server/database.ts'
import { type People, type Programs, type Telling, tellingOf } from '../watch/plan/hearers.ts'

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

/** Where log lines go: a message, and fields that name what it is about. Secrets and row data never go in. */
export interface Logger {
  info(message: string, fields: Record<string, unknown>): void
  warn(message: string, fields: Record<string, unknown>): void
  error(message: string, fields: Record<string, unknown>): void
}

/** What the jobs work with. */
export interface KeptDatabase {
  database: Database
  logger: Logger
  schedules: Schedules
  looks?: Looks
  telling: Telling
  retention: Retention
  /** Null: nothing becomes an event. */
  programs: Programs | null
  /** Left out: nobody takes messages for people. */
  people?: People | null
  /** Whether anybody is told what a look finds; null: nobody knows. */
  told?: boolean | null
  /** The number of the newest migration that was deployed; null: nobody knows. */
  newestMigration?: number | null
}

/** The terms of these options, where a process follows change logs, or where none does. */
export function termsOf(options: FunctionOptions, followsLogs = true): Terms {
  const { remindEveryHours, monitorEveryMinutes } = { ...defaults, ...options }
  const schedules = schedulesOf(options.schedules ?? {})
  const looks: Looks = {
    everySeconds: schedules.views && monitorEveryMinutes !== false ? monitorEveryMinutes * 60 : null,
    concurrency: options.batchConcurrency,
    followsLogs,
  }
  const { successes, days } = { ...defaults.retention, ...options.retention }
  return {
    schedules: { ...schedules, looks },
    looks,
    monitorEveryMs: monitorEveryMinutes === false ? null : monitorEveryMinutes * 60_000,
    telling: {
      ...tellingOf(remindEveryHours, monitorEveryMinutes),
      quiet: options.quiet && { timeZone: 'Etc/UTC', days: ['*'], ...options.quiet },
    },
    retention: { successes: successes === false ? null : successes, days },
    batchDefaults: { exchange: options.batchExchange, maxShadowBytes: options.maxShadowBytes },
  }
}

/** The schedules that refresh views, `nightly` with a time and a time zone. */
export function schedulesOf(said: ScheduleOptions | false): Schedules {
  if (said === false) return unscheduled
  const { nightly = defaults.schedules.nightly, views = true } = said
  return {
    nightly: nightly === false ? null : everyDay({ ...defaults.schedules.nightly, ...nightly }),
    views,
  }
}
