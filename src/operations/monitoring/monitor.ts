import type { Batch } from '../../db/batches/batches.ts'
import { closeLostBatch, findStaleBatches } from '../../db/batches/lost-batches.ts'
import { type EndedRun, publishEndedBatches, publishEndedRuns } from '../../db/monitoring/publish.ts'
import { closeLostRuns } from '../../db/runs/lost-runs.ts'
import type { Database } from '../../db/server/connect.ts'
import { discoverDefinitions } from '../../db/views/definitions.ts'
import type { Schedules } from './schedules.ts'
import { findStaleViews, type StaleView } from './stale-views.ts'

/** Enough for any minute that was not preceded by days of silence; what is left waits for the next one. */
const atOnce = 1000

/** Tells the world. Each is called at every look, also with nothing to tell. */
export interface Publisher {
  runs(ended: EndedRun[]): void
  batches(ended: Batch[]): void
  stale(views: StaleView[]): void
}

/** What a look at everything came to. */
export interface Monitored {
  /** Runs closed because their server process is gone. */
  lost: number
  publishedRuns: number
  publishedBatches: number
  stale: StaleView[]
}

/**
 * Closes the runs whose server process is gone and the batches that nobody advances, publishes every run and batch that
 * has ended since the last time, and judges which views are stale. Views that nobody has met are met here, so that one
 * which is never refreshed is noticed too.
 */
export function monitor(
  database: Database,
  { schedules, publish }: { schedules: Schedules; publish: Publisher },
): Promise<Monitored> {
  return database.withConnection(async (sql) => {
    const lost = await closeLostRuns(sql)
    for (const id of await findStaleBatches(sql)) await closeLostBatch(sql, id)
    const publishedRuns = await publishEndedRuns(sql, atOnce, publish.runs)
    const publishedBatches = await publishEndedBatches(sql, atOnce, publish.batches)
    await discoverDefinitions(sql)
    const stale = await findStaleViews(sql, schedules)
    publish.stale(stale)
    return { lost: lost.length, publishedRuns, publishedBatches, stale }
  })
}
