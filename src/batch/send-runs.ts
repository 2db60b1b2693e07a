import { giveUpGroup } from '../record/batches/batch-groups.ts'
import type { BatchView } from '../record/batches/batch-views.ts'
import { noteRefusal } from '../record/batches/batches.ts'
import type { LatestRun, TogetherGroup } from '../record/plan/batch.ts'
import { closeLostRuns, closeUnclaimed } from '../record/runs/life.ts'
import type { OpenedAhead } from '../run/connections/open-ahead.ts'
import type { SentEnvelope } from '../run/connections/run-connection.ts'
import { neverClaimed, runErrorOf } from '../run/planned-run.ts'
import { mayRetry, type Problem } from '../words/problem.ts'
import { isEnded, type RunStatus } from '../words/run.ts'
import {
  type AdvancingBatch,
  type BundledRun,
  type Prepared,
  readAllAgain,
  type Sendable,
} from './advancing.ts'
import { planBundle } from './plan/bundle.ts'
import { type BatchNext, ownersWithRivals } from './plan/next.ts'
import { prepareBundle, prepareRun } from './prepare.ts'

/** How long a view is left alone if its run came back unclaimed or another run of it is running. */
const leaveAloneMs = 100

/** The same if the view is locked: each look at a locked view takes a tenth of a second. */
const leaveLockedAloneMs = 500

/** If a run still comes back unclaimed this long after the first time, the run has failed. */
const longestUnclaimedMs = 10_000

/** No run of a bundle begins later than this after it was sent: the envelope stops after a second. What is still pending is sent again. */
const bundleOverMs = 1500

/** What a bundle took is at least this part of what was estimated: so one of quick views makes none that is much too long of slow ones. */
const leastPace = 0.1

/** Views whose runs one message executes, or will: they have a place. */
interface Sent {
  views: BatchView[]
  /** The view of an exchange stands for its group. */
  members: number[]
  /** The runs of a bundle by their views, and when they were sent, in epoch milliseconds. */
  bundle?: { runs: Map<number, number>; since: number }
  /** Undefined: nothing was sent. */
  envelope: Promise<SentEnvelope | undefined>
}

/** Frees all other views: another message may execute their runs. */
function keepOnly(sent: Sent, isKept: (viewId: number) => boolean): void {
  sent.views = sent.views.filter(({ id }) => isKept(id))
  sent.members = sent.members.filter(isKept)
}

/** An envelope that was answered, or whose connection broke. */
interface Answered {
  runs: { run: number; viewId: number }[]
  tookMs: number
  refused: Problem | undefined
  /** Settles when the session has let go of the runs' locks. */
  left: Promise<void>
}

type ReadyBatchView = BatchNext<BatchView>['ready'][number]

/** What a message executes. */
type Sending = Prepared | BundledRun[]

interface Needs {
  connections: OpenedAhead
  /** Gives the connection up that hears of ends, so that a run may have one. */
  stopListening: () => Promise<void>
  onEnd: () => void
  lookAgain: () => void
}

/** Sends the runs of a batch, no more at once than its concurrency: what is ready, as far as there are places, after each look. */
export class Senders {
  private readonly advancing: AdvancingBatch
  private readonly needs: Needs
  private readonly sent = new Set<Sent>()
  /** A look that begins afterwards sees how the runs ended. */
  private answered: Answered[] = []
  private ready: ReadyBatchView[] = []
  /** The views that have to be prepared by themselves. */
  private readonly alone = new Set<number>()
  /** Until when each view is left alone. */
  private readonly leftAlone = new Map<number, number>()
  private readonly unclaimedSince = new Map<number, number>()
  private readonly lockedSince = new Map<number, number>()
  /** How long the last bundle took, as a part of what was estimated: that may be of exchanges, before the views were refreshed in place. */
  private pace = 1

  constructor(advancing: AdvancingBatch, needs: Needs) {
    this.advancing = advancing
    this.needs = needs
  }

  /** The envelopes that were answered since the last call: to be settled after the look that begins now. */
  takeAnswered(): Answered[] {
    return this.answered.splice(0)
  }

