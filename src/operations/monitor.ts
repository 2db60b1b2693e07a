import type { Database } from '../db/connect.ts'
import { closeLostBatch, findStaleBatches } from '../db/lost-batches.ts'
import { closeLostRuns } from '../db/lost-runs.ts'
import { type EndedRun, publishEndedRuns } from '../db/publish.ts'
import type { Nightly } from './interval.ts'
import { findStaleViews, type StaleView } from './stale-views.ts'

/** Enough for any minute that was not preceded by days of silence; what is left waits for the next one. */
const atOnce = 1000

/** What a look at everything came to. */
export interface Monitored {
  /** Runs closed because their server process is gone. */
  lost: number
  /** Batches closed because nobody drove them on. */
  lostBatches: number
  published: number
  stale: StaleView[]
}

/**
 * Closes the runs whose server process is gone and the batches that nobody drives on, publishes every run that has ended since the
 * last time, and judges which views are stale.
 */
export function monitor(
  database: Database,
  { nightly, publish }: { nightly: Nightly; publish: (run: EndedRun) => void },
): Promise<Monitored> {
  return database.withConnection(async (sql) => {
    const lost = await closeLostRuns(sql)
    let lostBatches = 0
    for (const id of await findStaleBatches(sql)) if (await closeLostBatch(sql, id)) lostBatches++
    const published = await publishEndedRuns(sql, atOnce, publish)
    return { lost: lost.length, lostBatches, published, stale: await findStaleViews(sql, nightly) }
  })
}
