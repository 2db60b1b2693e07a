import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { Duration, Size, TimeZone, Token } from 'aws-cdk-lib'
import type { DomainMappingOptions } from 'aws-cdk-lib/aws-apigatewayv2'
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2'
import type { IEventBus } from 'aws-cdk-lib/aws-events'
import { type ApplicationLogLevel, Architecture } from 'aws-cdk-lib/aws-lambda'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import * as z from 'zod'
import type { ScheduledView } from '../src/catalog/plan/scheduled.ts'
import {
  commonFields,
  inWords,
  problemsOf,
  sharedFields,
  shortName,
  textLike,
  timeOfDay,
} from '../src/config/fields.ts'
import { defaults, type SharedOptions } from '../src/config/options.ts'
import { DatabaseServer } from './database/server.ts'
import type { PeopleTopics } from './monitoring/topics.ts'

/** The history that is kept. */
export interface RetentionProps {
  /**
   * Successes of each view, 1 to 1,000,000.
   * @default 500
   */
  readonly successes?: number
  /**
   * How long everything else is kept, 1 to 3,650 days.
   * @default Duration.days(90)
   */
  readonly age?: Duration
}

/** A time in which nobody is told. */
export interface QuietProps {
  /** When it begins, `hh:mm`. */
  readonly from: string
  /** When it ends, perhaps on the next day. */
  readonly to: string
  /** @default TimeZone.ETC_UTC */
  readonly timeZone?: TimeZone
  /**
   * The days on which it begins, of `mon`, `tue`, `wed`, `thu`, `fri`, `sat` and `sun`.
   * @default - each day
   */
  readonly days?: string[]
}

