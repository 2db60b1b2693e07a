import { mayRetry, type Problem } from '../problem.ts'
import type { OpenedAhead } from '../run/envelope/open-ahead.ts'
import type { BatchConnection, SentEnvelope } from '../run/envelope/run-connection.ts'
import { closeLostRuns } from '../run/life/lose.ts'
import { closeUnclaimed } from '../run/life/unclaimed.ts'
import type { LatestRun } from '../run/plan/turn.ts'
import { runErrorOf } from '../run/record.ts'
import { neverClaimed } from '../run/send.ts'
import { sqlstateOf } from '../server/failures.ts'
import { type AdvancingBatch, readAllAgain } from './advancing.ts'
import { giveUpGroup } from './db/batch-groups.ts'
import type { BatchView } from './db/batch-views.ts'
import type { BatchNext } from './plan/next.ts'
import { ownersWithRivals } from './plan/places.ts'
import type { PlannedAhead } from './plan-ahead.ts'
import { type Prepared, prepareRun, type Sendable } from './prepare.ts'

/** How long a view is left alone if its run came back unclaimed or another run of it is running. */
const leaveAloneMs = 100

/** The same if the view is locked: each look at a locked view takes a tenth of a second. */
const leaveLockedAloneMs = 500

/** If a run still comes back unclaimed this long after the first time, the run has failed. */
const longestUnclaimedMs = 10_000

/** An envelope that was answered, or whose connection broke. */
interface Answered {
  runId: number
  viewId: number
  refused: Problem | undefined
  /** Settles when the session has let go of the run's lock. */
  left: Promise<void>
}

/** Sends the runs of a batch, no more at once than its concurrency. */
export class Senders {
  private readonly advancing: AdvancingBatch
  private readonly connections: OpenedAhead
  private readonly ahead: PlannedAhead
  private readonly onAnswer: () => void
  private readonly sent = new Map<number, SentEnvelope>()
  private readonly answered: Answered[] = []
  /** Until when each view is left alone. */
  private readonly leftAlone = new Map<number, number>()
  private readonly unclaimedSince = new Map<number, number>()
  private readonly lockedSince = new Map<number, number>()

  constructor(
    advancing: AdvancingBatch,
    { connections, ahead, onAnswer }: { connections: OpenedAhead; ahead: PlannedAhead; onAnswer: () => void },
  ) {
    this.advancing = advancing
    this.connections = connections
    this.ahead = ahead
    this.onAnswer = onAnswer
  }

  /** Deals with the envelopes that the server has answered since the last call. */
  async settle(): Promise<void> {
    const { sql, latestRuns } = this.advancing
    for (const { runId, viewId, refused, left } of this.answered.splice(0)) {
      const last = latestRuns.latest.get(viewId)
      if (last?.runId !== runId) continue
      const isFinal = refused !== undefined && !mayRetry(refused.code)
      if (last.status === 'built' && isFinal) await this.giveUpRefused(viewId, refused)
      if (last.status !== 'pending' && last.status !== 'running') continue
      await left
      if (last.status === 'running') await closeLostRuns(sql, { runId })
      else if (isFinal) await closeUnclaimed(sql, runId, runErrorOf(refused))
      else await this.leaveUnclaimed(runId, viewId, refused)
      await latestRuns.refresh()
    }
  }

  /** Sends what is ready, most urgent first, while there is room. True if another call was faster. */
  async send({ ready, running }: BatchNext<BatchView>): Promise<boolean> {
    const { batch, views, latestRuns, mostAtOnce, ahead } = this.advancing
    const onTheirWay = ready.filter(({ pending }) => this.isSent(pending)).length
    let room = Math.min(batch.concurrency - running - onTheirWay, mostAtOnce - this.sent.size)
    const rivals = ownersWithRivals(views, latestRuns.latest)
    const held = Map.groupBy(
      views.filter(({ id }) => this.isUnderway(latestRuns.latest.get(id))),
      ({ owner }) => owner,
    )
    const most = Math.max(1, Math.min(batch.concurrency, mostAtOnce) - 1)
    const next = nextOf(this.advancing)
    this.ahead.expect(room > 0 ? next.filter(({ id }) => id !== ready[0]?.node.id) : next)
    for (const { node, pending } of ready) {
      if (room <= 0) break
      if (this.isLeftAlone(node.id) || this.isSent(pending)) continue
      const theirs = held.get(node.owner) ?? []
      if (rivals.has(node.owner) && theirs.length >= most) continue
      const begun = await this.begin(node, pending)
      if (begun === 'made elsewhere') {
        await latestRuns.reload()
        return true
      }
      if (begun === 'sent') {
        room--
        held.set(node.owner, [...theirs, node])
      } else if (begun === 'ended') this.onAnswer()
      else this.leaveAlone(node.id, begun)
    }
    this.connections.fill(Math.min(ahead, views.length - latestRuns.latest.size))
    return false
  }

  /** Sends the exchanges of groups whose shadows are all built. True if the runs have to be read again. */
  async exchange({ exchange: groups }: BatchNext<BatchView>): Promise<boolean> {
    const { latestRuns, mostAtOnce } = this.advancing
    let again = false
    for (const group of groups) {
      if (this.sent.size >= mostAtOnce) break
      const [first = 0] = group.members
      if (this.isLeftAlone(first) || group.members.some((id) => this.isSent(latestRuns.latest.get(id))))
        continue
      const { prepareExchange } = await import('./groups.ts')
      const prepared = await prepareExchange(this.advancing, group)
      if (prepared === 'given up') again = true
      else if (typeof prepared === 'string') this.leaveAlone(first, prepared)
      else {
        this.leaveAlone(first) // until the claim is seen
        await this.sendOne(prepared.viewId, { run: prepared.runId, work: prepared.work, owner: null })
      }
    }
    if (again) await readAllAgain(this.advancing)
    return again
  }

