import { dropShadows } from '../batch/db/batch-groups.ts'
import type { Batch } from '../batch/db/batches.ts'
import { writeExpectations } from '../batch/db/intervals.ts'
import { closeLostBatch, findUnadvancedBatches } from '../batch/db/lost-batches.ts'
import { lagsOf } from '../batch/lags.ts'
import { type Looks, type Schedules, scheduledInterval } from '../batch/schedules.ts'
import { discoverDefinitions } from '../catalog/db/discovered.ts'
import { readTroubled } from '../catalog/db/facts.ts'
import { readDependencies } from '../catalog/db/graph.ts'
import { endPauses, readPause } from '../catalog/db/pause.ts'
import { eventsWait, forgetEvents } from '../events/db/outbox.ts'
import { type Telling, usualTelling } from '../events/plan/reminders.ts'
import { type FoundTrouble, findTroubles } from '../events/plan/troubles.ts'
import { closeLostRuns } from '../run/life/lose.ts'
import type { Database } from '../server/connect.ts'
import { mendEnds, noteLook } from './db/looks.ts'
import { type EndedRun, publishEndedBatches, publishEndedRuns } from './db/publish.ts'
import { readLasting } from './db/troubles.ts'
import { type Programs, type PublishTrouble, tellTroubles } from './tell-troubles.ts'

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
  trouble: PublishTrouble
}

/** The result of one look. */
export interface Monitored {
  troubles: FoundTrouble[]
  /** Runs closed because their server process is gone. */
  lost: number
  publishedRuns: number
  publishedBatches: number
  /** Whether events wait for the bus. */
  eventsWait: boolean
  /** How many views have to be refreshed now for the sake of a target lag. */
  due: number
}

/**
 * Ends the pauses whose time is over, mends ends in the future, closes the runs whose server process is gone and the batches that nobody advances, drops the shadows of batches that have
 * ended, publishes every run and batch that has ended since the last look, and finds the views that fail, are stale,
 * missing, set aside or paused for long, and those that are due, if `looks` says how often somebody looks. Views without a definition get one here, so that a
 * view that is never refreshed is noticed too. After an outage, batches have some minutes to be advanced again before they are
 * closed. `programs` null: nothing becomes an event.
 */
export function monitor(
  database: Database,
  {
    schedules,
    publish,
    telling = usualTelling,
    programs = { environment: null },
    looks = { everySeconds: null },
    told = null,
    newestMigration = null,
  }: {
    schedules: Schedules
    publish: Publisher
    telling?: Telling
    programs?: Programs | null
    looks?: Looks | undefined
    /** Whether anybody is told what is found; null: nobody knows. */
    told?: boolean | null | undefined
    /** The number of the newest migration that was deployed; null: nobody knows. */
    newestMigration?: number | null | undefined
  },
): Promise<Monitored> {
  return database.withConnection(async (sql) => {
    await endPauses(sql)
    await mendEnds(sql)
    const absent = Math.max(absentSeconds, telling.apartSeconds)
    const settled = await noteLook(sql, absent, { told, newestMigration })
    const lost = await closeLostRuns(sql)
    if (settled) for (const id of await findUnadvancedBatches(sql)) await closeLostBatch(sql, id)
    await dropShadows(sql)
    const publishedRuns = await publishEndedRuns(sql, atOnce, publish.runs, programs !== null)
    const publishedBatches = await publishEndedBatches(sql, atOnce, publish.batches, programs !== null)
    await discoverDefinitions(sql)
    const before = await readTroubled(sql)
    const isPlanned = before.views.some(({ planned }) => planned !== null)
    const lags = lagsOf(before, isPlanned ? await readDependencies(sql) : new Map(), looks)
    const { short, suspended } = lags
    const due = (await readPause(sql)) === null ? lags.due : []
    const isNew = await writeExpectations(sql, (definition) => ({
      interval: scheduledInterval(definition, schedules),
      promised: lags.promised.get(definition.view),
    }))
    // When a view is stale follows from what is expected of it.
    const facts = isNew ? await readTroubled(sql) : before
    const planned = { lag: short.map(nameOf), suspended: suspended.map(nameOf) }
    const found = findTroubles(facts.views, planned, await readLasting(sql))
    await tellTroubles(sql, found, { readAt: facts.now, telling, programs, publish: publish.trouble })
    if (programs === null) await forgetEvents(sql)
    const wait = programs !== null && (await eventsWait(sql))
    return {
      lost: lost.length,
      publishedRuns,
      publishedBatches,
      eventsWait: wait,
      due: due.length,
      troubles: found,
    }
  })
}

const nameOf = ({ view }: { view: string }): string => view
