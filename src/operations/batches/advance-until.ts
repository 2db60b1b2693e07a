import type { BatchView } from '../../db/batches/batch-views.ts'
import { type Batch, readBatch, stampBatch } from '../../db/batches/batches.ts'
import {
  type Attempts,
  cancelAttempts,
  followAttempts,
  insertRetry,
  insertSkipped,
} from '../../db/batches/latest-runs.ts'
import { closeLostRuns } from '../../db/runs/lost-runs.ts'
import { withOpenedAhead } from '../../db/runs/open-ahead.ts'
import type { Database, Sql } from '../../db/server/connect.ts'
import { whileListening } from '../../db/server/listen.ts'
import { type BatchSteps, planBatchSteps } from '../../plan/batches/next.ts'
import { Problem } from '../../problem.ts'
import { endBatchIfOver } from './end.ts'
import { planAhead } from './plan-ahead.ts'
import { mostAhead, type Senders, withSenders } from './send.ts'
import { makeWake, type Wake } from './wake.ts'

/** Somebody is told of each end; this is for what tells nobody: a run that is lost, a retry that falls due, a cancel. */
const lookAgainMs = 500
const stampEveryMs = 10_000

/** A batch as it is driven on. */
export interface Drive {
  sql: Sql
  database: Database
  batch: Batch
  views: BatchView[]
  /** Epoch milliseconds. */
  until: number
  /** The runs that are sent at once, at most, however many the batch may have. */
  mostAtOnce: number
}

/** Drives a batch on: does what is to be done, waits for something to happen, and looks again. Null where time is up. */
export async function driveBatch(drive: Drive): Promise<Batch | null> {
  const wake = makeWake()
  return withOpenedAhead(drive.database, Math.min(drive.batch.concurrency, mostAhead), (connections) =>
    whileListening(drive.database, wake.ring, ({ sql, insistOnHearing }) => {
      const ahead = planAhead(sql, drive.batch)
      return withSenders(drive, { connections, ahead }, wake.ring, (senders) =>
        untilEnded(drive, senders, wake, insistOnHearing),
      )
    }),
  )
}

async function untilEnded(
  drive: Drive,
  senders: Senders,
  wake: Wake,
  insistOnHearing: () => void,
): Promise<Batch | null> {
  const { sql, batch, views, until } = drive
  const attempts = followAttempts(sql, batch.id)
  const look = everySoOften(drive, attempts)
  for (;;) {
    insistOnHearing()
    const current = await look()
    if (current.finishedAt !== null) return current
    await senders.settle(attempts)
    const canceled = current.cancelRequestedAt !== null
    if (canceled) await cancelAttempts(sql, batch.id)
    const steps = planBatchSteps(views, attempts.latest)
    if (canceled || steps.ended) {
      const ended = await endBatchIfOver(sql, batch.id, views)
      if (ended !== null) return ended
    } else if (await record(drive, steps, attempts)) continue
    if (Date.now() >= until) return null
    if (!canceled && (await senders.send(steps, attempts))) continue
    await wake.wait(Math.max(0, Math.min(lookAgainMs, senders.pauseMs(), until - Date.now())))
  }
}

/** Looks at what has happened, and now and then also for what nobody tells of; says that we are there. */
function everySoOften({ sql, batch }: Drive, attempts: Attempts): () => Promise<Batch> {
  let all = 0
  let stamp = Date.now() + stampEveryMs
  return async () => {
    const now = Date.now()
    if (now >= stamp) {
      stamp = now + stampEveryMs
      await stampBatch(sql, batch.id)
    }
    const lookAtAll = now >= all
    if (lookAtAll) {
      all = now + lookAgainMs
      await closeLostRuns(sql, { batchId: batch.id })
    }
    const [current] = await Promise.all([
      readBatch(sql, batch.id),
      lookAtAll ? attempts.reload() : attempts.refresh(),
    ])
    if (current === undefined) throw new Problem('UnknownBatch', `Batch ${batch.id} is gone.`)
    return current
  }
}

/** Writes down what is decided already. True where there was any. */
async function record(
  { sql, batch }: Drive,
  { retry, skip }: BatchSteps<BatchView>,
  attempts: Attempts,
): Promise<boolean> {
  for (const { node, ...next } of retry) await insertRetry(sql, batch.id, node, next)
  if (skip.length > 0) {
    await insertSkipped(
      sql,
      batch.id,
      skip.map(({ node, because }) => ({
        id: node.id,
        message: `${because.view} was not refreshed (run ${attempts.latest.get(because.id)?.runId}), and ${node.view} reads it, directly or through others.`,
      })),
    )
  }
  if (retry.length + skip.length === 0) return false
  await attempts.reload()
  return true
}
