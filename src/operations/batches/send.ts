import { giveUpGroup } from '../../db/batches/batch-groups.ts'
import type { BatchView } from '../../db/batches/batch-views.ts'
import type { LatestRuns } from '../../db/batches/latest-runs.ts'
import type { OpenedAhead } from '../../db/envelope/open-ahead.ts'
import type { SentEnvelope } from '../../db/envelope/run-connection.ts'
import { closeLostRuns } from '../../db/life/lose.ts'
import { closeUnclaimed } from '../../db/life/refuse.ts'
import type { BatchNext } from '../../plan/batches/next.ts'
import type { Problem } from '../../problem.ts'
import { neverClaimed } from '../runs/never-claimed.ts'
import { runErrorOf } from '../runs/record.ts'
import type { AdvancingBatch } from './advancing.ts'
import { prepareExchange, readGroupsAgain } from './exchange.ts'
import type { PlannedAhead } from './plan-ahead.ts'
import { prepareRun } from './prepare.ts'

/** How long a view is left alone if its run came back unclaimed or another run of it is running. */
const leaveAloneMs = 100

/** The same if the view is locked: each look at a locked view takes a tenth of a second. */
const leaveLockedAloneMs = 500

/** If a run still comes back unclaimed this long after the first time, the run has failed. */
const longestUnclaimedMs = 10_000

/** The most connections that are kept open for runs to come. */
export const mostAhead = 2

/** Sends the runs of a batch, no more at once than its concurrency. */
export interface Senders {
  /** Deals with the envelopes that the server has answered since the last call. */
  settle(latestRuns: LatestRuns): Promise<void>
  /** Sends what is ready, most urgent first, while there is room. True if another call was faster. */
  send(next: BatchNext<BatchView>, latestRuns: LatestRuns): Promise<boolean>
  /** Sends the exchanges of groups whose twins are all built. True if the runs have to be read again. */
  exchange(next: BatchNext<BatchView>, latestRuns: LatestRuns): Promise<boolean>
  /** Milliseconds until the first view that is left alone is due again. */
  pauseMs(): number
}

/** An envelope that was answered, or whose connection broke. */
interface Answered {
  runId: number
  viewId: number
  refused: Problem | undefined
  /** Settles when the envelope's connection is closed. */
  left: Promise<void>
}

