import type { BatchView } from '../../db/batches/batch-views.ts'
import { type Batch, readBatch, stampBatch } from '../../db/batches/batches.ts'
import {
  cancelBatchRuns,
  followLatestRuns,
  insertRetry,
  insertSkipped,
  type LatestRuns,
} from '../../db/batches/latest-runs.ts'
import { withOpenedAhead } from '../../db/envelope/open-ahead.ts'
import { closeLostRuns } from '../../db/life/lose.ts'
import { whileListening } from '../../db/server/listen.ts'
import { type BatchNext, planNext } from '../../plan/batches/next.ts'
import { Problem } from '../../problem.ts'
import type { AdvancingBatch } from './advancing.ts'
import { endBatchIfOver } from './end.ts'
import { giveUpUnbuilt, readGroupsAgain } from './exchange.ts'
import { planAhead } from './plan-ahead.ts'
import { mostAhead, type Senders, withSenders } from './send.ts'
import { makeWake, type Wake } from './wake.ts'

/** The server notifies us of the end of a run. A look finds the rest: a lost run, a due retry, a cancel. */
const lookAgainMs = 500
const stampEveryMs = 10_000

/** Advances a batch: sends what is ready, waits, looks again. Null if the time is up first. */
export async function advanceUntil(advancing: AdvancingBatch): Promise<Batch | null> {
  const wake = makeWake()
  return withOpenedAhead(
    advancing.database,
    Math.min(advancing.batch.concurrency, mostAhead),
    (connections) =>
      whileListening(advancing.database, wake.ring, ({ sql, insistOnHearing }) => {
        const ahead = planAhead(sql, advancing.batch)
        return withSenders(advancing, { connections, ahead }, wake.ring, (senders) =>
          untilEnded(advancing, senders, wake, insistOnHearing),
        )
      }),
  )
}

async function untilEnded(
  advancing: AdvancingBatch,
  senders: Senders,
  wake: Wake,
  insistOnHearing: () => void,
): Promise<Batch | null> {
  const { sql, batch, views, until } = advancing
  const latestRuns = followLatestRuns(sql, batch.id)
  const look = makeLook(advancing, latestRuns)
  for (;;) {
    insistOnHearing()
    const current = await look()
    if (current.finishedAt !== null) return current
    await senders.settle(latestRuns)
    const canceled = current.cancelRequestedAt !== null
    if (canceled) await cancelBatchRuns(sql, batch.id)
    const next = planNext(views, latestRuns.latest, advancing.groups)
    if (canceled || next.ended) {
      const ended = await endBatchIfOver(sql, batch.id, views)
      if (ended !== null) return ended
    } else if ((await giveUp(advancing, next, latestRuns)) || (await record(advancing, next, latestRuns)))
      continue
    if (Date.now() >= until) return null
    if (!canceled && (await senders.exchange(next, latestRuns))) continue
    if (!canceled && (await senders.send(next, latestRuns))) continue
    await wake.wait(Math.max(0, Math.min(lookAgainMs, senders.pauseMs(), until - Date.now())))
  }
}

/**
 * Makes the function that looks at the batch. At intervals, that function also looks at all runs and stamps
 * the batch.
 */
function makeLook(advancing: AdvancingBatch, latestRuns: LatestRuns): () => Promise<Batch> {
  const { sql, batch } = advancing
  let nextFullLook = 0
  let nextStamp = Date.now() + stampEveryMs
  return async () => {
    const now = Date.now()
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
    if (current === undefined) throw new Problem('UnknownBatch', `Batch ${batch.id} is gone.`)
    return current
  }
}

/** Gives up the groups of `next` that cannot be exchanged any more. True if there were any. */
async function giveUp(
  advancing: AdvancingBatch,
  { giveUp: groups }: BatchNext<BatchView>,
  latestRuns: LatestRuns,
): Promise<boolean> {
  const { sql, batch, views } = advancing
  for (const group of groups) {
    const unbuilt = group.members.filter((id) => {
      const run = latestRuns.latest.get(id)
      return run?.status !== 'built' && !run?.built
    })
    await giveUpUnbuilt(sql, batch, views, group, unbuilt)
  }
  if (groups.length === 0) return false
  await Promise.all([readGroupsAgain(advancing), latestRuns.reload()])
  return true
}

/** Records the retries and skips of `next`. True if there were any. */
async function record(
  { sql, batch }: AdvancingBatch,
  { retry, skip }: BatchNext<BatchView>,
  latestRuns: LatestRuns,
): Promise<boolean> {
  for (const { node, ...next } of retry) await insertRetry(sql, batch.id, node, next)
  if (skip.length > 0) {
    await insertSkipped(
      sql,
      batch.id,
      skip.map(({ node, because }) => ({
        id: node.id,
        attempt: latestRuns.latest.get(node.id)?.attempt ?? 1,
        message: `${because.view} was not refreshed (run ${latestRuns.latest.get(because.id)?.runId}), and ${node.view} reads it, directly or through other views.`,
      })),
    )
  }
  if (retry.length + skip.length === 0) return false
  await latestRuns.reload()
  return true
}
