import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Duration } from 'aws-cdk-lib'
import type { DomainMappingOptions } from 'aws-cdk-lib/aws-apigatewayv2'
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2'
import type { RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IDatabaseCluster, IDatabaseInstance } from 'aws-cdk-lib/aws-rds'
import { ScheduleExpression } from 'aws-cdk-lib/aws-scheduler'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import * as z from 'zod'
import type { ScheduledView } from '../src/catalog/plan/scheduled.ts'
import { inWords, problemsOf, shortName } from '../src/config/fields.ts'
import type { NightlyOptions, ScheduleOptions, ViewkeeperOptions } from '../src/config/options.ts'
import type { Database } from './database/database.ts'
import type { PeopleTopics } from './monitoring/topics.ts'
import {
  authentication,
  certificateAuthority,
  connectionLimit,
  databaseName,
  hasWhatItRotates,
  noSecretToRotate,
  optionFields,
  refuseProps,
  rotateSecretDays,
  type ValidOptions,
} from './options.ts'

/** What Viewkeeper is told, on whatever database. */
export interface ViewkeeperCommonProps extends Omit<ViewkeeperOptions, InCdkTypes>, CdkOptions {
  /** The environment's name, which `--env` takes: unique in an account, at most 20 lower-case letters, digits and hyphens. */
  readonly environmentName: string
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
   * @default true
   */
  readonly viewMigrations?: boolean
  /**
   * The views that have a schedule of their own.
   * @default - those of `migrationsFolder`
   */
  readonly scheduledViews?: ScheduledView[]
  /**
   * Your topics for mails and for JSON, which environments may share. Subscribe people yourself. Both, and the key of an
   * encrypted one, must let CloudWatch publish (`cloudwatch.amazonaws.com`).
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
   * Your domain of the API: `{ domainName }` of `aws-apigatewayv2`, and perhaps a `mappingKey`. You make its DNS record.
   * @default - the address of API Gateway
   */
  readonly apiDomain?: DomainMappingOptions
  /**
   * Whether the environment has its own dashboard: about 3 USD a month.
   * @default true
   */
  readonly dashboard?: boolean
}

/** Options of an environment in the types of CDK. */
export interface CdkOptions {
  /**
   * How long logs are kept.
   * @default RetentionDays.ONE_MONTH
   */
  readonly logRetention?: RetentionDays
  /**
   * The time between two calls of the monitor, 1 to 60 minutes; `false`: no calls, and no alarms about runs and views.
   * @default Duration.minutes(1)
   */
  readonly monitorEvery?: Duration | false
  /**
   * The time after which you are reminded of incidents that last, 1 to 720 hours; `false`: never.
   * @default Duration.hours(24)
   */
  readonly remindEvery?: Duration | false
  /**
   * The batches that schedules start; `false`: nothing is refreshed by the clock.
   * @default - every view is refreshed each night
   */
  readonly schedules?: CdkScheduleOptions | false
}

/** The batches that schedules start. */
export interface CdkScheduleOptions extends Omit<ScheduleOptions, 'nightly'> {
  /**
   * The daily batch of every view: `ScheduleExpression.cron({ hour: '2', minute: '30', timeZone: TimeZone.EUROPE_BERLIN })`, or
   * `{ at: '02:30', timeZone: 'Europe/Berlin' }`; `false`: there is none.
   * @default - at 02:00, Etc/UTC
   */
  readonly nightly?: ScheduleExpression | NightlyOptions | false
}

/** The options of `viewkeeper.config.ts` that `CdkOptions` says in the types of CDK. */
export type InCdkTypes = 'logRetentionDays' | 'monitorEveryMinutes' | 'remindEveryHours' | 'schedules'

/** A PostgreSQL of your own app: an instance of RDS or a cluster of Aurora, made by the app or imported into it. */
export interface RdsOptions {
  /** The server, not a proxy. Viewkeeper adds one rule to its security group. */
  readonly database: IDatabaseInstance | IDatabaseCluster
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
   * `secret`: a password. `iam`: a token; needs `loginUser` or `adminSecret`, and 300 to 1,000 MiB of the server's memory.
   * The construct switches IAM on for a server of the app.
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
   * The most connections of a role that `migrate` makes.
   * @default - half of the server's `max_connections`
   */
  readonly connectionLimit?: number
  /**
   * The time after which the password changes: `Duration.days(30)`.
   * @default - never
   */
  readonly rotateSecretEvery?: Duration
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
}

/** Viewkeeper on a server of the user's own app. */
export interface ViewkeeperRdsProps extends ViewkeeperCommonProps, RdsOptions {}

/** Viewkeeper on a database that is described by one of Viewkeeper's own constructs, such as `ImportedDatabase`. */
export interface ViewkeeperDatabaseProps extends ViewkeeperCommonProps {
  /** The database. */
  readonly database: Database
}

/** What the construct `Viewkeeper` is told. */
export type ViewkeeperProps = ViewkeeperRdsProps | ViewkeeperDatabaseProps

/** The props as the rest of the construct knows them: options with numbers and strings, and paths. */
export type PlainProps<Props = ViewkeeperProps> = Props extends unknown
  ? Omit<Props, keyof CdkOptions | 'rotateSecretEvery' | 'migrationsFolder'> &
      Pick<ViewkeeperOptions, InCdkTypes> & { migrationsFolder?: string; rotateSecretDays?: number }
  : never

/** What is no whole number is refused later, by the name of its prop. */
const whole = { integral: false }

