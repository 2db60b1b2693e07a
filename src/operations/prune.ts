import type { Database } from '../db/connect.ts'
import { prepareCutoffs, pruneBatches, pruneRange, type Retention, vacuumHistory } from '../db/prune.ts'

/** What pruning came to. `done` is false where the time was up first: the next one goes on. */
export interface Pruned {
  runs: number
  batches: number
  done: boolean
}

const runsAtOnce = 5000
/** Time kept back for what was begun to end. */
const lastRangeMs = 5000
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
      let runs = 0
      for (let from: number | null = 1; from !== null; ) {
        if (Date.now() > until - lastRangeMs) return { runs, batches: 0, done: false }
        const range = await pruneRange(sql, from, runsAtOnce, retention)
        runs += range.removed
        from = range.next
      }
      const batches = await pruneBatches(sql, retention)
      await vacuumHistory(sql, Math.max(until - lastWordMs - Date.now(), 1))
      return { runs, batches, done: true }
    },
    { startUp: { application_name: 'viewkeeper prune', statement_timeout: '60000' }, deadline: until },
  )
