// biome-ignore-all format: made by `npm run docs` from src/config/fields.ts and infra/options.ts: change an option there.

/** What `viewkeeper serve` and an environment on AWS may be told. Every field has a default. */
export interface CommonOptions {
  /**
   * The owner of the views that Viewkeeper creates, unless a definition has another.
   * @default - `viewkeeper_views`
   */
  readonly viewOwner?: string
  /**
   * `auto` is `regular`, the cheapest, if that usually takes no longer. 0: never.
   * @default 20
   */
  readonly regularUpToMs?: number
  /**
   * Whether a scheduled refresh is left out if no table below has changed. Needs `grant pg_read_all_stats`. A definition
   * may say otherwise.
   * @default false
   */
  readonly skipUnchanged?: boolean
  /**
   * Hours after which a view is refreshed all the same, 1 to 720.
   * @default 24
   */
  readonly skipAtMostHours?: number
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
   * Views that a batch refreshes at once, 1 to 64.
   * @default 2
   */
  readonly batchConcurrency?: number
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

/** What an environment on AWS may be told besides its database. Every field has a default. */
export interface ViewkeeperOptions extends CommonOptions {
  /**
   * Days for which logs are kept.
   * @default 30
   */
  readonly logRetentionDays?: number
  /**
   * The most requests that the API takes in a second, from all callers together; more are answered `429`.
   * @default 8
   */
  readonly requestsPerSecond?: number
  /**
   * Calls at once that Lambda keeps for each of `create`, `refresh` and `drop`, and allows at most.
   * @default - none
   */
  readonly reservedConcurrency?: number
  /**
   * Memory of each function, MB; more helps little.
   * @default 512
   */
  readonly memorySize?: number
  /**
   * Whether a deploy that changes code or migrations refreshes all views.
   * @default false
   */
  readonly refreshOnDeploy?: boolean
  /**
   * Whether metrics name each view: up to 0.90 USD a month for one.
   * @default false
   */
  readonly metricsPerView?: boolean
  /**
   * The bus that gets the events for programs; `false`: no events.
   * @default 'default'
   */
  readonly eventBus?: string | false
  /**
   * Whether X-Ray traces functions and batches, 5 USD per million.
   * @default false
   */
  readonly tracing?: boolean
}

/** One environment: where it is deployed, its database, and all other options. */
export interface EnvironmentOptions extends ViewkeeperOptions {
  /** Addresses that get the mails. Each confirms once, by a link. May be empty. */
  readonly alarmEmails: string[]
  /**
   * AWS account, twelve digits.
   * @default - that of your credentials
   */
  readonly account?: string
  /**
   * AWS region.
   * @default - that of your credentials
   */
  readonly region?: string
  /** Created by a stack of its own, or imported. */
  readonly database: CreatedDatabaseOptions | ImportedDatabaseOptions
  /**
   * Tags of every resource besides `viewkeeper:environment`.
   * @default - none
   */
  readonly tags?: Record<string, string>
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

/** Created by the stack, in a network without a way to the internet. */
export interface CreatedDatabaseOptions {
  readonly kind: 'created'
  /** Name of the database inside the server. */
  readonly name: string
  /**
   * Major version (a newer one).
   * @default '18'
   */
  readonly postgresVersion?: '15' | '16' | '17' | '18' | '19'
  /** Size of the server: `t4g.micro`, `m7g.large`. */
  readonly instanceType: string
  /**
   * Storage at the start, GiB.
   * @default 20
   */
  readonly storageGiB?: number
  /**
   * KMS key of storage and backups. A later deploy cannot change it.
   * @default - the key that AWS manages
   */
  readonly encryptionKeyArn?: string
  /**
   * Storage up to which RDS grows it, GiB.
   * @default 100
   */
  readonly maxStorageGiB?: number
  /**
   * The most connections that Viewkeeper's role may open.
   * @default - half of the server's `max_connections`
   */
  readonly connectionLimit?: number
  /** Whether RDS refuses to remove the database; a removal then keeps a snapshot. */
  readonly protect: boolean
  /**
   * How functions and master user log in: with a `secret`, or by `iam`.
   * @default 'secret'
   */
  readonly authentication?: 'secret' | 'iam'
  /**
   * Days between changes of the role's password, 1 to 1000.
   * @default - never
   */
  readonly rotateSecretDays?: number
}

/** RDS, Aurora, or any PostgreSQL that the subnets reach. */
export interface ImportedDatabaseOptions {
  readonly kind: 'imported'
  /** The host name in the server's certificate, not a proxy. */
  readonly endpoint: string
  /**
   * Port of the server.
   * @default 5432
   */
  readonly port?: number
  /** Name of the database inside the server. */
  readonly name: string
  /**
   * How functions log in: with `secretArn`, or by `iam` as `user`.
   * @default 'secret'
   */
  readonly authentication?: 'secret' | 'iam'
  /**
   * Required with `secret`: its whole ARN. It has `username` and `password` of the role.
   * @default - none, with `iam`
   */
  readonly secretArn?: string
  /**
   * The key that encrypts the secret.
   * @default - the key that AWS manages
   */
  readonly secretKeyArn?: string
  /**
   * Required with `iam`: the role, a member of `rds_iam`.
   * @default - none, with `secret`
   */
  readonly user?: string
  /**
   * Required with `iam`: `db-…` of the instance or `cluster-…`; in a blue/green deployment both.
   * @default - none, with `secret`
   */
  readonly resourceId?: string | string[]
  /**
   * The database's security group; the stack adds a rule to it. Either this or `cidr` is required.
   * @default - none, with `cidr`
   */
  readonly securityGroupId?: string
  /**
   * The addresses of a server that has no security group: `203.0.113.7/32`, or `2001:db8::/64`, which needs subnets with
   * IPv6.
   * @default - none, with `securityGroupId`
   */
  readonly cidr?: string
  /**
   * PEM text of the authority of the server's certificate, or of several authorities.
   * @default - the roots of RDS
   */
  readonly certificateAuthority?: string
  /** The network of the database. */
  readonly vpc: ImportedVpcOptions
}

/** The network of an imported database. */
export interface ImportedVpcOptions {
  /** `vpc-…` */
  readonly id: string
  /** Private subnets for the functions, with a route to the database. */
  readonly subnetIds: string[]
  /** The zone of each subnet, in the same order. */
  readonly availabilityZones: string[]
  /**
   * Required with `secret`: whether the stack adds an endpoint for Secrets Manager, 7.30 USD a month for each zone.
   * `false` if the subnets have a NAT or the VPC has an endpoint with private DNS.
   * @default - none, with `iam`
   */
  readonly addSecretsManagerEndpoint?: boolean
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
  readonly kinds?: ('failing' | 'stale' | 'missing' | 'lag' | 'suspended' | 'aside' | 'paused' | 'slow' | 'wrong' | 'batch' | 'channel')[]
  /**
   * The views that it is told of, as globs: `sales.*`.
   * @default - all, and batches and channels
   */
  readonly views?: string[]
}

/** The options of which none is given. */
export const defaults = {
  regularUpToMs: 20,
  skipUnchanged: false,
  skipAtMostHours: 24,
  alarmEmails: [],
  logLevel: 'INFO',
  schedules: {
    nightly: {
      at: '02:00',
      timeZone: 'Etc/UTC'
    },
    views: true
  },
  batchConcurrency: 2,
  batchExchange: 'together',
  retention: {
    successes: 500,
    days: 90
  },
  monitorEveryMinutes: 1,
  remindEveryHours: 24,
  logRetentionDays: 30,
  requestsPerSecond: 8,
  memorySize: 512,
  refreshOnDeploy: false,
  metricsPerView: false,
  eventBus: 'default',
  tracing: false
} satisfies ViewkeeperOptions
