import { dropTwins } from '../../db/batches/batch-groups.ts'
import type { Batch } from '../../db/batches/batches.ts'
import { closeLostBatch, findUnadvancedBatches } from '../../db/batches/lost-batches.ts'
import { closeLostRuns } from '../../db/life/lose.ts'
import { type StaleView, type Troubled, tellTroubles } from '../../db/monitoring/ages.ts'
import { readFailingViews } from '../../db/monitoring/failing.ts'
import { writeIntervals } from '../../db/monitoring/intervals.ts'
import { noteLook } from '../../db/monitoring/look.ts'
import { type EndedRun, publishEndedBatches, publishEndedRuns } from '../../db/monitoring/publish.ts'
import type { Database } from '../../db/server/connect.ts'
import { discoverDefinitions } from '../../db/views/definitions.ts'
import { type Telling, type Trouble, usualTelling } from '../../plan/monitoring/telling.ts'
import { type Schedules, scheduledInterval } from './schedules.ts'

/** The monitor was away if its last look is longer ago than this, and than its telling lets expect. */
const absentSeconds = 10 * 60

/** Enough for one minute, unless the monitor did not run for days. The next look publishes the rest. */
const atOnce = 1000

/**
 * Publishes what the monitor found. Each function is called at every look, also with an empty list. `told` are the names
 * that people have to be told of: what is new since the last look, or is due for a reminder.
 */
export interface Publisher {
  runs(ended: EndedRun[]): void
  batches(ended: Batch[]): void
  failing(views: string[]): void
  trouble(trouble: Trouble, views: (StaleView | string)[], told: string[]): void
}

/** The result of one look. */
export interface Monitored extends Troubled {
  /** Runs closed because their server process is gone. */
  lost: number
  publishedRuns: number
  publishedBatches: number
}

/**
 * Closes the runs whose server process is gone and the batches that nobody advances, drops the twins of batches that have
 * ended, publishes every run and batch that has ended since the last look, and finds the views that fail, are stale,
 * missing or set aside for long. Views without a definition get one here, so that a view that is never refreshed is noticed too. After
 * an outage, batches have some minutes to be advanced again before they are closed.
 */
export function monitor(
  database: Database,
  {
    schedules,
    publish,
    telling = usualTelling,
  }: { schedules: Schedules; publish: Publisher; telling?: Telling },
): Promise<Monitored> {
  return database.withConnection(async (sql) => {
    const lost = await closeLostRuns(sql)
    if (await noteLook(sql, Math.max(absentSeconds, telling.apartSeconds)))
      for (const id of await findUnadvancedBatches(sql)) await closeLostBatch(sql, id)
    await dropTwins(sql)
    const publishedRuns = await publishEndedRuns(sql, atOnce, publish.runs)
    const publishedBatches = await publishEndedBatches(sql, atOnce, publish.batches)
    await discoverDefinitions(sql)
    await writeIntervals(sql, (definition) => scheduledInterval(definition, schedules))
    publish.failing(await readFailingViews(sql))
    const found = await tellTroubles(sql, telling, publish.trouble)
    return { lost: lost.length, publishedRuns, publishedBatches, ...found }
  })
}
