/** What `viewkeeper/cdk` exports: Viewkeeper in a CDK app. */

export { type FunctionName, functionNames } from '../src/api/functions.ts'
export { type PolicyName, policyNames } from '../src/api/route.ts'
export type { ScheduledView, ViewTimes } from '../src/catalog/plan/scheduled.ts'
export type { SharedOptions } from '../src/config/options.ts'
export { type AlarmName, alarmNames } from '../src/watch/plan/alarms.ts'
export { DatabaseServer, type DatabaseServerAttributes } from './database/server.ts'
export type { IViewkeeper, OnViewOptions, ViewkeeperAttributes } from './interface.ts'
export type { AlarmTopics, PeopleTopics } from './monitoring/topics.ts'
export type { QuietProps, RetentionProps, ViewkeeperProps } from './props.ts'
export { Viewkeeper } from './viewkeeper.ts'
