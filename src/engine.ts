export { createKeeper, type Keeper, type KeeperOptions } from './api/engine.ts'
export type { CallOptions } from './api/route.ts'
export type { KeeperConfig } from './config/fields.ts'
export type {
  CommonOptions,
  NightlyOptions,
  QuietOptions,
  RetentionOptions,
  ScheduleOptions,
  SharedOptions,
} from './config/options.ts'
export type { Logger } from './keeper/terms.ts'
export type * from './methods.ts'
export type { MigrateReport } from './own-schema/db/apply-steps.ts'
export { codes, Problem, type ProblemCode, type ProblemDetails } from './words/problem.ts'
