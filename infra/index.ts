/** What `viewkeeper/cdk` exports: Viewkeeper in a CDK app. */

export { type FunctionName, functionNames } from '../src/api/functions.ts'
export { type PolicyName, policyNames } from '../src/api/route.ts'
export type { ScheduledView, ViewTimes } from '../src/catalog/plan/scheduled.ts'
export type {
  CommonOptions,
  NightlyOptions,
  QuietOptions,
  RetentionOptions,
  ScheduleOptions,
} from '../src/config/options.ts'
export { type AlarmName, alarmNames } from '../src/watch/plan/alarms.ts'
export type { Database, IamLogin, Login, SecretLogin } from './database/database.ts'
export type { IViewkeeper, OnViewOptions, ViewkeeperAttributes } from './interface.ts'
export type { AlarmTopics, PeopleTopics } from './monitoring/topics.ts'
export { OptionsError, type RetentionProps, type Server, type ViewkeeperProps } from './props.ts'
export { Viewkeeper } from './viewkeeper.ts'
