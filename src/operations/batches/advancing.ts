import type { BatchView } from '../../db/batches/batch-views.ts'
import type { Batch } from '../../db/batches/batches.ts'
import type { Database, Sql } from '../../db/server/connect.ts'

/** A batch as it is advanced. */
export interface AdvancingBatch {
  sql: Sql
  database: Database
  batch: Batch
  views: BatchView[]
  /** Epoch milliseconds. */
  until: number
  /** The runs that are sent at once, at most, however many the batch may have. */
  mostAtOnce: number
}