  /** Deals with the envelopes that the server had answered before the look. */
  async settle(answered: Answered[]): Promise<void> {
    const { sql, latestRuns } = this.advancing
    for (const { runs, tookMs, refused, left } of answered) {
      const isFinal = refused !== undefined && !mayRetry(refused.code)
      const last = runs.flatMap(({ run, viewId }) => {
        const { runId, status } = latestRuns.latest.get(viewId) ?? {}
        return runId === run && status ? { run, viewId, status } : []
      })
      if (runs.length > 1) this.learn(last, tookMs)
      const open = last.filter(({ viewId, status }) => !isEnded(status) && !this.isOurs(viewId)) // else it was sent again
      const unbegun = open.filter(({ status }) => status === 'pending')
      for (const { run, viewId, status } of open) {
        if (status === 'built') {
          if (isFinal) await this.giveUpRefused(viewId, refused)
          continue
        }
        await left
        if (status === 'running') await closeLostRuns(sql, { runId: run })
        else if (runs.length > 1) {
          // The time of the message was over, or it waits for a view before it. If not even one was begun, each is tried by itself.
          if (unbegun.length === runs.length) this.alone.add(viewId)
        } else if (isFinal) await closeUnclaimed(sql, run, runErrorOf(refused))
        else await this.leaveUnclaimed(run, viewId, refused)
      }
      if (open.length > 0) await latestRuns.refresh()
    }
  }

  /** Sends what is ready, most urgent first, while there is room; an exchange needs none. True if the runs have to be looked at again. */
  async send({ ready }: BatchNext<BatchView>): Promise<boolean> {
    const { sql, batch, views, latestRuns } = this.advancing
    const { latest } = latestRuns
    this.ready = ready.filter(({ node }) => !this.isOurs(node.id) && !this.isLeftAlone(node.id))
    /** The views of which somebody else's run is running. */
    const elsewhere = views.filter((view) => !this.isOurs(view.id) && this.isRunning(view))
    const rivals = ownersWithRivals(views, latest)
    for (;;) {
      const next = this.takeNext(elsewhere, rivals)
      if (next === undefined) break
      const { node, pending, exchange } = next
      const group = this.groupOf(node.id)
      const bundle =
        exchange !== undefined ? [node] : group?.inPlace ? this.groupsWith(node) : this.bundleOf(node)
      const preparing = group?.inPlace
        ? this.prepareGroups(bundle)
        : bundle.length > 1
          ? this.prepareTogether(bundle)
          : this.prepare(node, pending)
      const members = exchange?.members ?? bundle.map(({ id }) => id)
      const begun = await this.begin(bundle, members, preparing)
      if (begun === 'made elsewhere') {
        await latestRuns.reload()
        return true
      }
      if (begun === 'alone') this.ready.unshift(next)
      else if (begun === 'ended') {
        this.needs.onEnd()
        this.needs.lookAgain()
      } else if (begun !== undefined || exchange) this.leaveAlone(node.id, begun) // an exchange: until its claim is seen
    }
    await noteRefusal(sql, batch, this.needs.connections.refusal())
    return false
  }

  /** How many views are ready, and wait for a place; not those that are left alone. */
  waiting(): number {
    return this.ready.length
  }

