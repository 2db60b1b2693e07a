import { giveUpGroup } from '../record/batches/batch-groups.ts'
import type { BatchView } from '../record/batches/batch-views.ts'
import { noteRefusal } from '../record/batches/batches.ts'
import type { LatestRun } from '../record/plan/batch.ts'
import { closeLostRuns, closeUnclaimed } from '../record/runs/life.ts'
import type { BatchConnection, OpenedAhead } from '../run/envelope/open-ahead.ts'
import type { SentEnvelope } from '../run/envelope/run-connection.ts'
import { runErrorOf } from '../run/record.ts'
import { neverClaimed } from '../run/send.ts'
import { sqlstateOf } from '../server/failures.ts'
import { mayRetry, type Problem } from '../words/problem.ts'
import { type AdvancingBatch, type Prepared, readAllAgain, type Sendable } from './advancing.ts'
import { type BatchNext, ownersWithRivals } from './plan/next.ts'
import { asPlanned, type PlannedAhead, prepareRun } from './prepare.ts'

/** How long a view is left alone if its run came back unclaimed or another run of it is running. */
const leaveAloneMs = 100

/** The same if the view is locked: each look at a locked view takes a tenth of a second. */
const leaveLockedAloneMs = 500

/** For so long, one run follows the other without a look at the batch. */
const turnMs = 50

/** What is planned ahead lasts for so long. */
const aheadMs = 4 * turnMs

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

/** What the last look has found. */
interface Turn {
  /** Most urgent first; what is begun is taken out. */
  ready: ReadyBatchView[]
  /** The views of which somebody else's run is running. */
  elsewhere: BatchView[]
  /** The owners that leave a place to others. */
  rivals: Set<BatchView['owner']>
  /** The views that others of the batch read. */
  read: Set<number>
  /** Epoch milliseconds. */
  at: number
}

type ReadyBatchView = BatchNext<BatchView>['ready'][number]

/**
 * Sends the runs of a batch, no more at once than its concurrency. When a run has ended, the next view that is ready and planned
 * takes its place at once, without a look at the batch: the record of its run tells whether the batch still goes on.
 */
export class Senders {
  private readonly advancing: AdvancingBatch
  private readonly connections: OpenedAhead
  private readonly ahead: PlannedAhead
  private readonly stopListening: () => Promise<void>
  private readonly onEnd: () => void
  private readonly lookAgain: () => void
  /** By view, the runs that have a place; undefined: nothing was sent. */
  private readonly sent = new Map<number, Promise<SentEnvelope | undefined>>()
  /** By view. A look that begins afterwards sees how the run ended. */
  private readonly answered = new Map<number, Answered>()
  private turn: Turn = { ready: [], elsewhere: [], rivals: new Set(), read: new Set(), at: 0 }
  private over = false
  private failure: unknown
  /** Until when each view is left alone. */
  private readonly leftAlone = new Map<number, number>()
  private readonly unclaimedSince = new Map<number, number>()
  private readonly lockedSince = new Map<number, number>()

  constructor(
    advancing: AdvancingBatch,
    needs: {
      connections: OpenedAhead
      ahead: PlannedAhead
      /** Gives the connection up that hears of ends, so that a run may have one. */
      stopListening: () => Promise<void>
      onEnd: () => void
      lookAgain: () => void
    },
  ) {
    this.advancing = advancing
    this.connections = needs.connections
    this.ahead = needs.ahead
    this.stopListening = needs.stopListening
    this.onEnd = needs.onEnd
    this.lookAgain = needs.lookAgain
  }

  /** The runs that were answered since the last call: to be settled after the look that begins now. */
  takeAnswered(): Answered[] {
    const answered = [...this.answered.values()]
    this.answered.clear()
    return answered
  }

