import type { EventType } from '../events/plan/event.ts'
import type { ViewkeeperOptions } from './options.ts'

/** The options that a keeper obeys. Without `schedules`, nothing is refreshed by the clock. */
export type KeeperConfig = Pick<
  ViewkeeperOptions,
  | 'viewOwner'
  | 'readOnReplicas'
  | 'withoutKey'
  | 'regularUpToMs'
  | 'skipUnchanged'
  | 'skipAtMostHours'
  | 'schedules'
  | 'batchConcurrency'
  | 'batchExchange'
  | 'maxShadowBytes'
  | 'retention'
  | 'monitorEveryMinutes'
  | 'remindEveryHours'
>

/** What `viewkeeper serve` obeys of the options of an environment. */
export type ServeOptions = KeeperConfig &
  Pick<ViewkeeperOptions, 'alarmEmails' | 'pageUrl' | 'runbookUrl' | 'logLevel'> & {
    /** Whom `viewkeeper serve` tells. Default: nobody but the log. */
    notify?: NotifyOptions
  }

/** Channels, and the server of the mails to `alarmEmails`. Secrets are variables: docs/monitoring-serve.md. */
export interface NotifyOptions {
  /** The server that takes the mails. Default: there are no mails. */
  smtp?: {
    host: string
    /** Default 587. */
    port?: number
    /** `none`: a relay on this machine, without a login. Default `starttls`. */
    tls?: 'starttls' | 'implicit' | 'none'
    /** Default: nobody logs in. */
    user?: string
    from: string
  }
  /** Programs that get events, by names. */
  webhooks?: Record<string, { url: string; events?: EventType[] }>
  /** Chats that get what mails say, by names. */
  chat?: Record<string, { kind?: 'slack' | 'teams' | 'discord' }>
}
