// biome-ignore-all format: made by `npm run docs` from src/config/fields.ts: change an option there.

/** What `viewkeeper serve`, programs and the construct on AWS are told alike. */
export interface SharedOptions {
  /**
   * The owner of the views that Viewkeeper creates, unless a definition has another.
   * @default - `viewkeeper_views`
   */
  readonly viewOwner?: string
  /**
   * Whether a scheduled refresh is left out if no table below has changed. Needs `grant pg_read_all_stats`. A definition
   * may say otherwise.
   * @default false
   */
  readonly skipUnchanged?: boolean
  /**
   * Addresses that get the mails. On AWS, each confirms once, by a link.
   * @default - nobody is mailed
   */
  readonly alarmEmails?: string[]
  /**
   * Where you open the page, such as `http://127.0.0.1:9000`: mails link it.
   * @default - no such links
   */
  readonly pageUrl?: string
  /**
   * Where the runbook is on the web: mails link its sections.
   * @default - the file in the installed package
   */
  readonly runbookUrl?: string
  /**
   * Views that a batch refreshes at once, 1 to 64.
   * @default 2
   */
  readonly batchConcurrency?: number
}

/** What `viewkeeper serve` and programs may be told. Every field has a default. */
export interface CommonOptions extends SharedOptions {
  /**
   * `auto` is `regular`, the cheapest, while that usually locks readers out no longer. 0: never.
   * @default 50
   */
  readonly regularUpToMs?: number
  /**
   * Hours after which a view is refreshed all the same, 1 to 720.
   * @default 24
   */
  readonly skipAtMostHours?: number
  /**
   * What functions log besides what the dashboard reads.
   * @default 'INFO'
   */
  readonly logLevel?: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR'
  /**
   * The batches of the clock; `false`: nothing is refreshed by the clock.
   * @default - as below
   */
  readonly schedules?: ScheduleOptions | false
  /**
   * Whether views that read each other are exchanged `together` or `each` when it is ready.
   * @default 'together'
   */
  readonly batchExchange?: 'together' | 'each'
  /**
   * Bytes for the shadows of a batch; a larger group is refreshed view by view.
   * @default - no limit
   */
  readonly maxShadowBytes?: number
  /**
   * The history that is kept.
   * @default - as below
   */
  readonly retention?: RetentionOptions
  /**
   * Minutes between two looks of the monitor, 1 to 60; `false`: no monitor, and no alarms about runs and views.
   * @default 1
   */
  readonly monitorEveryMinutes?: number | false
  /**
   * Hours between reminders of incidents that last; `false`: none.
   * @default 24
   */
  readonly remindEveryHours?: number | false
  /**
   * A time in which nobody is told: limits count from its end.
   * @default - none
   */
  readonly quiet?: QuietOptions
}

/** What `viewkeeper serve` may be told besides its database. */
export interface ServeOptions extends CommonOptions {
  /**
   * The name that mails, the page and metrics give it, such as `shop-production`; variable `VIEWKEEPER_ENVIRONMENT`.
   * @default - `local`
   */
  readonly environment?: string
  /**
   * Whom `viewkeeper serve` tells.
   * @default - nobody but the log
   */
  readonly notify?: NotifyOptions
}

/** The batches that schedules start. */
export interface ScheduleOptions {
  /**
   * The daily batch of every view; `false`: none.
   * @default - as below
   */
  readonly nightly?: NightlyOptions | false
  /**
   * Whether schedules in definitions count, too.
   * @default true
   */
  readonly views?: boolean
}

/** The daily batch of every view. */
export interface NightlyOptions {
  /**
   * Time of day in `timeZone`, `hh:mm`.
   * @default '02:00'
   */
  readonly at?: string
  /**
   * IANA name: `Europe/Berlin`.
   * @default 'Etc/UTC'
   */
  readonly timeZone?: string
}

/** The history that is kept. */
export interface RetentionOptions {
  /**
   * Successes of each view; `false`: as all else.
   * @default 500
   */
  readonly successes?: number | false
  /**
   * Days for everything else.
   * @default 90
   */
  readonly days?: number
}

