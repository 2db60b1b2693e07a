import type { BatchView } from '../../db/batches/batch-views.ts'
import { type Batch, readBatch, stampBatch } from '../../db/batches/batches.ts'
import { cancelBatchRuns, insertRetry, insertSkipped } from '../../db/batches/latest-runs.ts'
import { withOpenedAhead } from '../../db/envelope/open-ahead.ts'
import { closeLostRuns } from '../../db/life/lose.ts'
import { whileListening } from '../../db/server/listen.ts'
import { type BatchNext, planNext } from '../../plan/batches/next.ts'
import { Problem } from '../../problem.ts'
import type { AdvancingBatch } from './advancing.ts'
import { endBatchIfOver } from './end.ts'
import { giveUpUnbuilt, readAllAgain, readGroupsAgain } from './exchange.ts'
import { planAhead } from './plan-ahead.ts'
import { mostAhead, Senders } from './send.ts'
import { makeWake, type Wake } from './wake.ts'

/** The server notifies us of the end of a run. A look finds the rest: a lost run, a due retry, a cancel. */
const lookAgainMs = 500
const stampEveryMs = 10_000

/** Advances a batch: sends what is ready, waits, looks again. Null if the time is up first. */
export async function advanceUntil(advancing: AdvancingBatch): Promise<Batch | null> {
  const { database, batch } = advancing
  const wake = makeWake()
  return withOpenedAhead(database, Math.min(batch.concurrency, mostAhead), (connections) =>
    whileListening(database, wake.ring, async ({ sql, insistOnHearing }) => {
      const ahead = planAhead(sql, batch)
      const senders = new Senders(advancing, { connections, ahead, onAnswer: wake.ring })
      try {
        return await untilEnded(advancing, senders, wake, insistOnHearing)
      } finally {
        await senders.leave()
      }
    }),
  )
}

async function untilEnded(
  advancing: AdvancingBatch,
  senders: Senders,
  wake: Wake,
  insistOnHearing: () => void,
): Promise<Batch | null> {
  const { sql, batch, views, latestRuns, until } = advancing
  const look = makeLook(advancing)
  for (;;) {
    insistOnHearing()
    const current = await look()
    if (current.finishedAt !== null) return current
    await senders.settle()
    const canceled = current.cancelRequestedAt !== null
    if (canceled) await cancelBatchRuns(sql, batch.id)
    const next = planNext(views, latestRuns.latest, advancing.groups)
    if (canceled || next.ended) {
      const ended = await endBatchIfOver(sql, batch.id, views)
      if (ended !== null) return ended
    } else if ((await giveUp(advancing, next)) || (await record(advancing, next))) continue
    if (Date.now() >= until) return null
    if (!canceled && ((await senders.exchange(next)) || (await senders.send(next)))) continue
    await wake.wait(Math.max(0, Math.min(lookAgainMs, senders.pauseMs(), until - Date.now())))
  }
}

/**
 * Makes the function that looks at the batch. At intervals, that function also looks at all runs and stamps
 * the batch.
 */
function makeLook(advancing: AdvancingBatch): () => Promise<Batch> {
  const { sql, batch, latestRuns } = advancing
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
async function giveUp(advancing: AdvancingBatch, { giveUp: groups }: BatchNext<BatchView>): Promise<boolean> {
  const { sql, batch, views, latestRuns } = advancing
  for (const group of groups) {
    const unbuilt = group.members.filter((id) => {
      const run = latestRuns.latest.get(id)
      return run?.status !== 'built' && !run?.built
    })
    await giveUpUnbuilt(sql, batch, views, group, unbuilt)
  }
  if (groups.length === 0) return false
  await readAllAgain(advancing)
  return true
}

/** Records the retries and skips of `next`. True if there were any. */
async function record(
  { sql, batch, latestRuns }: AdvancingBatch,
  { retry, skip }: BatchNext<BatchView>,
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