  /** Deals with the envelopes that the server had answered before the look. */
  async settle(answered: Answered[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    const { sql, latestRuns } = this.advancing
    for (const { runId, viewId, refused, left } of answered) {
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

  /** Sends what is ready, most urgent first, while there is room; an exchange needs none. True if the runs have to be looked at again. */
  async send({ ready }: BatchNext<BatchView>): Promise<boolean> {
    const { views, latestRuns, ahead } = this.advancing
    const { latest } = latestRuns
    const isRunning = (run: LatestRun | undefined) => run?.status === 'running' && !run.follows
    this.turn = {
      ready: ready.filter((each) => !this.isOurs(each) && !this.isLeftAlone(each.node.id)),
      elsewhere: views.filter((node) => !this.isOurs({ node }) && isRunning(latest.get(node.id))),
      rivals: ownersWithRivals(views, latest),
      read: new Set(views.flatMap(({ parents }) => parents)),
      at: Date.now(),
    }
    const next = nextOf(this.advancing)
    this.ahead.expect(this.room() > 0 ? next.filter(({ id }) => id !== this.next()?.node.id) : next)
    for (;;) {
      this.sendPlanned()
      const next = this.takeNext()
      if (next === undefined) break
      const { node, pending, exchange } = next
      const begun = await this.begin(node, this.prepare(node, pending))
      if (begun === 'made elsewhere') {
        await latestRuns.reload()
        return true
      }
      if (begun === 'ended') {
        this.onEnd()
        this.lookAgain()
      } else if (begun !== undefined || exchange) this.leaveAlone(node.id, begun) // an exchange: until its claim is seen
    }
    this.connections.fill(Math.min(ahead, views.length - latest.size))
    await noteRefusal(this.advancing.sql, this.advancing.batch, this.connections.refusal())
    return false
  }

  /** How many views are ready, and wait for a place; not those that are left alone. */
  waiting(): number {
    return this.turn.ready.length
  }

  /** Milliseconds until the first view that is left alone is due again. */
  pauseMs(): number {
    const now = Date.now()
    for (const [viewId, until] of this.leftAlone) if (until <= now) this.leftAlone.delete(viewId)
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.leftAlone.values()].map((until) => until - now))
  }

  /** Leaves the connection of each envelope: the server goes on by itself. */
  async leave(): Promise<void> {
    this.over = true
    await Promise.all([...this.sent.values()].map(async (sent) => (await sent)?.leave()))
  }

  private isOurs({ node, exchange }: Pick<ReadyBatchView, 'node' | 'exchange'>): boolean {
    return (exchange?.members ?? [node.id]).some((id) => this.sent.has(id) || this.answered.has(id))
  }

  private isLeftAlone(viewId: number): boolean {
    return Date.now() < (this.leftAlone.get(viewId) ?? 0)
  }

  private leaveAlone(viewId: number, because?: string): void {
    this.leftAlone.set(viewId, Date.now() + (because === 'locked' ? leaveLockedAloneMs : leaveAloneMs))
  }

  /** Whether the run of a view takes a slot: one that waits for a lock has left its own to others. */
  private readonly works = (viewId: number): boolean => !this.advancing.latestRuns.latest.get(viewId)?.waits

  /** How many of the runs that we have sent take slots. */
  private working(): number {
    return [...this.sent.keys()].filter(this.works).length
  }

  /** How many runs may be sent, as long as there are connections. */
  private room(): number {
    const { batch, mostAtOnce, ahead } = this.advancing
    const elsewhere = this.turn.elsewhere.filter(({ id }) => this.works(id)).length
    const slots = Math.min(batch.concurrency - elsewhere, mostAtOnce)
    const connections = Math.min(batch.concurrency, mostAtOnce) + ahead
    return Math.min(slots - this.working(), connections - this.sent.size)
  }

  /** What is next by the last look: owners with rivals leave one place to them. */
  private next(): ReadyBatchView | undefined {
    const { batch, views, mostAtOnce } = this.advancing
    const { ready, rivals, elsewhere } = this.turn
    const most = Math.max(1, Math.min(batch.concurrency, mostAtOnce) - 1)
    const has = (owner: BatchView['owner']) =>
      [...elsewhere, ...views.filter(({ id }) => this.sent.has(id))].filter(
        (view) => view.owner === owner && this.works(view.id),
      )
    const hasPlace = this.room() > 0
    return ready.find(({ node, exchange }) =>
      exchange === undefined
        ? hasPlace && (!rivals.has(node.owner) || has(node.owner).length < most)
        : this.working() < mostAtOnce,
    )
  }

  private takeNext(): ReadyBatchView | undefined {
    const next = this.next()
    this.turn.ready = this.turn.ready.filter((each) => each !== next)
    return next
  }

  /** Sends what is next as long as its plan is made. */
  private sendPlanned(): void {
    while (!this.over && this.failure === undefined) {
      const next = this.next()
      const planned = next && asPlanned(this.advancing, next.node, next.pending, this.ahead)
      if (planned === undefined) return
      this.takeNext()
      this.begin(next!.node, planned).catch((error) => {
        this.failure ??= error
        this.lookAgain()
      })
    }
  }

  /** Gives the view a place, and sends its run. Settles when it was sent, with undefined, or not. */
  private async begin(
    view: BatchView,
    preparing: Prepared | Promise<Prepared>,
  ): Promise<Exclude<Prepared, Sendable> | undefined> {
    const { promise, resolve } = Promise.withResolvers<SentEnvelope | undefined>()
    this.sent.set(view.id, promise)
    let envelope: SentEnvelope | undefined
    try {
      const prepared = await preparing
      if (typeof prepared === 'string') return prepared
      envelope = await this.sendOne(view.id, prepared)
      if (envelope === undefined) this.lookAgain()
      return undefined
    } finally {
      resolve(envelope)
      if (envelope === undefined) this.sent.delete(view.id)
    }
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

  /** Undefined if the run was not recorded: its plan, made ahead, holds no more, or another call was faster. */
  private async sendOne(viewId: number, { run, work, owner }: Sendable): Promise<SentEnvelope | undefined> {
    const connection = await this.connections.take(owner)
    if (connection === undefined) {
      if (this.sent.size === 1) await this.stopListening() // this one alone has a place
      this.leaveAlone(viewId, 'locked')
      return undefined
    }
    if (typeof run === 'number')
      return this.follow(viewId, run, connection, connection.send(run, work), owner)
    const { recorded, ...envelope } = connection.start(work, run)
    try {
      const runId = await recorded
      if (runId !== null) return this.follow(viewId, runId, connection, envelope, owner)
    } catch (error) {
      await this.connections.giveBack(connection, owner)
      if (sqlstateOf(error) !== undefined) throw error
      this.leaveAlone(viewId) // the connection broke: the next look finds the run, if it was recorded
      return undefined
    }
    await envelope.answered
    await this.connections.giveBack(connection, owner)
    return undefined
  }

  /** Notes the answer to an envelope when it comes, and sends what is next. */
  private follow(
    viewId: number,
    runId: number,
    connection: BatchConnection,
    envelope: SentEnvelope,
    owner: string | null,
  ): SentEnvelope {
    void envelope.answered.then((refused) => {
      const left = this.connections.giveBack(connection, owner)
      this.sent.delete(viewId)
      this.answered.set(viewId, { runId, viewId, refused, left })
      this.onEnd()
      // A view that waits for this one may be more urgent than what is ready: a look tells.
      const isAwaited = refused !== undefined || this.turn.read.has(viewId)
      if (!isAwaited) this.sendPlanned()
      if (isAwaited || this.room() > 0 || Date.now() - this.turn.at >= turnMs) this.lookAgain()
    })
    return envelope
  }

  /** The run was not claimed. If that does not change soon, the attempt ends. `shortage`: what the server is short of. */
  private async leaveUnclaimed(runId: number, viewId: number, shortage: Problem | undefined): Promise<void> {
    const { sql } = this.advancing
    const since = this.unclaimedSince.get(runId) ?? Date.now()
    this.unclaimedSince.set(runId, since)
    if (Date.now() - since > longestUnclaimedMs)
      await closeUnclaimed(sql, runId, runErrorOf(shortage ?? neverClaimed()))
    else this.leaveAlone(viewId)
  }

  /** The exchange is not possible with our rights: each view is refreshed by itself. */
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
  let ms = 0
  for (const view of views) {
    if (next.length >= 2 * batch.concurrency + 2 && ms > aheadMs * batch.concurrency) break
    const waits = latest.has(view.id) || grouped.has(view.id) || undecided.has(view.id)
    if (waits || view.parents.some(isRunning)) continue
    next.push(view)
    ms += view.estimateMs
  }
  return next
}
