// Made by `npm run docs` from infra/environment: change an option there.

/** What Viewkeeper may be told besides its database. Every field has a default. */
export interface ViewkeeperOptions {
  /**
   * The role that owns the views that Viewkeeper creates, unless their definitions name another owner.
   * @default - `viewkeeper_views`
   */
  viewOwner?: string
  /**
   * Whether programs read the views on replicas: strategy `auto` is then `concurrent`, which alone locks no reader out
   * there. A definition may say otherwise.
   * @default - nobody has said so: views are swapped, and the doctor names the standbys that it sees
   */
  readOnReplicas?: boolean
  /**
   * What `auto` does with a view that is read on replicas and has no usable unique index: `swap`, while readers there
   * wait, or `fail`, with the index that is missing.
   * @default 'swap'
   */
  withoutKey?: 'swap' | 'fail'
  /**
   * Milliseconds: `auto` refreshes a view `regular` if that usually takes no longer. Readers then wait no longer than
   * for the exchange of a swap, and the refresh costs a fraction. 0: never.
   * @default 10
   */
  regularUpToMs?: number
  /**
   * Whether a scheduled refresh is left out if the counters of the server prove that no table that the query reads has
   * changed. Needs `grant pg_read_all_stats`. A definition may say otherwise.
   * @default false
   */
  skipUnchanged?: boolean
  /**
   * Hours after which a view is refreshed although the counters say that nothing has changed, 1 to 720.
   * @default 24
   */
  skipAtMostHours?: number
  /**
   * Addresses that get the mails of alarms. Each confirms once, by the link in its first mail.
   * @default - nobody is mailed
   */
  alarmEmails?: string[]
  /**
   * Where your people open the page, such as `http://127.0.0.1:9000` if all of them type `viewkeeper open --port 9000`.
   * Mails link the page of each view that they name.
   * @default - mails have no such links
   */
  pageUrl?: string
  /**
   * Where the runbook stands on the web: mails link its sections.
   * @default - mails name the section in the installed package, `node_modules/viewkeeper/docs/runbook.md#stale-views`
   */
  runbookUrl?: string
  /**
   * Days for which logs are kept: a number that CloudWatch accepts.
   * @default 30
   */
  logRetentionDays?: number
  /**
   * The least severe level that functions log; the lines that the dashboard reads are always logged.
   * @default 'INFO'
   */
  logLevel?: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR'
  /**
   * Requests a second that the HTTP API accepts from all callers together, and at one moment. The default leaves some of
   * the 10 functions that a new account may run at once.
   * @default 8
   */
  requestsPerSecond?: number
  /**
   * Calls at once that Lambda keeps for each of the functions `create`, `refresh` and `drop`, and lets through at most.
   * Callers then wait so long at most that waiting alone cannot use them up.
   * @default - none; callers wait up to 25 s
   */
  reservedConcurrency?: number
  /**
   * Memory of each function in MB, 256 to 10,240. Lambda gives processor time in proportion. The database does the work,
   * so more helps little.
   * @default 512
   */
  memorySize?: number
  /**
   * The batches that schedules start. The defaults of its fields count from `schedules: {}` on.
   * @default - nothing is refreshed by the clock
   */
  schedules?: ScheduleOptions
  /**
   * Whether a deploy that changes code or migrations refreshes every view.
   * @default false
   */
  refreshOnDeploy?: boolean
  /**
   * Views that a batch of a schedule or a deploy refreshes at once, 1 to 64.
   * @default 2
   */
  batchConcurrency?: number
  /**
   * Whether batches exchange views that read each other at one moment (`together`), or readers see each view when it is
   * ready (`each`).
   * @default 'together'
   */
  batchExchange?: 'together' | 'each'
  /**
   * The room on disk that the shadows of one batch may take, in bytes; a group that needs more is refreshed view by
   * view.
   * @default - no limit
   */
  maxShadowBytes?: number
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
   * Hours after which alarms tell again of troubles of views that are not over, 1 to 720. `false`: never.
   * @default 24
   */
  remindEveryHours?: number | false
  /**
   * Whether the outcome of each run is published with the name of its view, too, for your own alarms and graphs.
   * CloudWatch charges such a metric for each hour in which it gets a number: 0.30 USD for a whole month.
   * @default false
   */
  metricsPerView?: boolean
  /**
   * The bus of EventBridge that gets the events for programs: its name, or its ARN; `default` is the bus of the account.
   * `false`: there are no events.
   * @default 'default'
   */
  eventBus?: string | false
  /**
   * Whether X-Ray traces the calls of the functions and the executions of batches: 5 USD per million traces, and X-Ray
   * traces one request a second and a twentieth of the others. A network without a way out needs no endpoint for it,
   * because Lambda itself sends the traces.
   * @default false
   */
  tracing?: boolean
}

/** One environment: where it is deployed, its database, and all other options. */
export interface EnvironmentOptions extends ViewkeeperOptions {
  /** Addresses that get the mails of alarms. Each confirms once, by the link in its first mail. May be empty. */
  alarmEmails: string[]
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
  /**
   * Tags of every resource in addition to `viewkeeper:environment`.
   * @default - none
   */
  tags?: Record<string, string>
}

