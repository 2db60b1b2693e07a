import type { BatchGroup } from '../../db/batches/batch-groups.ts'
import type { BatchView } from '../../db/batches/batch-views.ts'
import type { Batch } from '../../db/batches/batches.ts'
import type { LatestRuns } from '../../db/batches/latest-runs.ts'
import type { Database, Sql } from '../../db/server/connect.ts'

/** A batch that is being advanced. */
export interface AdvancingBatch {
  sql: Sql
  database: Database
  batch: Batch
  views: BatchView[]
  latestRuns: LatestRuns
  /** The groups that are exchanged together, without those that were given up. */
  groups: BatchGroup[]
  /** Epoch milliseconds. */
  until: number
  /** The most runs to send at once, even if the batch's concurrency is higher. */
  mostAtOnce: number
}
