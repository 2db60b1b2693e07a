import { leaveToCron } from '../catalog/db/discovered.ts'
import type { Database } from '../server/database.ts'
import { pruneActions } from './db/actions.ts'
import { pruneIncidents } from './db/incidents.ts'
import { pruneCosts } from './db/metrics.ts'
import { prepareKept, pruneBatches, pruneRange, vacuumHistory } from './db/prune.ts'
import type { Retention } from './plan/runs.ts'

/** What was pruned. `done` is false if the time was up first; the next prune continues. */
export interface Pruned {
  runs: number
  batches: number
  done: boolean
}

const runsAtOnce = 10_000
const batchesAtOnce = 500
/** Time reserved to finish the piece that was begun. */
const lastPieceMs = 5000
/** Time reserved for the server to answer that it has canceled the vacuum. */
const lastWordMs = 1000

/**
 * Removes the history past its retention, and looks what pg_cron refreshes by now, until nothing is left to remove or until `until` (epoch
 * milliseconds). The transactions are small, so that nobody has to wait for them. The next prune continues,
 * whatever stopped this one.
 */
export const prune = (database: Database, retention: Retention, until: number): Promise<Pruned> =>
  database.withConnection(
    async (sql) => {
      const allFrom = await prepareKept(sql, retention)
      const isOver = () => Date.now() > until - lastPieceMs
      let runs = 0
      let batches = 0
      for (let from: number | null = 1; from !== null; ) {
        if (isOver()) return { runs, batches, done: false }
        const range = await pruneRange(sql, from, runsAtOnce, retention, allFrom)
        runs += range.removed
        from = range.next
      }
      for (let removed = batchesAtOnce; removed === batchesAtOnce; ) {
        if (isOver()) return { runs, batches, done: false }
        removed = await pruneBatches(sql, batchesAtOnce, retention)
        batches += removed
      }
      // A login that may not remove actions or costs is told so, after the vacuum.
      try {
        await leaveToCron(sql)
        await pruneActions(sql, retention.days)
        await pruneCosts(sql)
        await pruneIncidents(sql, retention.days)
      } finally {
        await vacuumHistory(sql, Math.max(until - lastWordMs - Date.now(), 1))
      }
      return { runs, batches, done: true }
    },
    { startUp: { application_name: 'viewkeeper prune', statement_timeout: '60000' }, deadline: until },
  )