/** What Viewkeeper is told on AWS. */
export interface ViewkeeperProps extends SharedOptions {
  /** The environment's name, which `--env` takes: unique in an account and region, at most 20 lower-case letters, digits and hyphens. */
  readonly environmentName: string
  /**
   * What the [names](cdk.md#names) of its resources have in the place of `environmentName`. Another one lets a deployed construct have
   * another id.
   * @default - `environmentName`
   */
  readonly physicalName?: string
  /**
   * [The PostgreSQL](cdk.md#the-database), such as `DatabaseServer.fromInstance(instance)`. Viewkeeper adds one rule to its security
   * group.
   */
  readonly database: DatabaseServer
  /** Name of the database inside the server. */
  readonly databaseName: string
  /** The network of the functions; they need a route to the server. */
  readonly vpc: IVpc
  /**
   * The subnets of the functions, with a NAT or an endpoint for Secrets Manager.
   * @default - the private subnets with a way out, or else the isolated ones
   */
  readonly vpcSubnets?: SubnetSelection
  /**
   * Whether the functions that do not use the database are [in that network](cdk.md#the-network), too.
   * @default false
   */
  readonly allFunctionsInVpc?: boolean
  /**
   * Whether functions log in with [a token](iam.md), and not with a password. Needs `loginUser` or `adminSecret`, and 300 to 1,000 MiB of
   * the server's memory. A cluster of the app needs `iamAuthentication`, too.
   * @default false
   */
  readonly iamAuthentication?: boolean
  /**
   * The administrator with whom `migrate` makes Viewkeeper's role. Not with IAM and PostgreSQL 16 or later: making the
   * role would make the administrator a member of `rds_iam`, whose passwords RDS refuses.
   * @default - the server's own secret; none with `loginSecret` or IAM
   */
  readonly adminSecret?: ISecret
  /**
   * Without IAM: user and password of Viewkeeper's role. Without `adminSecret`, `npx viewkeeper create-role` has made
   * it.
   * @default - a new secret, of role `viewkeeper_app_<environmentName>`
   */
  readonly loginSecret?: ISecret
  /**
   * With IAM: Viewkeeper's role. Without `adminSecret`, `npx viewkeeper create-role --iam` has made it.
   * @default - with `adminSecret`: `viewkeeper_iam_<environmentName>`
   */
  readonly loginUser?: string
  /**
   * The most [connections](deploy.md#connections) of a role that `migrate` makes.
   * @default - half of the server's `max_connections`
   */
  readonly connectionLimit?: number
  /**
   * PEM text of the authority of the server's certificate, or of several authorities.
   * @default - the roots of RDS
   */
  readonly certificateAuthority?: string
  /**
   * Whether the construct adds an endpoint of Secrets Manager for these functions alone: about 7.30 USD a month for each
   * zone.
   * @default false
   */
  readonly addSecretsManagerEndpoint?: boolean
  /**
   * The folder of the frozen migrations, relative to the folder in which CDK runs.
   * @default 'migrations'
   */
  readonly migrationsFolder?: string
  /**
   * The folder of the steps of schema `viewkeeper`.
   * @default - the folder in this package
   */
  readonly schemaFolder?: string
  /**
   * Whether a deploy applies the views' migrations.
   * @default - what `-c viewMigrations=…` says, or else `true`
   */
  readonly viewMigrations?: boolean
  /**
   * The views that have a schedule of their own.
   * @default - those of `migrationsFolder`
   */
  readonly scheduledViews?: ScheduledView[]
  /**
   * Your topics for mails and for JSON, which environments may share, of this region and any account. Subscribe people yourself. Both, and
   * the key of an encrypted one, must let CloudWatch publish (`cloudwatch.amazonaws.com`). Those of another account must let its role of
   * `send` publish, and count who listens (`sns:GetTopicAttributes`).
   * @default - new topics, with `alarmEmails` subscribed
   */
  readonly topics?: PeopleTopics
  /**
   * The topic of your pager, which gets every alarm and one about incidents, with their begins and ends. It, and its key, must let
   * CloudWatch publish (`cloudwatch.amazonaws.com`).
   * @default - no pager: mails say it all
   */
  readonly pager?: ITopic
  /**
   * Your security group for the functions; environments that share it share network interfaces. You say what goes out.
   * @default - one of the environment's own
   */
  readonly securityGroup?: ISecurityGroup
  /**
   * Whether there is [an HTTP API](cdk.md#who-reaches-the-api), which takes signed requests.
   * @default true
   */
  readonly api?: boolean
  /**
   * Your domain of the API: `{ domainName }` of `aws-apigatewayv2`, and perhaps a `mappingKey`. You make its DNS record. The address
   * of API Gateway is then off.
   * @default - the address of API Gateway
   */
  readonly apiDomain?: DomainMappingOptions
  /**
   * Whether the environment has its own dashboard: about 3 USD a month.
   * @default true
   */
  readonly dashboard?: boolean
  /**
   * How long logs are kept.
   * @default RetentionDays.ONE_MONTH
   */
  readonly logRetention?: RetentionDays
  /**
   * The most requests that the API takes in a second, from all callers together; more are answered `429`.
   * @default 8
   */
  readonly requestsPerSecond?: number
  /**
   * Calls at once that Lambda [keeps for each](deploy.md#concurrency) of `create`, `refresh` and `drop`, and allows at most.
   * @default - none
   */
  readonly reservedConcurrency?: number
  /**
   * Memory of each function, MB; more helps little.
   * @default 512
   */
  readonly memorySize?: number
  /**
   * The processor of the functions.
   * @default Architecture.ARM_64
   */
  readonly architecture?: Architecture
  /**
   * Whether a deploy that changes code or migrations refreshes all views.
   * @default false
   */
  readonly refreshOnDeploy?: boolean
  /**
   * Whether [metrics](monitoring.md#metrics) name each view: up to 0.90 USD a month for one.
   * @default false
   */
  readonly metricsPerView?: boolean
  /**
   * Whether there are [events for programs](events.md).
   * @default true
   */
  readonly events?: boolean
  /**
   * The bus that gets them.
   * @default - the default bus of the account
   */
  readonly eventBus?: IEventBus
  /**
   * `auto` is `regular`, the cheapest, while that usually locks readers out no longer, up to a second; zero: never.
   * @default Duration.millis(50)
   */
  readonly regularUpTo?: Duration
  /**
   * The time after which a view is refreshed although nothing has changed, 1 to 720 hours.
   * @default Duration.hours(24)
   */
  readonly skipAtMost?: Duration
  /**
   * The history that is kept: `{ successes, age }`.
   * @default - 500 successes of each view, and all else for 90 days
   */
  readonly retention?: RetentionProps
  /**
   * Whether there is [a monitor](monitoring.md#without-a-monitor), and alarms about runs and views.
   * @default true
   */
  readonly monitor?: boolean
  /**
   * The time between two looks of the monitor, 1 to 60 minutes.
   * @default Duration.minutes(1)
   */
  readonly monitorInterval?: Duration
  /**
   * Whether incidents that last are told again.
   * @default true
   */
  readonly reminders?: boolean
  /**
   * The time between two reminders, 1 to 720 hours.
   * @default Duration.hours(24)
   */
  readonly reminderInterval?: Duration
  /**
   * What functions log besides what the dashboard reads: `DEBUG`, `INFO`, `WARN` or `ERROR`.
   * @default ApplicationLogLevel.INFO
   */
  readonly logLevel?: ApplicationLogLevel
  /**
   * Whether there are [batches of the clock](batches.md#when).
   * @default true
   */
  readonly schedules?: boolean
  /**
   * Whether one of them refreshes every view each night.
   * @default true
   */
  readonly nightly?: boolean
  /**
   * When that one begins, `hh:mm`.
   * @default - between 02:00 and 02:59, at a minute of the environment's own
   */
  readonly nightlyAt?: string
  /**
   * The time zone of that.
   * @default TimeZone.ETC_UTC
   */
  readonly nightlyTimeZone?: TimeZone
  /**
   * Whether schedules and target lags of definitions count.
   * @default true
   */
  readonly viewSchedules?: boolean
  /**
   * Whether views that read each other are exchanged [together](batches.md#together), and not each when it is ready.
   * @default true
   */
  readonly exchangeTogether?: boolean
  /**
   * The room for the shadows of a batch; a larger group is refreshed view by view.
   * @default - no limit
   */
  readonly maxShadowSize?: Size
  /**
   * A time in which [nobody is told](monitoring.md#a-maintenance-window): limits count from its end.
   * @default - none
   */
  readonly quiet?: QuietProps
  /**
   * Whether X-Ray traces functions and batches, 5 USD per million.
   * @default false
   */
  readonly tracing?: boolean
}

