import type { DomainMappingOptions } from 'aws-cdk-lib/aws-apigatewayv2'
import type { ISecurityGroup } from 'aws-cdk-lib/aws-ec2'
import type { ScheduledView } from '../src/catalog/plan/scheduled.ts'
import type { ViewkeeperOptions } from '../src/config/options.ts'
import type { CdkOptions, InCdkTypes } from './cdk-types.ts'
import type { Database } from './database/database.ts'
import type { RdsOptions } from './database/rds-options.ts'
import type { PeopleTopics } from './monitoring/topics.ts'

/** What Viewkeeper is told, on whatever database. */
export interface ViewkeeperCommonProps extends Omit<ViewkeeperOptions, InCdkTypes>, CdkOptions {
  /**
   * The name of the environment: part of the names that are fixed, and what `--env` takes. It is unique in an account, also
   * across regions, because managed policies have no region. At most 20 lower-case letters, digits and hyphens.
   */
  environmentName: string
  /**
   * The folder of the views' frozen migrations. Several environments may share one. A URL is relative to the file that says
   * it: `new URL('../migrations/', import.meta.url)`.
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
   * A domain of yours that leads to the API, if the API is public: `apiUrl` and the command line use it. Callers sign with IAM
   * all the same.
   * @default - the address that API Gateway makes
   */
  apiDomain?: DomainMappingOptions
  /**
   * Whether the environment has a dashboard of its own, about 3 USD a month beyond the account's first three.
   * @default true
   */
  dashboard?: boolean
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
