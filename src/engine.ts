export type { DetailedBatch } from './batch/read.ts'
export {
  createKeeper,
  type Keeper,
  type KeeperConfig,
  type KeeperOptions,
  type StartOptions,
} from './keeper/keeper.ts'
export { Problem, type ProblemCode } from './problem.ts'
export type { Result } from './run/result.ts'
export type { Logger } from './watch/log.ts'
export type { ListedView } from './watch/read.ts'
export type { Why } from './watch/why.ts'
