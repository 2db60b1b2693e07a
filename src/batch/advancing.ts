import type { LatestRuns } from '../record/batches/attempts.ts'
import { type BatchGroup, readOpenGroups } from '../record/batches/batch-groups.ts'
import type { BatchView } from '../record/batches/batch-views.ts'
import { type Batch, readBatch, stampBatch } from '../record/batches/batches.ts'
import { closeLostRuns } from '../record/runs/life.ts'
import type { RunWork } from '../run/connections/run-connection.ts'
import type { Database, Sql } from '../server/database.ts'

/** The server notifies us of the end of a run. A look finds the rest: a lost run, a due retry, a cancel. */
export const lookAgainMs = 500
const stampEveryMs = 10_000

/** A batch that is being advanced. */
export interface AdvancingBatch {
  sql: Sql
  database: Database
  batch: Batch
  views: BatchView[]
  latestRuns: LatestRuns
  /** The groups that are exchanged together, without those that were given up. */
  groups: BatchGroup[]
  /** The ids of the views on which nothing is decided yet: their turn has not come, or a lock is in the way. */
  undecided: ReadonlySet<number>
  /** Epoch milliseconds. */
  until: number
  /** The most runs to send at once, even if the batch's concurrency is higher. */
  mostAtOnce: number
  /** So many connections are kept open for runs to come. */
  ahead: number
  /** Whether to return while only retries wait whose time has not come. */
  leaveWhenIdle: boolean
  /** Ends the call early, as if the time were up. */
  signal: AbortSignal | undefined
}

/**
 * Makes the function that looks at the batch; undefined if the batch is gone. At intervals, that function also looks at all runs
 * and stamps the batch.
 */
export function makeLook(advancing: AdvancingBatch): () => Promise<Batch | undefined> {
  const { sql, batch, latestRuns } = advancing
  let nextFullLook = Number.NEGATIVE_INFINITY
  let nextStamp = performance.now() + stampEveryMs
  return async () => {
    const now = performance.now() // the clock of the machine may be set back
    if (now >= nextStamp) {
      nextStamp = now + stampEveryMs
      await stampBatch(sql, batch.id)
    }
    const lookAtAll = now >= nextFullLook
    if (lookAtAll) {
      nextFullLook = now + lookAgainMs
      await closeLostRuns(sql, { batchId: batch.id })
    }
    const [current] = await Promise.all([
      readBatch(sql, batch.id),
      lookAtAll ? latestRuns.reload() : latestRuns.refresh(),
      lookAtAll && advancing.groups.length > 0 ? readGroupsAgain(advancing) : undefined,
    ])
    return current
  }
}

/** Reads the groups again: another call may have given up one of them. */
async function readGroupsAgain(advancing: AdvancingBatch): Promise<void> {
  advancing.groups = await readOpenGroups(advancing.sql, advancing.batch.id)
}

/** The same, and all runs. */
export async function readAllAgain(advancing: AdvancingBatch): Promise<void> {
  await Promise.all([readGroupsAgain(advancing), advancing.latestRuns.reload()])
}

/** A recorded run with its plan. `owner`: whose code the run may execute, as SQL writes the role; null: the code of several. */
export interface Sendable {
  run: number
  work: RunWork
  owner: string | null
}

/** A run of a bundle, and the view that it is of, or that stands for its group. */
export type BundledRun = Sendable & { viewId: number }

/** What became of the next attempt at a view. */
export type Prepared =
  | Sendable
  /** Another run of the view is running: prepare again when that run has ended. */
  | 'in the way'
  /** Somebody's exclusive lock keeps the view from being planned: prepare again soon. */
  | 'locked'
  /** The attempt has ended at once: refused or skipped. */
  | 'ended'
  /** Another call has made or claimed the attempt, or the batch does not go on. */
  | 'made elsewhere'
