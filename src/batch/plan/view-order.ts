import type { RunStatus } from '../../catalog/plan/run.ts'

/** How a view of a batch stands: `waiting` before its first run, `pruned` if the history no longer has the run. */
export type BatchViewStatus = RunStatus | 'waiting' | 'pruned'

/** The most telling first: what went wrong, what goes on, what waits, what is done. */
export const batchViewOrder: readonly BatchViewStatus[] = [
  'failed',
  'running',
  'built',
  'canceled',
  'pending',
  'waiting',
  'skipped',
  'success',
  'pruned',
]