  /** Milliseconds until the first view that is left alone is due again. */
  pauseMs(): number {
    const now = Date.now()
    for (const [viewId, until] of this.leftAlone) if (until <= now) this.leftAlone.delete(viewId)
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.leftAlone.values()].map((until) => until - now))
  }

  /** Leaves the connection of each envelope: the server goes on by itself. */
  async leave(): Promise<void> {
    await Promise.all([...this.sent].map(async ({ envelope }) => (await envelope)?.leave()))
  }

  /** Whether a message works on a view, or will, or has not been settled. */
  private isOurs(viewId: number): boolean {
    return (
      this.answered.some(({ runs }) => runs.some((each) => each.viewId === viewId)) ||
      [...this.sent].some((sent) => sent.members.includes(viewId) && this.mayStillRun(sent, viewId))
    )
  }

  /** Whether the message works on the view, or may yet. It does not if its run has ended, or was not begun in time by its bundle. */
  private mayStillRun({ bundle }: Sent, viewId: number): boolean {
    const run = bundle?.runs.get(viewId)
    const last = this.advancing.latestRuns.latest.get(viewId)
    if (bundle === undefined || run === undefined || last === undefined || last.runId < run) return true
    const isYoung = Date.now() - bundle.since < bundleOverMs
    return last.runId === run && (last.status === 'running' || (last.status === 'pending' && isYoung))
  }

  private isRunning({ id }: BatchView): boolean {
    const last = this.advancing.latestRuns.latest.get(id)
    return last?.status === 'running' && !last.follows
  }

  private isLeftAlone(viewId: number): boolean {
    return Date.now() < (this.leftAlone.get(viewId) ?? 0)
  }

  private leaveAlone(viewId: number, because?: string): void {
    this.leftAlone.set(viewId, Date.now() + (because === 'locked' ? leaveLockedAloneMs : leaveAloneMs))
  }

  /** Whether the run of a view takes a slot: one that waits for a lock has left its own to others. */
  private readonly works = ({ id }: BatchView): boolean => !this.advancing.latestRuns.latest.get(id)?.waits

  /** How many of the messages that we have sent take slots. */
  private working(): number {
    return [...this.sent].filter(({ views }) => views.every(this.works)).length
  }

  /** How many messages may be sent, as long as there are connections. What runs takes a slot, and so does what will. */
  private room(): number {
    const { batch, views, mostAtOnce, ahead } = this.advancing
    const running = views.filter((view) => this.isRunning(view) && this.works(view)).length
    const coming = [...this.sent].filter((each) => !each.views.some((view) => this.isRunning(view))).length
    const slots = Math.min(batch.concurrency - running - coming, mostAtOnce - this.working())
    return Math.min(slots, Math.min(batch.concurrency, mostAtOnce) + ahead - this.sent.size)
  }

  /** Takes what is next: owners with rivals leave one place to them. */
  private takeNext(elsewhere: BatchView[], rivals: Set<BatchView['owner']>): ReadyBatchView | undefined {
    const { batch, mostAtOnce } = this.advancing
    const most = Math.max(1, Math.min(batch.concurrency, mostAtOnce) - 1)
    const ours = [...this.sent].flatMap(({ views }) => (views.every(this.works) ? views.slice(0, 1) : []))
    const has = (owner: BatchView['owner']) =>
      [...elsewhere.filter(this.works), ...ours].filter((view) => view.owner === owner)
    const hasPlace = this.room() > 0
    const next = this.ready.find(({ node, exchange }) =>
      exchange === undefined
        ? hasPlace && (!rivals.has(node.owner) || has(node.owner).length < most)
        : this.working() < mostAtOnce,
    )
    this.ready = this.ready.filter((each) => each !== next)
    return next
  }

  private groupOf(viewId: number): TogetherGroup | undefined {
    return this.advancing.groups.find(({ members }) => members.includes(viewId))
  }

  /** Learns how long views take from a bundle, by those that it has refreshed. */
  private learn(runs: { viewId: number; status: RunStatus }[], tookMs: number): void {
    const estimate = this.estimates()
    const ms = runs.map(({ viewId, status }) => (status === 'success' ? estimate(viewId) : 0))
    const part = tookMs / ms.reduce((sum, each) => sum + each, 0)
    this.pace = Math.max(leastPace, Math.min(1, part))
  }

  /** How long each view usually takes, with its group. */
  private estimates(): (viewId: number) => number {
    const all = new Map(this.advancing.views.map(({ id, estimateMs }) => [id, estimateMs]))
    return (id) =>
      (this.groupOf(id)?.members ?? [id]).reduce((sum, member) => sum + (all.get(member) ?? 0), 0)
  }

  /** The views that stand for the groups which are refreshed in place in the message of this one's. */
  private groupsWith(first: BatchView): BatchView[] {
    const estimate = this.estimates()
    const nodes = [first, ...this.ready.map(({ node }) => node)].flatMap((node) => {
      const isAlone = this.alone.has(node.id) || this.alone.has(first.id)
      if (!this.groupOf(node.id)?.inPlace || (node !== first && isAlone)) return []
      return [{ node, id: node.id, owner: node.owner ?? null, parents: [], estimateMs: estimate(node.id) }]
    })
    const isFree = ({ node }: { node: BatchView }) => node === first || !this.isOurs(node.id)
    const bundle = planBundle(
      nodes[0]!,
      nodes,
      this.advancing.latestRuns.latest,
      isFree,
      this.room(),
      this.pace,
    )
    return bundle.map(({ node }) => node)
  }

  private async prepareGroups(firsts: BatchView[]): Promise<Sending> {
    const { prepareInPlace } = await import('./groups.ts')
    return prepareInPlace(
      this.advancing,
      firsts.flatMap((node) => this.groupOf(node.id) ?? []),
    )
  }

  /** The views that are refreshed in the message of this one. */
  private bundleOf(first: BatchView): BatchView[] {
    const { views, groups, undecided, latestRuns } = this.advancing
    const grouped = new Set(groups.flatMap(({ members }) => members))
    const isFree = ({ id }: BatchView) =>
      !(grouped.has(id) || undecided.has(id) || this.alone.has(id) || this.isLeftAlone(id) || this.isOurs(id))
    return planBundle(first, views, latestRuns.latest, isFree, this.room(), this.pace)
  }

  /** Gives the views a place, and sends their runs. Settles when they were sent, with undefined, or not. */
  private async begin(
    views: BatchView[],
    members: number[],
    preparing: Promise<Sending | 'alone'>,
  ): Promise<Exclude<Prepared, Sendable> | 'alone' | undefined> {
    const { promise, resolve } = Promise.withResolvers<SentEnvelope | undefined>()
    const sent: Sent = { views, members, envelope: promise }
    this.sent.add(sent)
    let envelope: SentEnvelope | undefined
    try {
      const prepared = await preparing
      if (typeof prepared === 'string') return prepared
      const runs = Array.isArray(prepared) ? prepared : [{ ...prepared, viewId: views[0]!.id }]
      if (Array.isArray(prepared)) {
        const bundled = new Set(runs.map(({ viewId }) => viewId))
        keepOnly(sent, (id) => bundled.has(id))
        this.ready = this.ready.filter(({ node }) => !bundled.has(node.id))
      }
      envelope = await this.sendRuns(sent, runs)
      if (envelope === undefined) this.needs.lookAgain()
      return undefined
    } finally {
      resolve(envelope)
      if (envelope === undefined) this.sent.delete(sent)
    }
  }

  /** Notes the runs of the message. Views that an earlier bundle did not begin in time belong to this message now. */
  private noteRuns(sent: Sent, runs: BundledRun[]): void {
    for (const earlier of this.sent)
      if (earlier.bundle !== undefined) keepOnly(earlier, (id) => !sent.members.includes(id))
    if (runs.length > 1)
      sent.bundle = { runs: new Map(runs.map(({ run, viewId }) => [viewId, run])), since: Date.now() }
  }

  private async prepare(node: BatchView, pending: LatestRun | null): Promise<Prepared> {
    const since = this.lockedSince.get(node.id) ?? Date.now()
    const prepared = await prepareRun(this.advancing, node, pending, Date.now() - since)
    if (prepared === 'locked') this.lockedSince.set(node.id, since)
    else this.lockedSince.delete(node.id)
    if (pending !== null && (prepared === 'locked' || prepared === 'in the way'))
      this.unclaimedSince.delete(pending.runId)
    return prepared
  }

  /** `alone`: the first one has to be prepared by itself. */
  private async prepareTogether(views: BatchView[]): Promise<Sending | 'alone'> {
    const runs = await prepareBundle(this.advancing, views)
    const bundled = new Set(runs.map(({ viewId }) => viewId))
    const leftOut = views.filter(({ id }) => !bundled.has(id))
    for (const { id, parents } of leftOut)
      if (!parents.some((parent) => leftOut.some((each) => each.id === parent))) this.alone.add(id)
    if (runs.length > 0) return runs
    this.alone.add(views[0]!.id)
    return 'alone'
  }

  /** Undefined if the server lets no connection in. */
  private async sendRuns(sent: Sent, runs: BundledRun[]): Promise<SentEnvelope | undefined> {
    const owner = runs[0]!.owner
    const connection = await this.needs.connections.take(owner)
    if (connection === undefined) {
      if (this.sent.size === 1) await this.needs.stopListening() // this one alone has a place
      for (const { viewId } of runs) this.leaveAlone(viewId, 'locked')
      return undefined
    }
    this.noteRuns(sent, runs)
    const [{ work: first }, ...others] = runs as [BundledRun, ...BundledRun[]]
    const envelope = connection.send(
      runs.map(({ run }) => run),
      first,
      ...others.map(({ work }) => work),
    )
    const since = performance.now()
    void envelope.answered.then((refused) => {
      const tookMs = performance.now() - since
      const left = this.needs.connections.giveBack(connection, owner)
      this.sent.delete(sent)
      const ids = runs.map(({ run, viewId }) => ({ run, viewId }))
      this.answered.push({ runs: ids, tookMs, refused, left })
      for (const _ of runs) this.needs.onEnd()
      this.needs.lookAgain()
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
    const { sql, batch } = this.advancing
    const group = this.groupOf(viewId)
    if (group === undefined) return
    await giveUpGroup(sql, batch, group, { class: code, message })
    await readAllAgain(this.advancing)
  }
}