/** What is a construct is not looked into. */
const construct = <T>() => z.custom<T>().optional()

const retentionDays = Object.values(RetentionDays).filter((days) => Number(days) < RetentionDays.INFINITE)
const retentionRule = `must be one of ${retentionDays.join(', ')}`

/** A Duration of whole units in this range, as their number. */
const durationOf = (unit: 'Milliseconds' | 'Minutes' | 'Hours' | 'Days', from: number, to: number) => {
  const rule = `must be a Duration of ${from} to ${to} ${unit.toLowerCase()}`
  return z
    .custom<Duration>((given) => given instanceof Duration && !given.isUnresolved(), rule)
    .transform((given) => given[`to${unit}`]({ integral: false }))
    .pipe(z.int(rule).min(from, rule).max(to, rule))
    .optional()
}

const timeZone = z
  .custom<TimeZone>((given) => given instanceof TimeZone, 'must be a TimeZone of aws-cdk-lib')
  .transform(({ timezoneName }) => timezoneName)
  .optional()

/** Props without a meaning while another one is switched off. */
const onlyWith = {
  api: ['apiDomain'],
  iamAuthentication: ['loginUser'],
  schedules: ['nightlyAt', 'nightlyTimeZone'],
  nightly: ['nightlyAt', 'nightlyTimeZone'],
  monitor: ['monitorInterval'],
  reminders: ['reminderInterval'],
  events: ['eventBus'],
} as const satisfies Partial<Record<keyof ViewkeeperProps, (keyof ViewkeeperProps)[]>>

