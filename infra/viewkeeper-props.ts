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
   * The administrator with whom `migrate` makes Viewkeeper's role. With `iam` and PostgreSQL 16 or later, making the role
   * makes the administrator a member of `rds_iam`, and RDS may then refuse its password.
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
