import { cancelBatchRuns, followLatestRuns, insertRetry, insertSkipped } from '../record/batches/attempts.ts'
import { giveUpGroup } from '../record/batches/batch-groups.ts'
import { type BatchView, readBatchViews } from '../record/batches/batch-views.ts'
import { type Batch, readBatch, stampBatch } from '../record/batches/batches.ts'
import { withOpenedAhead } from '../run/connections/open-ahead.ts'
import type { Database } from '../server/database.ts'
import { whileListening } from '../server/listen.ts'
import { type BatchError, type BatchStatus, isEnded } from '../words/run.ts'
import { type AdvancingBatch, lookAgainMs, makeLook, readAllAgain } from './advancing.ts'
import { endBatchIfOver } from './end.ts'
import { makeSettle, settleGroups } from './form-groups.ts'
import { type BatchNext, planNext } from './plan/next.ts'
import { Senders } from './send-runs.ts'

/**
 * How far a call has advanced the batch. `idle`: only retries wait, whose time has not come. If the call is repeated often
 * enough, `done` becomes true.
 */
export type Advanced =
  | { batchId: string; done: false; idle?: true }
  | { batchId: string; done: true; status: BatchStatus; error: BatchError | null }

/** How one call advances a batch. */
interface AdvanceOptions {
  database: Database
  /** Epoch milliseconds. */
  until: number
  /** The most runs that this call sends at once, even if the batch's concurrency is higher. */
  mostAtOnce?: number
  /** The most connections that are kept open for runs to come. Default: 2. */
  mostAhead?: number
  /** Whether to return while only retries wait whose time has not come, instead of waiting with them. */
  leaveWhenIdle?: boolean | undefined
  /** Ends the call early, as if the time were up. */
  signal?: AbortSignal | undefined
  /** Is called when this call sees that a run has ended. */
  onRunEnd?: (() => void) | undefined
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
  {
    database,
    until,
    mostAtOnce = Number.POSITIVE_INFINITY,
    mostAhead = 2,
    leaveWhenIdle = false,
    signal,
    onRunEnd,
  }: AdvanceOptions,
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
      const settled = await settleGroups(sql, batch, until)
      if (settled === null) return { batchId, done: false }
      const together = settled.groups.length === 0 ? views : await readBatchViews(sql, batchId)
      const latestRuns = followLatestRuns(sql, batch.id)
      const ahead = Math.min(batch.concurrency, mostAhead)
      const limits = { until, mostAtOnce, ahead, leaveWhenIdle, signal }
      const ended = await work(
        { sql, database, batch, views: together, latestRuns, ...settled, ...limits },
        onRunEnd,
      )
      if (ended === 'gone') return unknown(batchId)
      if (ended === 'idle') return { batchId, done: false, idle: true }
      return ended === null ? { batchId, done: false } : done(ended)
    },
    { deadline: Math.max(until, Date.now()) + leaveWithinMs },
  )
}

const done = ({ id, status, error }: Batch): Advanced => ({ batchId: id, done: true, status, error })

const unknown = (batchId: string): Advanced => ({
  batchId,
  done: true,
  status: 'failed',
  error: { class: 'UnknownBatch', message: `There is no batch ${batchId} in the history.` },
})

/**
 * The batch, if it has ended; `gone` if the history has it no more. Null if the time is up first; `idle` if only retries wait whose
 * time has not come, and the call is not to wait with them.
 */
type AdvancedBatch = Batch | 'gone' | 'idle' | null

/** Goes through the phases of the batch with what they need: connections, the server's notifications, plans made ahead. */
function work(advancing: AdvancingBatch, onRunEnd: () => void = () => {}): Promise<AdvancedBatch> {
  const { database, batch, mostAtOnce, ahead, signal } = advancing
  const wake = makeWake()
  signal?.addEventListener('abort', wake.ring)
  const most = Math.min(batch.concurrency, mostAtOnce) + ahead
  return withOpenedAhead(database, { ahead, most }, (connections) =>
    whileListening(
      database,
      wake.ring,
      async ({ insistOnHearing, leave }) => {
        const senders = new Senders(advancing, {
          connections,
          stopListening: leave,
          onEnd: onRunEnd,
          lookAgain: wake.ring,
        })
        try {
          return await untilEnded(advancing, senders, wake, insistOnHearing)
        } finally {
          await senders.leave()
        }
      },
      advancing.sql,
    ),
  ).finally(() => signal?.removeEventListener('abort', wake.ring)) // the signal is that of the process
}