const { logLevel, quiet } = commonFields()

const schema = z
  .strictObject({
    ...sharedFields(Token.isUnresolved),
    logLevel,
    regularUpTo: durationOf('Milliseconds', 0, 1000),
    skipAtMost: durationOf('Hours', 1, 720),
    schedules: z.boolean().default(true),
    nightly: z.boolean().default(true),
    nightlyAt: timeOfDay().optional(),
    nightlyTimeZone: timeZone,
    viewSchedules: z.boolean().default(true),
    exchangeTogether: z.boolean().default(true),
    maxShadowSize: z
      .custom<Size>((given) => given instanceof Size, 'must be a Size of aws-cdk-lib')
      .transform((size) => size.toBytes())
      .optional(),
    quiet: z
      .looseObject({ timeZone })
      .transform((given) => given as z.input<typeof quiet>)
      .pipe(quiet)
      .optional(),
    retention: z
      .strictObject({
        successes: z.int().min(1).max(1_000_000).default(defaults.retention.successes),
        age: durationOf('Days', 1, 3650),
      })
      .prefault({}),
    monitor: z.boolean().default(true),
    monitorInterval: durationOf('Minutes', 1, 60),
    reminders: z.boolean().default(true),
    reminderInterval: durationOf('Hours', 1, 720),
    environmentName: shortName,
    physicalName: shortName.optional(),
    database: z.custom<DatabaseServer>((given) => given instanceof DatabaseServer, {
      error: ({ input }) =>
        input
          ? 'must be DatabaseServer.fromInstance(…), fromCluster(…) or fromAttributes(…), and no proxy: that ends a run when the caller leaves'
          : 'is required',
    }),
    databaseName: textLike(/^\P{Cc}{1,63}$/u, 'must be the name of a database', Token.isUnresolved),
    vpc: z.custom<IVpc>((given) => given !== undefined, 'is required'),
    vpcSubnets: construct<SubnetSelection>(),
    allFunctionsInVpc: z.boolean().default(false),
    iamAuthentication: z.boolean().default(false),
    adminSecret: construct<ISecret>(),
    loginSecret: construct<ISecret>(),
    loginUser: z.string().min(1).max(63).optional(),
    connectionLimit: z.int().min(2).max(5_000).optional(),
    certificateAuthority: textLike(
      /^-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----\s*$/,
      'must be PEM certificates',
    ).optional(),
    addSecretsManagerEndpoint: z.boolean().default(false),
    migrationsFolder: z
      .string()
      .refine((folder) => existsSync(folder), {
        error: ({ input }) => `there is no folder ${resolve(String(input))}`,
      })
      .optional(),
    schemaFolder: z.string().optional(),
    viewMigrations: z.boolean('must be true or false').default(true),
    scheduledViews: z.array(z.custom<ScheduledView>()).optional(),
    topics: construct<PeopleTopics>(),
    pager: construct<ITopic>(),
    securityGroup: construct<ISecurityGroup>(),
    api: z.boolean().default(true),
    apiDomain: construct<DomainMappingOptions>(),
    dashboard: z.boolean().default(true),
    logRetention: z
      .custom<RetentionDays>((days) => retentionDays.some((each) => each === days), retentionRule)
      .default(RetentionDays.ONE_MONTH),
    requestsPerSecond: z.int().min(1).max(10_000).default(8),
    reservedConcurrency: z.int().min(1).max(1_000).optional(),
    memorySize: z.int().min(256).max(10_240).default(512),
    architecture: z.custom<Architecture>().default(Architecture.ARM_64),
    refreshOnDeploy: z.boolean().default(false),
    metricsPerView: z.boolean().default(false),
    events: z.boolean().default(true),
    eventBus: construct<IEventBus>(),
    tracing: z.boolean().default(false),
  } satisfies Record<keyof ViewkeeperProps, z.ZodType>)
  .superRefine((props, { addIssue }) => {
    for (const [off, names] of Object.entries(onlyWith))
      for (const name of names)
        if (!props[off as keyof typeof onlyWith] && props[name] !== undefined)
          addIssue({ code: 'custom', path: [name], message: `must be left out with ${off}: false` })
  })
  .refine(({ iamAuthentication, loginSecret }) => !iamAuthentication || loginSecret === undefined, {
    path: ['loginSecret'],
    message: 'must be left out with iamAuthentication',
  })
  .refine(({ topics, alarmEmails }) => topics === undefined || alarmEmails.length === 0, {
    path: ['alarmEmails'],
    message: 'must be left out with topics: subscribe the addresses to topics.mail',
  })
  // As `viewkeeper serve` and the functions are told them.
  .transform((props) => ({
    ...props,
    physicalName: props.physicalName ?? props.environmentName,
    bus: props.eventBus,
    eventBus: props.events && (props.eventBus?.eventBusArn ?? 'default'),
    schedules: {
      nightly: props.schedules &&
        props.nightly && {
          at: props.nightlyAt ?? ownMinute(props.environmentName),
          timeZone: props.nightlyTimeZone ?? defaults.schedules.nightly.timeZone,
        },
      views: props.schedules && props.viewSchedules,
    },
    batchExchange: props.exchangeTogether ? ('together' as const) : ('each' as const),
    maxShadowBytes: props.maxShadowSize,
    regularUpToMs: props.regularUpTo ?? defaults.regularUpToMs,
    skipAtMostHours: props.skipAtMost ?? defaults.skipAtMostHours,
    retention: {
      successes: props.retention.successes,
      days: props.retention.age ?? defaults.retention.days,
    },
    monitorEveryMinutes: props.monitor && (props.monitorInterval ?? defaults.monitorEveryMinutes),
    remindEveryHours: props.reminders && (props.reminderInterval ?? defaults.remindEveryHours),
  }))

