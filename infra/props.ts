import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Duration, Token } from 'aws-cdk-lib'
import type { DomainMappingOptions } from 'aws-cdk-lib/aws-apigatewayv2'
import type { IPeer, ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2'
import type { IEventBus } from 'aws-cdk-lib/aws-events'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IDatabaseCluster, IDatabaseInstance } from 'aws-cdk-lib/aws-rds'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import * as z from 'zod'
import type { ScheduledView } from '../src/catalog/plan/scheduled.ts'
import { commonFields, inWords, problemsOf, shortName, textLike } from '../src/config/fields.ts'
import { type CommonOptions, defaults } from '../src/config/options.ts'
import type { PeopleTopics } from './monitoring/topics.ts'

/** A PostgreSQL that is no instance of RDS and no cluster of Aurora. */
export interface Server {
  /** The name in the server's certificate. */
  readonly host: string
  /** @default 5432 */
  readonly port?: number
  /** Where it is: its security group, or its addresses, such as `Peer.ipv4('203.0.113.7/32')`. */
  readonly peer: IPeer
}

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

/** What Viewkeeper is told on AWS, besides the options that `viewkeeper serve` has, too. */
export interface ViewkeeperProps
  extends Omit<
    CommonOptions,
    'regularUpToMs' | 'skipAtMostHours' | 'monitorEveryMinutes' | 'remindEveryHours' | 'retention'
  > {
  /** The environment's name, which `--env` takes: unique in an account and region, at most 20 lower-case letters, digits and hyphens. */
  readonly environmentName: string
  /**
   * What the [names](cdk.md#names) of its resources have in the place of `environmentName`. Another one lets a deployed construct have
   * another id.
   * @default - `environmentName`
   */
  readonly physicalName?: string
  /**
   * The PostgreSQL, not a proxy: an instance of RDS or a cluster of Aurora, which the app makes, imports or looks up, or [any
   * other server](cdk.md#a-server-of-elsewhere). Viewkeeper adds one rule to its security group.
   */
  readonly database: IDatabaseInstance | IDatabaseCluster | Server
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
   * The functions in that network: those that use the `database`, or [`all`](cdk.md#the-network).
   * @default 'database'
   */
  readonly network?: 'database' | 'all'
  /**
   * `secret`: a password. `iam`: [a token](iam.md); needs `loginUser` or `adminSecret`, and 300 to 1,000 MiB of the server's memory.
   * A cluster of the app needs `iamAuthentication: true`.
   * @default 'secret'
   */
  readonly authentication?: 'secret' | 'iam'
  /**
   * The administrator with whom `migrate` makes Viewkeeper's role. Not with `iam` and PostgreSQL 16 or later: making the
   * role would make the administrator a member of `rds_iam`, whose passwords RDS refuses.
   * @default - the server's own secret; none with `loginSecret` or `iam`
   */
  readonly adminSecret?: ISecret
  /**
   * With `secret`: user and password of Viewkeeper's role. Without `adminSecret`, `npx viewkeeper create-role` has made
   * it.
   * @default - a new secret, of role `viewkeeper_app_<environmentName>`
   */
  readonly loginSecret?: ISecret
  /**
   * With `iam`: Viewkeeper's role. Without `adminSecret`, `npx viewkeeper create-role --iam` has made it.
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
   * The folder of the frozen migrations, relative to the folder in which CDK runs, or a URL: `new URL('../migrations/',
   * import.meta.url)`.
   * @default - `migrations`
   */
  readonly migrationsFolder?: string | URL
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
   * `public`: an HTTP API that takes signed requests. `none`: [no API](cdk.md#who-reaches-the-api).
   * @default 'public'
   */
  readonly api?: 'public' | 'none'
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
   * @default 'arm64'
   */
  readonly architecture?: 'arm64' | 'x86_64'
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
   * Whether X-Ray traces functions and batches, 5 USD per million.
   * @default false
   */
  readonly tracing?: boolean
}

/** What is a construct is not looked into. */
const construct = z.any().optional()
const isRequired = z.any().refine((given) => given !== undefined, 'is required')

const retentionDays = Object.values(RetentionDays).filter(
  (days): days is RetentionDays => typeof days === 'number' && days < RetentionDays.INFINITE,
)
const retentionRule = `must be one of ${retentionDays.join(', ')}`

/** A text of this form, or a text that only the deploy knows, such as the id of something that the app makes. */
const textOrToken = (form: RegExp, message: string) => textLike(form, message, Token.isUnresolved)

/** A Duration of whole units in this range, as their number. */
const durationOf = (unit: 'Milliseconds' | 'Minutes' | 'Hours' | 'Days', from: number, to: number) => {
  const rule = `must be a Duration of ${from} to ${to} ${unit.toLowerCase()}`
  return z
    .custom<Duration>((given) => given instanceof Duration && !given.isUnresolved(), rule)
    .transform((given) => given[`to${unit}`]({ integral: false }))
    .pipe(z.int(rule).min(from, rule).max(to, rule))
    .optional()
}

const schema = z
  .strictObject({
    ...commonFields(Token.isUnresolved),
    regularUpTo: durationOf('Milliseconds', 0, 1000),
    skipAtMost: durationOf('Hours', 1, 720),
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
    database: z.custom<ViewkeeperProps['database']>(
      (value) => typeof value === 'object' && value !== null && !('dbProxyName' in value),
      {
        error: ({ input }) =>
          input ? 'must be the server itself: a proxy ends a run when the caller leaves' : 'is required',
      },
    ),
    databaseName: textOrToken(/^\P{Cc}{1,63}$/u, 'must be the name of a database'),
    vpc: isRequired,
    vpcSubnets: construct,
    network: z.enum(['database', 'all']).default('database'),
    authentication: z.enum(['secret', 'iam']).default('secret'),
    adminSecret: construct,
    loginSecret: construct,
    loginUser: z.string().min(1).max(63).optional(),
    connectionLimit: z.int().min(2).max(5_000).optional(),
    certificateAuthority: textLike(
      /^-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----\s*$/,
      'must be PEM certificates',
    ).optional(),
    addSecretsManagerEndpoint: z.boolean().default(false),
    migrationsFolder: z
      .union([z.string(), z.instanceof(URL).transform((folder) => fileURLToPath(folder))])
      .refine((folder) => existsSync(folder), {
        error: ({ input }) => `there is no folder ${resolve(String(input))}`,
      })
      .optional(),
    schemaFolder: z.string().optional(),
    viewMigrations: z.boolean('must be true or false').default(true),
    scheduledViews: z.array(z.any()).optional(),
    topics: construct,
    pager: construct,
    securityGroup: construct,
    api: z.enum(['public', 'none']).default('public'),
    apiDomain: z.object({ domainName: construct, mappingKey: z.string().optional() }).optional(),
    dashboard: z.boolean().default(true),
    logRetention: z
      .number(retentionRule)
      .refine((days) => retentionDays.some((each) => each === days), retentionRule)
      .default(RetentionDays.ONE_MONTH)
      .transform((days) => days as RetentionDays),
    requestsPerSecond: z.int().min(1).max(10_000).default(8),
    reservedConcurrency: z.int().min(1).max(1_000).optional(),
    memorySize: z.int().min(256).max(10_240).default(512),
    architecture: z.enum(['arm64', 'x86_64']).default('arm64'),
    refreshOnDeploy: z.boolean().default(false),
    metricsPerView: z.boolean().default(false),
    events: z.boolean().default(true),
    eventBus: construct,
    tracing: z.boolean().default(false),
  } satisfies Record<keyof ViewkeeperProps, z.ZodType>)
  .omit({ regularUpToMs: true, skipAtMostHours: true, monitorEveryMinutes: true, remindEveryHours: true })
  .refine(({ authentication: way, loginSecret }) => way === 'secret' || loginSecret === undefined, {
    path: ['loginSecret'],
    message: "must be left out with authentication: 'iam'",
  })
  .refine(({ authentication: way, loginUser }) => way === 'iam' || loginUser === undefined, {
    path: ['loginUser'],
    message: "is only for authentication: 'iam'",
  })
  .refine(({ api, apiDomain }) => api === 'public' || apiDomain === undefined, {
    path: ['apiDomain'],
    message: "must be left out with api: 'none'",
  })
  .refine(({ monitor, monitorInterval }) => monitor || monitorInterval === undefined, {
    path: ['monitorInterval'],
    message: 'must be left out with monitor: false',
  })
  .refine(({ reminders, reminderInterval }) => reminders || reminderInterval === undefined, {
    path: ['reminderInterval'],
    message: 'must be left out with reminders: false',
  })
  .refine(({ events, eventBus }) => events || eventBus === undefined, {
    path: ['eventBus'],
    message: 'must be left out with events: false',
  })
  .refine(({ topics, alarmEmails }) => topics === undefined || alarmEmails.length === 0, {
    path: ['alarmEmails'],
    message: 'must be left out with topics: subscribe the addresses to topics.mail',
  })
  // Numbers, as `viewkeeper serve` and the functions are told them.
  .transform(
    ({ regularUpTo, skipAtMost, monitor, monitorInterval, reminders, reminderInterval, ...given }) => {
      const { environmentName, physicalName = environmentName, events, eventBus, retention, ...rest } = given
      const bus: ViewkeeperProps['eventBus'] = eventBus
      return {
        ...rest,
        environmentName,
        physicalName,
        bus,
        eventBus: events && (bus?.eventBusArn ?? 'default'),
        regularUpToMs: regularUpTo ?? defaults.regularUpToMs,
        skipAtMostHours: skipAtMost ?? defaults.skipAtMostHours,
        retention: { successes: retention.successes, days: retention.age ?? defaults.retention.days },
        monitorEveryMinutes: monitor && (monitorInterval ?? defaults.monitorEveryMinutes),
        remindEveryHours: reminders && (reminderInterval ?? defaults.remindEveryHours),
      }
    },
  )

/** The props whose values are constructs, or made of them. */
type OfConstructs =
  | 'vpc'
  | 'vpcSubnets'
  | 'adminSecret'
  | 'loginSecret'
  | 'scheduledViews'
  | 'topics'
  | 'pager'
  | 'securityGroup'
  | 'apiDomain'

/** The props after validation, with every default filled in. */
export type ValidProps = Omit<z.output<typeof schema>, OfConstructs> & Pick<ViewkeeperProps, OfConstructs>

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
  if (result.success) return result.data as ValidProps
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
