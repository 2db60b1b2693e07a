import type { Database } from '../db/connect.ts'
import { closeLostBatch, findStaleBatches } from '../db/lost-batches.ts'
import { closeLostRuns } from '../db/lost-runs.ts'
import { publishEndedRuns } from '../db/publish.ts'
import type { Run } from '../db/runs.ts'

/** Enough for any minute that was not preceded by days of silence; what is left waits for the next one. */
const atOnce = 1000

/** Closes the runs whose server process is gone, and the batches that nobody drives on, and publishes every run that has ended since the last time. */
export function monitor(
  database: Database,
  publish: (run: Run) => void,
): Promise<{ lost: number; published: number }> {
  return database.withConnection(async (sql) => {
    const lost = await closeLostRuns(sql)
    for (const id of await findStaleBatches(sql)) await closeLostBatch(sql, id)
    const published = await publishEndedRuns(sql, atOnce, publish)
    return { lost: lost.length, published }
  })
}
