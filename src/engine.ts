export type { BatchGroup } from './batch/db/batch-groups.ts'
export type { Batch } from './batch/db/batches.ts'
export type { BatchViewState, DetailedBatch } from './batch/read.ts'
export type { BatchRequest } from './batch/start.ts'
export type { Operation, RunError } from './catalog/plan/run.ts'
export type {
  NightlyOptions,
  RetentionOptions,
  ScheduleOptions,
  ViewkeeperOptions,
} from './config/options.ts'
export {
  createKeeper,
  type Keeper,
  type KeeperConfig,
  type KeeperOptions,
  type RequestOptions,
} from './keeper/keeper.ts'
export { codes, Problem, type ProblemCode, type ProblemDetails } from './problem.ts'
export type { Run, RunResponse } from './run/db/runs.ts'
export type { RefreshRequest } from './run/refresh.ts'
export type { Result } from './run/result.ts'
export type { Cause, HeldLock } from './watch/diagnosis/cause.ts'
export type { Standing } from './watch/diagnosis/standing.ts'
export type { Logger } from './watch/log.ts'
export type { Saved } from './watch/plan/saved.ts'
export type { ListedView, Unlisted } from './watch/read.ts'
export type { Why } from './watch/why.ts'
