import type { Batch } from '../../db/batches/batches.ts'
import { closeLostBatch, findUnadvancedBatches } from '../../db/batches/lost-batches.ts'
import { type EndedRun, publishEndedBatches, publishEndedRuns } from '../../db/monitoring/publish.ts'
import { closeLostRuns } from '../../db/runs/lost-runs.ts'
import type { Database } from '../../db/server/connect.ts'
import { discoverDefinitions } from '../../db/views/definitions.ts'
import type { Schedules } from './schedules.ts'
import { findStaleViews, type StaleView } from './stale-views.ts'

/** Enough for one minute, unless the monitor did not run for days. The next look publishes the rest. */
const atOnce = 1000

/** Publishes what the monitor found. Each function is called at every look, also with an empty list. */
export interface Publisher {
  runs(ended: EndedRun[]): void
  batches(ended: Batch[]): void
  stale(views: StaleView[]): void
}

/** The result of one look. */
export interface Monitored {
  /** Runs closed because their server process is gone. */
  lost: number
  publishedRuns: number
  publishedBatches: number
  stale: StaleView[]
}

/**
 * Closes the runs whose server process is gone and the batches that nobody advances, publishes every run and
 * batch that has ended since the last look, and finds the stale views. Views without a definition get one
 * here, so that a view that is never refreshed is noticed too.
 */
export function monitor(
  database: Database,
  { schedules, publish }: { schedules: Schedules; publish: Publisher },
): Promise<Monitored> {
  return database.withConnection(async (sql) => {
    const lost = await closeLostRuns(sql)
    for (const id of await findUnadvancedBatches(sql)) await closeLostBatch(sql, id)
    const publishedRuns = await publishEndedRuns(sql, atOnce, publish.runs)
    const publishedBatches = await publishEndedBatches(sql, atOnce, publish.batches)
    await discoverDefinitions(sql)
    const stale = await findStaleViews(sql, schedules)
    publish.stale(stale)
    return { lost: lost.length, publishedRuns, publishedBatches, stale }
  })
}
