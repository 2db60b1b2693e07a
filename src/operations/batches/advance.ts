import { setTimeout as pause } from 'node:timers/promises'
import { type BatchGroup, readBatchGroups } from '../../db/batches/batch-groups.ts'
import { type BatchView, readBatchViews } from '../../db/batches/batch-views.ts'
import { type Batch, readBatch, stampBatch } from '../../db/batches/batches.ts'
import { followLatestRuns } from '../../db/batches/latest-runs.ts'
import { StatementRefused } from '../../db/runs/statements.ts'
import type { Database, Sql } from '../../db/server/connect.ts'
import { sqlstateOf } from '../../db/server/failures.ts'
import { mayPass } from '../../db/server/sqlstate.ts'
import type { BatchError } from '../../plan/batches/end.ts'
import type { BatchStatus } from '../../plan/run.ts'
import { advanceUntil } from './advance-until.ts'
import { formGroups } from './form-groups.ts'

/** How far a call has advanced the batch. If the call is repeated often enough, `done` becomes true. */
export type Advanced =
  | { batchId: string; done: false }
  | { batchId: string; done: true; status: BatchStatus; error: BatchError | null }

/** How one call advances a batch. */
interface AdvanceOptions {
  database: Database
  /** Epoch milliseconds. */
  until: number
  /** The most runs that this call sends at once, even if the batch's concurrency is higher. */
  mostAtOnce?: number
}

/** Time after `until` to close everything in good order. */
const leaveWithinMs = 15_000

/**
 * Advances a batch until it has ended or until `until` (epoch milliseconds). Runs that the server
 * still works on go on without us. All state is in the database, so any call may be repeated, killed, or made
 * twice at once. A failed batch is returned, not thrown; a thrown error may pass by itself.
 */
export function advance(
  batchId: string,
  { database, until, mostAtOnce = Number.POSITIVE_INFINITY }: AdvanceOptions,
): Promise<Advanced> {
  return database.withConnection(
    async (sql) => {
      const stamped = stampBatch(sql, batchId)
      const [batch, views] = await Promise.all([
        readBatch(sql, batchId),
        readBatchViews(sql, batchId),
        stamped,
      ])
      if (batch === undefined) return unknown(batchId)
      if (batch.finishedAt !== null) return done(batch)
      const groups = await formedGroups(sql, batch, views, until)
      if (groups === null) return { batchId, done: false }
      const together = groups.length === 0 ? views : await readBatchViews(sql, batchId)
      const latestRuns = followLatestRuns(sql, batch.id)
      const batchNow = { sql, database, batch, views: together, latestRuns, groups, until, mostAtOnce }
      const ended = await advanceUntil(batchNow)
      return ended === null ? { batchId, done: false } : done(ended)
    },
    { deadline: Math.max(until, Date.now()) + leaveWithinMs },
  )
}

/**
 * The groups of the batch, which this or another call decides. A failure that may pass is tried again; if it does not pass
 * soon, the views are refreshed each by itself, and their runs meet its cause themselves. Null if the time is up first.
 */
async function formedGroups(
  sql: Sql,
  batch: Batch,
  views: BatchView[],
  until: number,
): Promise<BatchGroup[] | null> {
  const patientUntil = Date.now() + formingPatienceMs
  for (;;) {
    const isLastTry = Date.now() >= patientUntil
    try {
      if (await formGroups(sql, batch, views, isLastTry)) break
    } catch (error) {
      const sqlstate = sqlstateOf(error instanceof StatementRefused ? error.cause : error)
      if (isLastTry || sqlstate === undefined || !mayPass(sqlstate)) throw error
    }
    if (Date.now() >= until) return null
    await pause(formingPauseMs)
  }
  return (await readBatchGroups(sql, batch.id)).filter(({ givenUp }) => givenUp === null)
}

/** How long the groups of a batch may fail to be formed before its views are refreshed each by itself. */
const formingPatienceMs = 30_000
const formingPauseMs = 100

const done = ({ id, status, error }: Batch): Advanced => ({ batchId: id, done: true, status, error })

const unknown = (batchId: string): Advanced => ({
  batchId,
  done: true,
  status: 'failed',
  error: { class: 'UnknownBatch', message: `There is no batch ${batchId} in the history.` },
})
