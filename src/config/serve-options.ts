import type { ViewkeeperOptions } from './options.ts'

/** What `viewkeeper serve` obeys of the options of an environment. */
export type ServeOptions = Pick<
  ViewkeeperOptions,
  | 'viewOwner'
  | 'readOnReplicas'
  | 'withoutKey'
  | 'regularUpToMs'
  | 'skipUnchanged'
  | 'skipAtMostHours'
  | 'alarmEmails'
  | 'pageUrl'
  | 'runbookUrl'
  | 'logLevel'
  | 'schedules'
  | 'batchConcurrency'
  | 'batchExchange'
  | 'maxShadowBytes'
  | 'retention'
  | 'monitorEveryMinutes'
  | 'remindEveryHours'
>
