import { cancelBatch } from '../../../src/batch/end.ts'
import { listOpenBatches } from '../../../src/batch/read-batches.ts'
import type { Database } from '../../../src/server/database.ts'
import { callOn } from '../servers/database.ts'

/** Cancels every batch that is open, as a file's tests leave them. */
export async function cancelOpenBatches(database: Database): Promise<void> {
  for (const { id } of await listOpenBatches(database)) await cancelBatch(id, callOn(database))
}
