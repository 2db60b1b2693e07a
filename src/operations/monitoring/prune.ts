import {
  prepareCutoffs,
  pruneBatches,
  pruneRange,
  type Retention,
  vacuumHistory,
} from '../../db/monitoring/prune.ts'
import type { Database } from '../../db/server/connect.ts'

/** What pruning came to. `done` is false where the time was up first: the next one goes on. */
export interface Pruned {
  runs: number
  batches: number
  done: boolean
}

const runsAtOnce = 5000
const batchesAtOnce = 500
/** Time kept back for what was begun to end. */
const lastPieceMs = 5000
/** And for a vacuum that is given up to say so. */
const lastWordMs = 1000

/**
 * Removes the history that is not kept, in small transactions that nobody has to wait for, until there is none left or
 * `until` (epoch milliseconds). Whatever ends it half-way, the next one goes on.
 */
export const prune = (database: Database, retention: Retention, until: number): Promise<Pruned> =>
  database.withConnection(
    async (sql) => {
      await prepareCutoffs(sql, retention)
      const isOver = () => Date.now() > until - lastPieceMs
      let runs = 0
      let batches = 0
      for (let from: number | null = 1; from !== null; ) {
        if (isOver()) return { runs, batches, done: false }
        const range = await pruneRange(sql, from, runsAtOnce, retention)
        runs += range.removed
        from = range.next
      }
      for (let removed = batchesAtOnce; removed === batchesAtOnce; ) {
        if (isOver()) return { runs, batches, done: false }
        removed = await pruneBatches(sql, batchesAtOnce, retention)
        batches += removed
      }
      await vacuumHistory(sql, Math.max(until - lastWordMs - Date.now(), 1))
      return { runs, batches, done: true }
    },
    { startUp: { application_name: 'viewkeeper prune', statement_timeout: '60000' }, deadline: until },
  )
