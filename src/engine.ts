export type { BatchGroup } from './batch/db/batch-groups.ts'
export type { BatchRun } from './batch/db/batch-runs.ts'
export type { Batch, RefreshedEach, WaitsForLock } from './batch/db/batches.ts'
export type { Selection, SelectionRequest } from './batch/plan/selection.ts'
export type { BatchViewStatus } from './batch/plan/view-order.ts'
export type { BatchViewState, DetailedBatch } from './batch/read.ts'
export type { BatchRequest } from './batch/start.ts'
export type { RowCountStrategy, Strategy } from './catalog/plan/definition.ts'
export type { LastRun, PlannedFacts, Retry, ViewFacts } from './catalog/plan/facts.ts'
export type {
  BatchError,
  BatchStatus,
  Exchange,
  Operation,
  RunError,
  RunStatus,
  Trigger,
} from './catalog/plan/run.ts'
export { exchanges, operations, runStatuses, triggers } from './catalog/plan/run.ts'
export type { ViewTimes } from './catalog/plan/scheduled.ts'
export type { AnyState, Judged } from './catalog/plan/state.ts'
export { states } from './catalog/plan/state.ts'
export type {
  CommonOptions,
  NightlyOptions,
  RetentionOptions,
  ScheduleOptions,
} from './config/options.ts'
export type { KeeperConfig } from './config/serve-options.ts'
export {
  createKeeper,
  type Keeper,
  type KeeperOptions,
  type RequestOptions,
} from './keeper/keeper.ts'
export { codes, Problem, type ProblemCode, type ProblemDetails } from './problem.ts'
export type { Counts } from './rebuild/plan/compare.ts'
export type { MadeCheck } from './rebuild/plan/made-checks.ts'
export type { Run, RunResponse } from './run/db/runs.ts'
export type { TogetherGroup } from './run/plan/turn.ts'
export type { RefreshRequest } from './run/refresh.ts'
export type { Result } from './run/result.ts'
export type { Cause, CauseCode, HeldLock } from './watch/diagnosis/cause.ts'
export { causeTones } from './watch/diagnosis/cause.ts'
export type { NextBy, Standing } from './watch/diagnosis/standing.ts'
export { nextBys } from './watch/diagnosis/standing.ts'
export type { Logger } from './watch/log.ts'
export type { Cost } from './watch/plan/cost.ts'
export type { Saved } from './watch/plan/saved.ts'
export type { Silence } from './watch/plan/silence.ts'
export type { ListedView, Unlisted } from './watch/read.ts'
export type { Why } from './watch/why.ts'
