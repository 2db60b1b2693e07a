import { openBatchStatuses, type RunStatus } from '../../catalog/plan/run.ts'

/** A way in which the status of a run changes. A run that has ended never changes its status again. */
export interface Transition {
  from: readonly RunStatus[]
  to: readonly RunStatus[]
  /** What has to hold for the change, in words. The SQL of the transition insists on it. */
  proof: string
}

/** Whether a run or a batch has one of these statuses, as SQL. `row` is what the statement calls its row. */
export const hasStatus = (statuses: readonly RunStatus[], row = 'r'): string =>
  `${row}.status in (${statuses.map((status) => `'${status}'`).join(', ')})`

/** Whether batch `b` has not ended, as SQL. */
export const isOpenBatch = hasStatus(openBatchStatuses, 'b')

/** What every run gets at its end, for `set`. */
export const endsNow = 'plan = null, finished_at = clock_timestamp(), updated_at = clock_timestamp()'
