import type { CreatedDatabaseOptions, ImportedDatabaseOptions } from './database-options.ts'

/** What Viewkeeper may be told besides its database. Every field has a default. */
export interface ViewkeeperOptions {
  /**
   * The role that owns the views that Viewkeeper creates, unless their definitions name another owner.
   * @default 'viewkeeper_views'
   */
  viewOwner?: string
  /**
   * Addresses that get the mails of alarms. Each confirms once, by the link in its first mail.
   * @default - nobody is mailed
   */
  alarmEmails?: string[]
  /**
   * Days for which logs are kept: a number that CloudWatch accepts.
   * @default 30
   */
  logRetentionDays?: number
  /**
   * The least severe level that functions log.
   * @default 'INFO'
   */
  logLevel?: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR'
  /**
   * Requests a second that the HTTP API accepts; a burst may be twice as many.
   * @default 20
   */
  requestsPerSecond?: number
  /**
   * Where the API can be called from: `public`, from everywhere, or `private`, only through an endpoint of API Gateway in
   * a VPC (about 7.30 USD a month in each zone). Callers sign in both cases.
   * @default 'public'
   */
  api?: 'public' | 'private'
  /**
   * For a private API: the endpoint (service `execute-api`) that its callers use, `vpce-…`. Several environments may share
   * one.
   * @default - a new endpoint in the network of the database, which only lets in what you allow in its security group
   */
  apiEndpointId?: string
  /**
   * The batches that schedules start.
   * @default - none
   */
  schedules?: ScheduleOptions
  /**
   * Whether a deploy that changes code or migrations refreshes every view.
   * @default false
   */
  refreshOnDeploy?: boolean
  /**
   * Views that a batch of a schedule or a deploy refreshes at once.
   * @default 2
   */
  batchConcurrency?: number
  /**
   * Whether batches exchange views that read each other at one moment.
   * @default 'together'
   */
  batchExchange?: 'together' | 'each'
  /**
   * The room on disk that the twins of one batch may take, in bytes.
   * @default - no limit
   */
  maxTwinBytes?: number
  /**
   * The history that is kept.
   * @default - 500 successes of each view, and everything else for 90 days
   */
  retention?: RetentionOptions
  /**
   * Minutes between two calls of the monitor, 1 to 60. A lost run is closed, and an alarm is set off, up to that much
   * later. `false`: nothing calls the monitor, and there are no alarms about runs and views.
   * @default 1
   */
  monitorEveryMinutes?: number | false
  /**
   * Hours after which alarms tell again of views that are still stale, missing or set aside. `false`: never.
   * @default 24
   */
  remindEveryHours?: number | false
  /**
   * Whether the outcome of each run is published with the name of its view, too, for your own alarms and graphs. CloudWatch
   * charges such a metric for each hour in which it gets a number: 0.30 USD for a whole month.
   * @default false
   */
  metricsPerView?: boolean
  /**
   * Whether X-Ray traces the calls of the functions: 5 USD per million traces, and X-Ray traces one request a second and a
   * twentieth of the others.
   * @default false
   */
  tracing?: boolean
}

/** The batches that schedules start. */
export interface ScheduleOptions {
  /**
   * The daily batch of every view; `false`: there is none.
   * @default - at 09:00, Etc/UTC
   */
  nightly?: NightlyOptions | false
  /**
   * Whether views are refreshed by the schedules in their definitions, too.
   * @default true
   */
  views?: boolean
}

/** The daily batch of every view. */
export interface NightlyOptions {
  /**
   * Time of day in `timeZone`, `hh:mm`.
   * @default '09:00'
   */
  at?: string
  /**
   * IANA name: `Europe/Berlin`.
   * @default 'Etc/UTC'
   */
  timeZone?: string
}

/** The history that is kept. */
export interface RetentionOptions {
  /**
   * The last successes of each view that are kept; `false`: the successes of the last `days` days.
   * @default 500
   */
  successes?: number | false
  /**
   * Days for which everything else is kept.
   * @default 90
   */
  days?: number
}

/** One environment: where it is deployed, its database, and all other options. */
export interface EnvironmentOptions extends ViewkeeperOptions {
  /**
   * AWS account, twelve digits.
   * @default - the account of the credentials that deploy
   */
  account?: string
  /**
   * AWS region.
   * @default - the region of the credentials that deploy
   */
  region?: string
  /** A database that a stack of its own creates, or one that exists already. */
  database: CreatedDatabaseOptions | ImportedDatabaseOptions
  /** Addresses that get the mails of alarms. Each confirms once, by the link in its first mail. May be empty. */
  alarmEmails: string[]
  /**
   * Tags of every resource in addition to `viewkeeper:environment`.
   * @default - none
   */
  tags?: Record<string, string>
}