/**
 * The phases, over and over: look, settle what the server has answered, plan what comes next, then end the batch, or record
 * what needs no run, send what is ready, and wait.
 */
async function untilEnded(
  advancing: AdvancingBatch,
  senders: Senders,
  wake: Wake,
  insistOnHearing: () => void,
): Promise<AdvancedBatch> {
  const { sql, batch, latestRuns, until, signal } = advancing
  const look = makeLook(advancing)
  const settle = makeSettle(advancing)
  for (;;) {
    insistOnHearing()
    const answered = senders.takeAnswered()
    const current = await look()
    if (current === undefined) return 'gone'
    if (current.finishedAt !== null) return current
    await senders.settle(answered)
    const canceled = current.cancelRequestedAt !== null
    if (canceled) await cancelBatchRuns(sql, batch.id)
    if (!canceled) await settle('locked')
    const { views, groups, undecided } = advancing
    const next = planNext(views, latestRuns.latest, groups, undecided)
    if (canceled || next.ended) {
      const ended = await endBatchIfOver(sql, batch.id, views)
      if (ended !== null) return ended
    } else if ((await giveUp(advancing, next)) || (await record(advancing, next))) continue
    if (Date.now() >= until || signal?.aborted) return null
    if (!canceled && (await senders.send(next))) continue
    // So that no place stays empty, the next groups are formed while the last ready views are refreshed.
    if (!canceled && senders.waiting() < batch.concurrency && (await settle('next'))) continue
    if (!canceled && advancing.leaveWhenIdle && isIdle(advancing, next)) return 'idle'
    await wake.wait(Math.max(0, Math.min(lookAgainMs, senders.pauseMs(), until - Date.now())))
  }
}

/** Whether nothing is going on, nor could, but retries whose time has not come. An undecided view has no run. */
function isIdle({ latestRuns, undecided }: AdvancingBatch, { ready }: BatchNext<BatchView>): boolean {
  if (ready.length + undecided.size > 0) return false
  const open = [...latestRuns.latest.values()].filter(({ status }) => !isEnded(status))
  return open.length > 0 && open.every(({ status, due }) => status === 'pending' && !due)
}

/** Gives up the groups of `next` that cannot be exchanged any more. True if there were any. */
async function giveUp(advancing: AdvancingBatch, { giveUp: groups }: BatchNext<BatchView>): Promise<boolean> {
  const { sql, batch, views, latestRuns } = advancing
  for (const group of groups) {
    const isBuilt = (id: number) => {
      const run = latestRuns.latest.get(id)
      return run?.status === 'built' || run?.built
    }
    const unbuilt = views.filter(({ id }) => group.members.includes(id) && !isBuilt(id))
    const names = unbuilt.map(({ view }) => view)
    // If a check holds one member back, none is shown.
    const heldBack = unbuilt.some(({ id }) => latestRuns.latest.get(id)?.class === 'CheckFailed')
    const message =
      unbuilt.length === 0 || group.inPlace
        ? `The ${group.inPlace ? 'refresh in one transaction' : 'exchange'} failed; the runs of the group say why.`
        : `The group was not exchanged, because ${names.join(', ')} ${names.length === 1 ? 'was' : 'were'} not built.${heldBack ? ' A check holds its new data back.' : ''}`
    await giveUpGroup(sql, batch, group, { class: heldBack ? 'CheckFailed' : 'NotExchanged', message })
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

/** A bell to wait for. If it rings before anybody waits, the next wait ends at once. */
interface Wake {
  ring(): void
  /** Waits until the bell rings, but no longer than `ms`. */
  wait(ms: number): Promise<void>
}

export function makeWake(): Wake {
  let rung = false
  let stopWaiting = () => {}
  return {
    ring() {
      rung = true
      stopWaiting()
    },
    async wait(ms) {
      if (!rung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms)
          stopWaiting = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      rung = false
    },
  }
}