/** Each prop in a type of CDK: the option that it says, and the unit of that. */
const optionOf: Record<string, { option: string; inUnit?: (time: Duration) => number }> = {
  logRetention: { option: 'logRetentionDays' },
  monitorEvery: { option: 'monitorEveryMinutes', inUnit: (time) => time.toMinutes(whole) },
  remindEvery: { option: 'remindEveryHours', inUnit: (time) => time.toHours(whole) },
  rotateSecretEvery: { option: 'rotateSecretDays', inUnit: (time) => time.toDays(whole) },
}

/** Says the props that are in types of CDK as the options of `viewkeeper.config.ts`. */
export const plain = (props: ViewkeeperProps): PlainProps =>
  Object.fromEntries(
    Object.entries(props).map(([prop, value]) => {
      const { option = prop, inUnit } = optionOf[prop] ?? {}
      if (inUnit && value instanceof Duration) return [option, inUnit(value)]
      if (value instanceof URL) return [option, fileURLToPath(value)]
      return [option, prop === 'schedules' && value ? { ...value, ...nightlyOf(value) } : value]
    }),
  ) as PlainProps

/** A cron of EventBridge that comes once a day. */
const onceADay = /^cron\((\d{1,2}) (\d{1,2}) [*?] \* [*?] \*\)$/

function nightlyOf({ nightly }: CdkScheduleOptions): ScheduleOptions {
  if (!(nightly instanceof ScheduleExpression)) return nightly === undefined ? {} : { nightly }
  const [, minute, hour] = onceADay.exec(nightly.expressionString) ?? []
  // What comes at other times is no time of day, and is refused as such.
  const at = minute && hour ? `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}` : nightly.expressionString
  return { nightly: { at, timeZone: nightly.timeZone?.timezoneName ?? 'Etc/UTC' } }
}

/** What is a construct is not looked into. */
const construct = z.any().optional()

/** The fields that describe a server of aws-rds, besides the server. */
const rdsFields = {
  databaseName: databaseName.optional(),
  vpc: construct,
  vpcSubnets: construct,
  authentication: authentication.default('secret'),
  adminSecret: construct,
  loginSecret: construct,
  loginUser: z.string().min(1).max(63).optional(),
  connectionLimit,
  rotateSecretDays,
  certificateAuthority,
  addSecretsManagerEndpoint: z.boolean().optional(),
}

const schema = z
  .strictObject({
    ...optionFields,
    ...rdsFields,
    environmentName: shortName,
    database: z.custom<ViewkeeperProps['database']>(
      (value) => typeof value === 'object' && value !== null && !('dbProxyName' in value),
      {
        error: ({ input }) =>
          input
            ? 'must be the instance or the cluster itself: a proxy ends a run when the caller leaves'
            : 'is required',
      },
    ),
    migrationsFolder: z
      .string()
      .refine((folder) => existsSync(folder), {
        error: ({ input }) => `there is no folder ${resolve(String(input))}`,
      })
      .optional(),
    schemaFolder: z.string().optional(),
    viewMigrations: z.boolean().optional(),
    scheduledViews: z.array(z.any()).optional(),
    topics: construct,
    pager: construct,
    securityGroup: construct,
    apiDomain: z.object({ domainName: construct, mappingKey: z.string().optional() }).optional(),
    dashboard: z.boolean().optional(),
  } satisfies Record<keyof PlainProps<ViewkeeperRdsProps>, z.ZodType>)
  .refine(hasWhatItRotates, noSecretToRotate)
  .refine(({ authentication: way, loginSecret }) => way === 'secret' || loginSecret === undefined, {
    path: ['loginSecret'],
    message: "must be left out with authentication: 'iam'",
  })
  .refine(({ authentication: way, loginUser }) => way === 'iam' || loginUser === undefined, {
    path: ['loginUser'],
    message: "is only for authentication: 'iam'",
  })
  .refine(({ topics, alarmEmails }) => topics === undefined || alarmEmails.length === 0, {
    path: ['alarmEmails'],
    message: 'must be left out with topics: subscribe the addresses to topics.mail',
  })

/** Whether Viewkeeper works on a server of aws-rds. */
export const isOnRds = (props: PlainProps): props is PlainProps<ViewkeeperRdsProps> =>
  'instanceIdentifier' in props.database || 'clusterIdentifier' in props.database

/**
 * The options in the props, with every default filled in. Refuses props that are not valid: the error lists all mistakes,
 * each with the name of its prop, under the path of the construct.
 */
export function validOptions(path: string, props: PlainProps, said: ViewkeeperProps): ValidOptions {
  const result = schema.safeParse(props, inWords)
  const problems = result.success ? databaseProblems(props) : problemsOf(result.error)
  if (!result.success || problems.length > 0) refuseProps(path, inTheirNames(problems, said))
  return result.data
}

/** The problems under the names of the props that were given. */
const inTheirNames = (problems: string[], said: ViewkeeperProps): string[] =>
  Object.entries(optionOf)
    .filter(([prop]) => prop in said)
    .reduce(
      (lines, [prop, { option }]) => lines.map((line) => line.replace(`${option}:`, `${prop}:`)),
      problems,
    )

function databaseProblems(props: PlainProps): string[] {
  const given = props as unknown as Record<string, unknown>
  if (isOnRds(props))
    return ['databaseName', 'vpc']
      .filter((name) => given[name] === undefined)
      .map((name) => `${name}: is required with an instance or a cluster of aws-rds`)
  const forRds = Object.keys(rdsFields).filter((name) => given[name] !== undefined)
  return forRds.map((name) => `${name}: must be left out, it is only for an instance or a cluster of aws-rds`)
}