/** The batches that schedules start. */
export interface ScheduleOptions {
  /**
   * The daily batch of every view; `false`: there is none.
   * @default - at 09:00, Etc/UTC
   */
  nightly?: NightlyOptions | false
  /**
   * Whether the schedules in definitions refresh their views, too.
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

/** A database that the stack creates, in its own network without any way to the internet. */
export interface CreatedDatabaseOptions {
  kind: 'created'
  /** Name of the database inside the server. RDS wants a letter at its beginning. */
  name: string
  /**
   * Major version of PostgreSQL, if RDS offers it; RDS keeps the minor version current. A deploy with a newer one
   * upgrades the server only if the deploy says so, too: `-c upgradeTo=18`.
   * @default '18'
   */
  postgresVersion?: '15' | '16' | '17' | '18' | '19'
  /** Size of the server, without the leading `db.`: `t4g.micro`, `m7g.large`. */
  instanceType: string
  /**
   * Storage at the start, GiB.
   * @default 20
   */
  storageGiB?: number
  /**
   * The KMS key that encrypts storage and backups. Say it before the first deploy: a server keeps its key, and a deploy
   * with another one is refused.
   * @default - the key that AWS manages
   */
  encryptionKeyArn?: string
  /**
   * Storage up to which RDS may grow it by itself, GiB.
   * @default 100
   */
  maxStorageGiB?: number
  /**
   * Whether there is a standby in a second zone, at about twice the price.
   * @default false
   */
  multiAz?: boolean
  /**
   * Days for which automatic backups are kept, 1 to 35.
   * @default 7
   */
  backupDays?: number
  /**
   * The most connections that Viewkeeper's role may open; the rest stays for others. Each deploy that migrates sets the
   * limit.
   * @default - half of the server's `max_connections`
   */
  connectionLimit?: number
  /** Whether RDS refuses to remove the database. If it is removed later on, a last snapshot is kept. */
  protect: boolean
  /**
   * How the functions and the master user log in. `secret`: with a password from Secrets Manager. `iam`: with a token
   * that each function signs itself, so there is no secret, and no endpoint of Secrets Manager to pay for. RDS needs 300
   * to 1,000 MiB of memory for `iam`.
   * @default 'secret'
   */
  authentication?: 'secret' | 'iam'
  /**
   * With `iam`, before the switchover of a blue/green deployment: the resource id of the green server.
   * @default - none
   */
  greenResourceId?: string
  /**
   * Days after which the password of Viewkeeper's role is changed, 1 to 1000.
   * @default - never
   */
  rotateSecretDays?: number
}

/** A database that exists already: RDS, Aurora, or any PostgreSQL that the VPC reaches. */
export interface ImportedDatabaseOptions {
  kind: 'imported'
  /** The host name in the server's certificate. Not a proxy: a proxy ends a run when the caller of the run leaves. */
  endpoint: string
  /**
   * Port of the server.
   * @default 5432
   */
  port?: number
  /** Name of the database inside the server. */
  name: string
  /**
   * How the functions log in. `secret`: with the password in `secretArn`. `iam`: as `user`, with a token that each
   * function signs itself.
   * @default 'secret'
   */
  authentication?: 'secret' | 'iam'
  /**
   * With `secret`, where it is required: the whole ARN of a secret with at least `username` and `password` of the role
   * that Viewkeeper works with.
   * @default - none, with `iam`
   */
  secretArn?: string
  /**
   * The customer key that encrypts the secret.
   * @default - the key that AWS manages
   */
  secretKeyArn?: string
  /**
   * With `iam`, where it is required: the role that Viewkeeper works with, a member of `rds_iam`.
   * @default - none, with `secret`
   */
  user?: string
  /**
   * With `iam`, where it is required: the resource id of the instance (`db-…`) or of the Aurora cluster (`cluster-…`);
   * for a blue/green deployment, those of both servers.
   * @default - none, with `secret`
   */
  resourceId?: string | string[]
  /** The database's security group; the stack adds one rule that lets the functions in. */
  securityGroupId: string
  /**
   * PEM text of the authority that signed the server's certificate. At most 2,500 characters, because it is in an
   * environment variable, and all variables of a function have 4 KB.
   * @default - the roots of RDS
   */
  certificateAuthority?: string
  /** The network of the database. */
  vpc: ImportedVpcOptions
}

/** The network of an imported database. */
export interface ImportedVpcOptions {
  /** `vpc-…` */
  id: string
  /** Private subnets for the functions, `subnet-…`; they need a route to the database. */
  subnetIds: string[]
  /** The zone of each subnet, in the same order. */
  availabilityZones: string[]
  /**
   * Whether the stack adds an interface endpoint for Secrets Manager (about 7.30 USD a month for each zone). True if the
   * subnets have no NAT. False if they have one, or if the VPC has an endpoint with private DNS that lets the functions
   * in. The added endpoint has no private DNS, so the rest of the VPC does not notice it. Required, but left out with
   * `authentication: 'iam'`.
   * @default - none, with `iam`
   */
  addSecretsManagerEndpoint?: boolean
}

/** The options of which none is given; `schedules` as `schedules: {}` is understood. */
export const defaults = {
  withoutKey: 'swap',
  regularUpToMs: 10,
  skipUnchanged: false,
  skipAtMostHours: 24,
  alarmEmails: [],
  logRetentionDays: 30,
  logLevel: 'INFO',
  requestsPerSecond: 8,
  memorySize: 512,
  schedules: {
    nightly: {
      at: '09:00',
      timeZone: 'Etc/UTC',
    },
    views: true,
  },
  refreshOnDeploy: false,
  batchConcurrency: 2,
  batchExchange: 'together',
  retention: {
    successes: 500,
    days: 90,
  },
  monitorEveryMinutes: 1,
  remindEveryHours: 24,
  metricsPerView: false,
  eventBus: 'default',
  tracing: false,
} satisfies ViewkeeperOptions