/** A time in which nobody is told. */
export interface QuietOptions {
  /** When it begins, `hh:mm`. */
  readonly from: string
  /** When it ends, perhaps on the next day. */
  readonly to: string
  /**
   * IANA name: `Europe/Berlin`.
   * @default 'Etc/UTC'
   */
  readonly timeZone?: string
  /**
   * The days on which it begins: `sat`.
   * @default - each day
   */
  readonly days?: ('mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun')[]
}

/** Whom `viewkeeper serve` tells. */
export interface NotifyOptions {
  /**
   * The server that takes the mails to `alarmEmails`.
   * @default - there are no mails
   */
  readonly smtp?: SmtpOptions
  /**
   * Programs that get events, by names. The key of `cache` is `VIEWKEEPER_WEBHOOK_KEY_CACHE`, or in the file
   * `VIEWKEEPER_WEBHOOK_KEY_CACHE_FILE`.
   * @default - none
   */
  readonly webhooks?: Record<string, WebhookOptions>
  /**
   * Chats that get notices, by names. The address of the hook of `team` is `VIEWKEEPER_CHAT_URL_TEAM`, or in the file
   * `VIEWKEEPER_CHAT_URL_TEAM_FILE`.
   * @default - none
   */
  readonly chat?: Record<string, ChatOptions>
}

/** The server that takes the mails. */
export interface SmtpOptions {
  /** Its name. */
  readonly host: string
  /**
   * Its port.
   * @default - 465 with `implicit`, 25 with `none`, else 587
   */
  readonly port?: number
  /**
   * `starttls`: the connection is encrypted before anything is sent, or nothing is sent; `implicit`: TLS from the first
   * byte, usually on port 465; `none`: a relay on this machine.
   * @default - `implicit` on port 465, `none` on this machine without a `user`, else `starttls`
   */
  readonly tls?: 'starttls' | 'implicit' | 'none'
  /**
   * The login there. The password is `VIEWKEEPER_SMTP_PASSWORD`, or in the file `VIEWKEEPER_SMTP_PASSWORD_FILE`.
   * @default - nobody logs in
   */
  readonly user?: string
  /** The sender of the mails. */
  readonly from: string
}

/** An address that gets events as CloudEvents, with a signature. */
export interface WebhookOptions {
  /** The address. */
  readonly url: string
  /**
   * The types of events that it gets.
   * @default - all of them
   */
  readonly events?: ('ViewRefreshed' | 'ViewFailed' | 'BatchEnded' | 'IncidentOpened' | 'IncidentChanged' | 'IncidentResolved')[]
}

/** A channel of a chat that has an incoming hook. */
export interface ChatOptions {
  /**
   * How the hook is spoken to: `slack` (also Mattermost, Rocket.Chat and Google Chat), `teams`, `discord`.
   * @default 'slack'
   */
  readonly kind?: 'slack' | 'teams' | 'discord'
  /**
   * The kinds of incidents that it is told of: `failing`, `stale`.
   * @default - all
   */
  readonly kinds?: ('failing' | 'stale' | 'missing' | 'lag' | 'suspended' | 'aside' | 'paused' | 'slow' | 'wrong' | 'lost' | 'step' | 'batch' | 'channel')[]
  /**
   * The views that it is told of, as globs: `sales.*`.
   * @default - all, and batches and channels
   */
  readonly views?: string[]
}

/** The options of which none is given. */
export const defaults = {
  skipUnchanged: false,
  alarmEmails: [],
  batchConcurrency: 2,
  regularUpToMs: 50,
  skipAtMostHours: 24,
  logLevel: 'INFO',
  schedules: {
    nightly: {
      at: '02:00',
      timeZone: 'Etc/UTC'
    },
    views: true
  },
  batchExchange: 'together',
  retention: {
    successes: 500,
    days: 90
  },
  monitorEveryMinutes: 1,
  remindEveryHours: 24
} satisfies CommonOptions
