import type { Duration } from 'aws-cdk-lib'
import type { RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { ScheduleExpression } from 'aws-cdk-lib/aws-scheduler'
import type { NightlyOptions, ScheduleOptions } from '../src/config/options.ts'

/** Options of an environment in the types of CDK. */
export interface CdkOptions {
  /**
   * How long logs are kept.
   * @default RetentionDays.ONE_MONTH
   */
  logRetention?: RetentionDays
  /**
   * The time between two calls of the monitor, 1 to 60 minutes; `false`: nothing calls the monitor, and there are no alarms
   * about runs and views.
   * @default Duration.minutes(1)
   */
  monitorEvery?: Duration | false
  /**
   * The time after which people are told again of troubles of views that are not over, 1 to 720 hours; `false`:
   * never.
   * @default Duration.hours(24)
   */
  remindEvery?: Duration | false
  /**
   * The batches that schedules start. The defaults of its fields count from `schedules: {}` on.
   * @default - nothing is refreshed by the clock
   */
  schedules?: CdkScheduleOptions
}

/** The batches that schedules start. */
export interface CdkScheduleOptions extends Omit<ScheduleOptions, 'nightly'> {
  /**
   * The daily batch of every view: `ScheduleExpression.cron({ hour: '2', minute: '30', timeZone: TimeZone.EUROPE_BERLIN })`, or
   * `{ at: '02:30', timeZone: 'Europe/Berlin' }`; `false`: there is none.
   * @default - at 09:00, Etc/UTC
   */
  nightly?: ScheduleExpression | NightlyOptions | false
}

/** The options of `viewkeeper.config.ts` that `CdkOptions` says in the types of CDK. */
export type InCdkTypes = 'logRetentionDays' | 'monitorEveryMinutes' | 'remindEveryHours' | 'schedules'