/**
 * The default hour of the daily batch, at a minute of the environment: all environments of a fleet at once would wait for each other's
 * concurrency, and for the server that they share.
 */
function ownMinute(environmentName: string): string {
  const minute = createHash('sha256').update(environmentName).digest().readUInt16BE() % 60
  return defaults.schedules.nightly.at.replace(/\d\d$/, String(minute).padStart(2, '0'))
}

/** The props after validation, with every default filled in. */
export type ValidProps = z.output<typeof schema>

/** A mistake in the props. The message is for the person who edits them. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError'
}

/** Refuses the props of the construct at a path: `problems` are lines with the name of a prop. */
export function refuseProps(path: string, problems: string[]): never {
  throw new OptionsError([`The props of Viewkeeper ${path} are not valid:`, ...problems].join('\n  '))
}

/**
 * The props with every default filled in. Refuses props that are not valid: the error lists all mistakes, each with the name of its
 * prop, under the path of the construct.
 */
export function validProps(path: string, props: ViewkeeperProps): ValidProps {
  const result = schema.safeParse(props, inWords)
  if (result.success) return result.data
  const isLater = (field = '') => Token.isUnresolved(props[field as keyof ViewkeeperProps])
  return refuseProps(
    path,
    problemsOf(result.error).map((line) => {
      const [field] = line.split(/[.:]/)
      return isLater(field) ? `${field}: ${onlyLater}` : line
    }),
  )
}

const onlyLater =
  'is known to the deploy alone, and the template depends on it: write the value out, or take it from the context (`-c name=value`, tryGetContext)'
