import type { Duration } from 'aws-cdk-lib'
import type { DomainMappingOptions } from 'aws-cdk-lib/aws-apigatewayv2'
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2'
import type { RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IDatabaseCluster, IDatabaseInstance } from 'aws-cdk-lib/aws-rds'
import type { ScheduleExpression } from 'aws-cdk-lib/aws-scheduler'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import type { ScheduledView } from '../src/catalog/plan/scheduled.ts'
import type { NightlyOptions, ScheduleOptions, ViewkeeperOptions } from '../src/config/options.ts'
import type { Database } from './database/database.ts'
import type { PeopleTopics } from './monitoring/topics.ts'

/** What Viewkeeper is told, on whatever database. */
export interface ViewkeeperCommonProps extends Omit<ViewkeeperOptions, InCdkTypes>, CdkOptions {
  /**
   * The name of the environment: part of the names that are fixed, and what `--env` takes. It is unique in an account, also
   * across regions, because managed policies have no region. At most 20 lower-case letters, digits and hyphens.
   */
  environmentName: string
  /**
   * The folder of the views' frozen migrations. Several environments may share one. A path is relative to the folder in which CDK
   * runs, a URL to the file that says it: `new URL('../migrations/', import.meta.url)`. The construct does not read
   * `viewkeeper.config.ts`.
   * @default - `migrations` in the current folder
   */
  migrationsFolder?: string | URL
  /**
   * The folder of the schema steps of schema `viewkeeper`.
   * @default - the folder in this package
   */
  schemaFolder?: string
  /**
   * Whether a deploy applies the views' migrations; `false`: only the schema steps.
   * @default true
   */
  viewMigrations?: boolean
  /**
   * The views that have a schedule of their own.
   * @default - those that `migrationsFolder` leaves with one
   */
  scheduledViews?: ScheduledView[]
  /**
   * Topics of yours for mails and for JSON, which several environments may share. Both let CloudWatch publish
   * (`cloudwatch.amazonaws.com`), because the alarms of last resort go there directly; so does the key of an encrypted topic.
   * Subscribe people to them yourself.
   * @default - new topics, with `alarmEmails` subscribed to the one for mails
   */
  topics?: PeopleTopics
  /**
   * A security group of yours for the functions. Environments in one VPC that share it share their network interfaces, too. It
   * is let in to the server; what goes out of it is yours to say.
   * @default - a security group of the environment's own
   */
  securityGroup?: ISecurityGroup
  /**
   * A domain of yours that leads to the API: `{ domainName }` of `aws-apigatewayv2`, and perhaps a `mappingKey`. `apiUrl`, the
   * parameter and the command line have it. Callers sign with IAM all the same. You make its record of DNS.
   * @default - the address that API Gateway makes
   */
  apiDomain?: DomainMappingOptions
  /**
   * Whether the environment has a dashboard of its own, about 3 USD a month beyond the account's first three.
   * @default true
   */
  dashboard?: boolean
}

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

/** A PostgreSQL of your own app: an instance of RDS or a cluster of Aurora, made by the app or imported into it. */
export interface RdsOptions {
  /**
   * The server. Viewkeeper adds one rule to its security group, and reads its secret. Not a proxy: a proxy ends a run when
   * the caller of the run leaves.
   */
  database: IDatabaseInstance | IDatabaseCluster
  /** Name of the database inside the server. */
  databaseName: string
  /** The network of the functions; they need a route to the server. */
  vpc: IVpc
  /**
   * The subnets of the functions: private ones, in which the functions reach Secrets Manager by a NAT or an endpoint.
   * @default - the private subnets with a way out; without any, the isolated ones
   */
  vpcSubnets?: SubnetSelection
  /**
   * How the functions log in. `secret`: with a password from Secrets Manager. `iam`: with a token that each function signs
   * itself; it needs `loginUser`, or `adminSecret`. The construct switches IAM on for a server of the app. RDS needs 300 to
   * 1,000 MiB of memory for `iam`.
   * @default 'secret'
   */
  authentication?: 'secret' | 'iam'
  /**
   * The `username` and `password` of an administrator, with which `migrate` makes Viewkeeper's role whenever a deploy calls
   * it. With `iam` and PostgreSQL 16 or later, the administrator becomes a member of `rds_iam` by making the role, and RDS may
   * then refuse the administrator's password.
   * @default - the server's own secret; none with `loginSecret` or `iam`
   */
  adminSecret?: ISecret
  /**
   * With `authentication: 'secret'`: the `username` and `password` of the role that Viewkeeper works with. Without
   * `adminSecret`, the role is one that `npx viewkeeper create-role` has made.
   * @default - a new secret, of role `viewkeeper_app_<environmentName>`, which `migrate` makes
   */
  loginSecret?: ISecret
  /**
   * With `authentication: 'iam'`: the role that Viewkeeper works with. Without `adminSecret`, the role is one that
   * `npx viewkeeper create-role --iam` has made.
   * @default - with `adminSecret`: role `viewkeeper_iam_<environmentName>`, which `migrate` makes
   */
  loginUser?: string
  /**
   * The most connections that Viewkeeper's role may open, if `migrate` makes the role; the rest stays for others.
   * @default - half of the server's `max_connections`
   */
  connectionLimit?: number
  /**
   * The time after which the password in the login's secret is changed, 1 to 1000 days: `Duration.days(30)`.
   * @default - never
   */
  rotateSecretEvery?: Duration
  /**
   * PEM text of the authority that signed the server's certificate, at most 2,500 characters.
   * @default - the roots of RDS
   */
  certificateAuthority?: string
  /**
   * Whether the construct adds an interface endpoint of Secrets Manager to `vpc` (about 7.30 USD a month for each zone),
   * which lets in the functions and nobody else. It has no private DNS, so the rest of the VPC does not notice it.
   * @default false
   */
  addSecretsManagerEndpoint?: boolean
}

/** Viewkeeper on a server of the user's own app. */
export interface ViewkeeperRdsProps extends ViewkeeperCommonProps, RdsOptions {}

/** Viewkeeper on a database that is described by one of Viewkeeper's own constructs, such as `ImportedDatabase`. */
export interface ViewkeeperDatabaseProps extends ViewkeeperCommonProps {
  /** The database. */
  database: Database
}

/** What the construct `Viewkeeper` is told. */
export type ViewkeeperProps = ViewkeeperRdsProps | ViewkeeperDatabaseProps
