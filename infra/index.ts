/** What `viewkeeper/cdk` exports: Viewkeeper in a CDK app of one's own. */

export { type FunctionName, functionNames } from '../src/api/functions.ts'
export { type PolicyName, policyNames } from '../src/api/route.ts'
export type { ScheduledView, ViewTimes } from '../src/catalog/plan/scheduled.ts'
export type {
  CommonOptions,
  CreatedDatabaseOptions,
  EnvironmentOptions,
  ImportedDatabaseOptions,
  ImportedVpcOptions,
  NightlyOptions,
  QuietOptions,
  RetentionOptions,
  ScheduleOptions,
  ViewkeeperOptions,
} from '../src/config/options.ts'
export { type AlarmName, alarmNames } from '../src/watch/plan/alarms.ts'
export type { Database, IamLogin, Login, SecretLogin, SecretRotationOptions } from './database/database.ts'
export { ImportedDatabase } from './database/imported-database.ts'
export type { OnViewOptions } from './functions/sending.ts'
export type { AlarmTopics, PeopleTopics } from './monitoring/topics.ts'
export { OptionsError } from './options.ts'
export type {
  CdkOptions,
  CdkScheduleOptions,
  InCdkTypes,
  RdsOptions,
  ViewkeeperCommonProps,
  ViewkeeperDatabaseProps,
  ViewkeeperProps,
  ViewkeeperRdsProps,
} from './props.ts'
export { Viewkeeper } from './viewkeeper.ts'
export type { Granted } from './viewkeeper-base.ts'
export { ViewkeeperBase } from './viewkeeper-base.ts'
export {
  type DeployContext,
  type DeployEnvironmentsProps,
  deployEnvironments,
  ViewkeeperStack,
  type ViewkeeperStackProps,
} from './viewkeeper-stack.ts'