  /** Milliseconds until the first view that is left alone is due again. */
  pauseMs(): number {
    const now = Date.now()
    for (const [viewId, until] of this.leftAlone) if (until <= now) this.leftAlone.delete(viewId)
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.leftAlone.values()].map((until) => until - now))
  }

  /** Leaves the connection of each envelope: the server goes on by itself. */
  async leave(): Promise<void> {
    await Promise.all([...this.sent.values()].map((envelope) => envelope.leave()))
  }

  private isSent(run: LatestRun | null | undefined): boolean {
    return run != null && this.sent.has(run.runId)
  }

  private isUnderway(run: LatestRun | undefined): boolean {
    return this.isSent(run) || (run?.status === 'running' && !run.follows)
  }

  private isLeftAlone(viewId: number): boolean {
    return Date.now() < (this.leftAlone.get(viewId) ?? 0)
  }

  private leaveAlone(viewId: number, because?: string): void {
    this.leftAlone.set(viewId, Date.now() + (because === 'locked' ? leaveLockedAloneMs : leaveAloneMs))
  }

  /** Prepares the run of a view and sends it. A plan made ahead may not hold any more: then the view is planned now. */
  private async begin(
    node: BatchView,
    pending: LatestRun | null,
  ): Promise<'sent' | Exclude<Prepared, Sendable>> {
    const prepared = await this.prepare(node, pending)
    if (typeof prepared === 'string') return prepared
    return (await this.sendOne(node.id, prepared)) ? 'sent' : this.begin(node, pending)
  }

  private async prepare(node: BatchView, pending: LatestRun | null): Promise<Prepared> {
    const since = this.lockedSince.get(node.id) ?? Date.now()
    const prepared = await prepareRun(this.advancing, node, pending, this.ahead, Date.now() - since)
    if (prepared === 'locked') this.lockedSince.set(node.id, since)
    else this.lockedSince.delete(node.id)
    if (pending !== null && (prepared === 'locked' || prepared === 'in the way'))
      this.unclaimedSince.delete(pending.runId)
    return prepared
  }

  /** False if the run was not recorded. */
  private async sendOne(viewId: number, { run, work, owner }: Sendable): Promise<boolean> {
    const connection = await this.connections.take(owner)
    if (typeof run === 'number') {
      this.follow(viewId, run, connection, connection.send(run, work), owner)
      return true
    }
    const { recorded, ...envelope } = connection.start(work, run)
    try {
      const runId = await recorded
      if (runId !== null) {
        this.follow(viewId, runId, connection, envelope, owner)
        return true
      }
    } catch (error) {
      await this.connections.giveBack(connection, owner)
      if (sqlstateOf(error) !== undefined) throw error
      this.leaveAlone(viewId) // the connection broke: the next look finds the run, if it was recorded
      return true
    }
    await envelope.answered
    await this.connections.giveBack(connection, owner)
    return false
  }

  /** Notes the answer to an envelope when it comes. */
  private follow(
    viewId: number,
    runId: number,
    connection: BatchConnection,
    envelope: SentEnvelope,
    owner: string | null,
  ): void {
    this.sent.set(runId, envelope)
    void envelope.answered.then((refused) => {
      this.sent.delete(runId)
      this.answered.push({ runId, viewId, refused, left: this.connections.giveBack(connection, owner) })
      this.onAnswer()
    })
  }

  /** The run was not claimed. If that does not change soon, the attempt ends. `shortage`: what the server is short of. */
  private async leaveUnclaimed(runId: number, viewId: number, shortage: Problem | undefined): Promise<void> {
    const { sql } = this.advancing
    const since = this.unclaimedSince.get(runId) ?? Date.now()
    this.unclaimedSince.set(runId, since)
    if (Date.now() - since > longestUnclaimedMs)
      await closeUnclaimed(sql, runId, runErrorOf(shortage ?? (await neverClaimed(sql, runId))))
    else this.leaveAlone(viewId)
  }

  /** The exchange is not possible with our rights: the views are refreshed in place. */
  private async giveUpRefused(viewId: number, { code, message }: Problem): Promise<void> {
    const { sql, batch, groups } = this.advancing
    const group = groups.find(({ members }) => members.includes(viewId))
    if (group === undefined) return
    await giveUpGroup(sql, batch, group, { class: code, message })
    await readAllAgain(this.advancing)
  }
}

/**
 * The views that will probably have their turn next. Views that read a view which is being refreshed are left
 * out: a lock on that view may keep them from being read. So are views whose shadows are built: that is planned quickly.
 */
function nextOf({ views, groups, undecided, batch, latestRuns: { latest } }: AdvancingBatch): BatchView[] {
  const grouped = new Set(groups.flatMap(({ members }) => members))
  const isRunning = (id: number) => latest.get(id)?.status === 'running'
  const next: BatchView[] = []
  for (const view of views) {
    if (next.length === 2 * batch.concurrency + 2) break
    const waits = latest.has(view.id) || grouped.has(view.id) || undecided.has(view.id)
    if (!waits && !view.parents.some(isRunning)) next.push(view)
  }
  return next
}