/** Calls `work` with senders, then leaves the connection of each envelope: the server goes on by itself. */
export async function withSenders<T>(
  advancing: AdvancingBatch,
  { connections, ahead }: { connections: OpenedAhead; ahead: PlannedAhead },
  onAnswer: () => void,
  work: (senders: Senders) => Promise<T>,
): Promise<T> {
  const { sql, batch, views, mostAtOnce } = advancing
  const sent = new Map<number, SentEnvelope>()
  const answered: Answered[] = []
  const leftAlone = new Map<number, number>()
  const unclaimedSince = new Map<number, number>()
  const lockedSince = new Map<number, number>()

  /** The run was not claimed. If that does not change soon, the attempt ends. */
  const leaveUnclaimed = async (runId: number, viewId: number) => {
    const since = unclaimedSince.get(runId) ?? Date.now()
    unclaimedSince.set(runId, since)
    if (Date.now() - since > longestUnclaimedMs)
      await closeUnclaimed(sql, runId, runErrorOf(await neverClaimed(sql, runId)))
    else leftAlone.set(viewId, Date.now() + leaveAloneMs)
  }

  const settle = async (latestRuns: LatestRuns) => {
    for (const { runId, viewId, refused, left } of answered.splice(0)) {
      const last = latestRuns.latest.get(viewId)
      if (refused !== undefined && last?.runId === runId && last.status === 'built')
        await giveUpRefused(viewId, refused, latestRuns)
      if (last?.runId !== runId || (last.status !== 'pending' && last.status !== 'running')) continue
      await left // until the connection is closed, the session may still hold the run's lock
      if (last.status === 'pending' && refused !== undefined)
        await closeUnclaimed(sql, runId, runErrorOf(refused))
      else if (last.status === 'pending') await leaveUnclaimed(runId, viewId)
      else await closeLostRuns(sql, { runId })
      await latestRuns.refresh()
    }
  }

  const sendOne = async (runId: number, viewId: number, timeoutSeconds: number) => {
    const connection = await connections.take()
    const envelope = connection.send(runId, timeoutSeconds, 'others')
    sent.set(runId, envelope)
    void envelope.answered.then((refused) => {
      sent.delete(runId)
      answered.push({ runId, viewId, refused, left: envelope.leave() })
      onAnswer()
    })
  }

  const send = async ({ ready, running }: BatchNext<BatchView>, latestRuns: LatestRuns) => {
    const onTheirWay = ready.filter(({ pending }) => pending !== null && sent.has(pending.runId)).length
    let room = Math.min(batch.concurrency - running - onTheirWay, mostAtOnce - sent.size)
    const next = nextOf(advancing, latestRuns)
    ahead.expect(room > 0 ? next.filter(({ id }) => id !== ready[0]?.node.id) : next)
    for (const { node, pending } of ready) {
      if (room <= 0) break
      if (Date.now() < (leftAlone.get(node.id) ?? 0) || (pending && sent.has(pending.runId))) continue
      const since = lockedSince.get(node.id) ?? Date.now()
      const prepared = await prepareRun(advancing, node, pending, ahead, Date.now() - since)
      if (prepared === 'locked') lockedSince.set(node.id, since)
      else lockedSince.delete(node.id)
      if (prepared === 'locked' || prepared === 'in the way') {
        leftAlone.set(node.id, Date.now() + (prepared === 'locked' ? leaveLockedAloneMs : leaveAloneMs))
        if (pending !== null) unclaimedSince.delete(pending.runId)
      } else if (prepared === 'made elsewhere') {
        await latestRuns.reload()
        return true
      } else if (prepared === 'ended') {
        onAnswer()
      } else {
        await sendOne(prepared.runId, node.id, prepared.timeoutSeconds)
        room--
      }
    }
    connections.fill(Math.min(batch.concurrency, mostAhead, views.length - latestRuns.latest.size))
    return false
  }

  const exchange = async ({ exchange: groups }: BatchNext<BatchView>, latestRuns: LatestRuns) => {
    let again = false
    for (const group of groups) {
      const runIds = group.members.flatMap((id) => latestRuns.latest.get(id)?.runId ?? [])
      const [first = 0] = group.members
      if (Date.now() < (leftAlone.get(first) ?? 0) || runIds.some((id) => sent.has(id))) continue
      const prepared = await prepareExchange(sql, batch, views, group)
      if (prepared === 'locked' || prepared === 'in the way' || prepared === 'made elsewhere')
        leftAlone.set(first, Date.now() + (prepared === 'locked' ? leaveLockedAloneMs : leaveAloneMs))
      else if (prepared === 'given up') again = true
      else {
        leftAlone.set(first, Date.now() + leaveAloneMs) // until the claim is seen
        await sendOne(prepared.runId, prepared.viewId, prepared.timeoutSeconds)
      }
    }
    if (again) await Promise.all([readGroupsAgain(advancing), latestRuns.reload()])
    return again
  }

  /** The exchange is not possible with our rights: the views are refreshed in place. */
  const giveUpRefused = async (viewId: number, refused: Problem, latestRuns: LatestRuns) => {
    const group = advancing.groups.find(({ members }) => members.includes(viewId))
    if (group === undefined) return
    await giveUpGroup(sql, batch, group, { class: refused.code, message: refused.message })
    await Promise.all([readGroupsAgain(advancing), latestRuns.reload()])
  }

  const pauseMs = () => {
    const now = Date.now()
    for (const [viewId, until] of leftAlone) if (until <= now) leftAlone.delete(viewId)
    return Math.min(Number.POSITIVE_INFINITY, ...[...leftAlone.values()].map((until) => until - now))
  }

  try {
    return await work({ settle, send, exchange, pauseMs })
  } finally {
    await Promise.all([...sent.values()].map(({ leave }) => leave()))
  }
}

/**
 * The views that will probably have their turn next. Views that read a view which is being refreshed are left
 * out: a lock on that view may keep them from being read. So are views whose twins are built: that is planned quickly.
 */
function nextOf({ views, groups, batch }: AdvancingBatch, { latest }: LatestRuns): BatchView[] {
  const grouped = new Set(groups.flatMap(({ members }) => members))
  const isRunning = (id: number) => latest.get(id)?.status === 'running'
  const next: BatchView[] = []
  for (const view of views) {
    if (next.length === 2 * batch.concurrency + 2) break
    if (!latest.has(view.id) && !grouped.has(view.id) && !view.parents.some(isRunning)) next.push(view)
  }
  return next
}
