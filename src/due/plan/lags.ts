import type { Definition } from '../../catalog/plan/definition.ts'
import { outsideCircles } from '../../catalog/plan/graph.ts'
import type { ViewStateFacts } from '../../catalog/plan/state.ts'
import { duration } from '../../words/phrases.ts'
import { unknownDuration } from '../../words/run.ts'

/**
 * The shortest target lag, in seconds, that the look of each minute keeps. The change log of an incremental table is asked between two looks, so that
 * its lag may be shorter.
 */
export const lagOfLooks = 120

/** What planning by target lags needs to know of a view. Times are epoch milliseconds, by the clock of the database. */
export interface LagView {
  /** The name as SQL writes it. */
  view: string
  /** How old its data may become; null: its definition has no target lag. */
  lagMs: number | null
  /** The age from which its data are stale; null: nothing says how old they may be. */
  limitMs: number | null
  /** Whether target lags may refresh it: nothing else says when, it is not paused, and it is in the database. */
  follows: boolean
  /** Whether a refresh of it goes on, or waits for its turn in an open batch. */
  busy: boolean
  asOf: number | null
  /** The view that holds `asOf` back. */
  heldBackBy: string | null
  /** Whether nobody can know as of when its data are, even after a refresh: its query goes where nobody can follow. */
  unseen?: boolean
  /** When the run began that has filled it last, or when one ended later that had nothing to do. */
  filledAt: number | null
  usualMs: number | null
  /** How many scheduled refreshes have failed in a row. */
  failures: number
  /** After so many it is suspended; 0: never. */
  suspendAfter: number
  /** The longest time between two refreshes by schedule; null: no schedule refreshes it. */
  intervalMs: number | null
  /** When the last refresh ended, if that was no success. */
  failedAt: number | null
}

/**
 * The facts of views as planning needs them; of those that were read without what planning goes by, none. Looks keep no lag that is left to a
 * change log, only the age of data of which the log says nothing.
 */
export const lagViews = (views: ViewStateFacts[]): LagView[] =>
  views.flatMap(
    ({ view, targetLagSeconds, schedule, pausedSince, missing, aside, asOf, heldBackBy, planned }) =>
      planned === null
        ? []
        : {
            ...planned,
            view,
            lagMs: targetLagSeconds && 1000 * Math.max(targetLagSeconds, planned.byLog ? lagOfLooks : 0),
            follows: schedule === null && pausedSince === null && !missing && aside === null,
            asOf: asOf?.getTime() ?? null,
            heldBackBy,
          },
  )

/** How old target lags let the data of a view become, and the view whose target lag that is; null: its own. */
export interface PromisedLag {
  lagMs: number
  of: string | null
}

/** The promises of target lags, by view: of those that have one, and of what is refreshed along for them. Pure. */
export const promisedLags = (
  views: LagView[],
  dependencies: Map<string, string[]>,
): Map<string, PromisedLag> =>
  new Lags(views, dependencies, { now: 0, everyMs: 0, concurrency: 1 }).promises()

/** One look at what is due. */
interface Look {
  now: number
  /** The time until the next look. */
  everyMs: number
  /** How many views a batch refreshes at once. */
  concurrency: number
}

/** A refresh may take this much longer than usual, and begins this much later than it was planned. */
const margin = 1.25
const overheadMs = 10_000

/** A view that is read is refreshed along if its age takes more than this part of the time that its reader has. */
const oldShare = 0.5

const firstRestMs = 5 * 60_000
const longestRestMs = 24 * 3600_000
const longestTurnMs = 3600_000

/**
 * The views whose refresh has to begin at this look, so that each ends before the data are older than the target lag. What a
 * view reads comes along if its age would break the promise of the view. Nothing is due again while it is refreshed; what
 * failed rests. Several are due together if there would be no time for one after the other. Pure.
 */
export function dueViews(views: LagView[], dependencies: Map<string, string[]>, look: Look): string[] {
  const plan = new Lags(views, dependencies, look)
  const candidates = views.flatMap((each) => plan.candidate(each) ?? [])
  candidates.sort((one, other) => one.startsAt - other.startsAt)
  const together = new Set<string>()
  const due = new Set<string>()
  let workMs = 0
  let counted = 0
  for (const { view, startsAt, deadline, with: group, later, pathMs } of candidates) {
    // A batch has an order of its own. So all that may be due at the same look is thought to come first; the more that is,
    // the earlier it has to begin.
    for (let next = candidates[counted]; next !== undefined; next = candidates[++counted]) {
      if (next.startsAt > startsAt + 2 * look.everyMs + (2 * margin * workMs) / look.concurrency) break
      for (const view of next.with) if (!together.has(view)) workMs += plan.usualOf(view)
      for (const view of next.with) together.add(view)
    }
    // Graham's bound: whatever the order, no way takes longer than itself and its part of all other work.
    const takesMs = pathMs + Math.max(0, workMs - pathMs) / look.concurrency
    // If what it reads is refreshed now, the view would have to wait for that at the next look.
    const waitMs = [...later].some((each) => each !== view && due.has(each))
      ? look.everyMs + leadOf(pathMs)
      : 0
    if (deadline - leadOf(takesMs) <= look.now + look.everyMs + waitMs)
      for (const each of group) due.add(each)
  }
  return [...due].sort()
}

/** A view whose target lag is too short to be kept, and the shortest one that can be. */
export interface ShortLag {
  view: string
  worksMs: number
}

/**
 * The views whose target lag cannot be kept: they and what they read usually take longer, nobody looks often enough, or the
 * refreshes of all views are more than fit into the time. What a paused view holds back is not among them. Pure.
 */
export function shortLags(
  views: LagView[],
  dependencies: Map<string, string[]>,
  look: Omit<Look, 'now'>,
): ShortLag[] {
  const plan = new Lags(views, dependencies, { ...look, now: 0 })
  const busy = plan.load() / look.concurrency
  return views.flatMap(({ view, lagMs, follows }) => {
    if (lagMs === null || !follows) return []
    // The data are as of the begin of a refresh. The next one begins after its end, at a look, and has to end in time.
    const alone = leadOf(2 * plan.pathOf(view)) + look.everyMs
    const needMs = Math.max(alone, busy > 1 ? lagMs * busy : 0)
    return lagMs >= needMs ? [] : [{ view, worksMs: Math.ceil(needMs / 60_000) * 60_000 }]
  })
}

/** The shortest lag that counters of tables leave anything out for, in seconds: they tell what was so a minute ago. */
const shortestCounted = 140

/** That looks so many seconds apart keep no target lag as short as that of a view, or that it leaves nothing out; null: they do. Nobody knows yet how long it takes. */
export function tooShort(
  { targetLagSeconds: lag, schedule, storage, slices, skipUnchanged }: LagOfDefinition,
  everySeconds: number,
): string | null {
  if (lag === null || schedule !== null || (storage === 'table' && slices !== null)) return null
  const shortest = Math.ceil((everySeconds + overheadMs / 1000) / 60) * 60
  if (lag < everySeconds + overheadMs / 1000)
    return `its target lag of ${duration(lag * 1000)} cannot be kept: the monitor looks every ${duration(everySeconds * 1000)}. Write targetLagSeconds: ${shortest} or more, or storage: 'table' and slices`
  return skipUnchanged === true && lag < shortestCounted
    ? `with a target lag of ${duration(lag * 1000)}, no refresh is left out if nothing has changed. Write targetLagSeconds: ${shortestCounted} or more`
    : null
}

type LagOfDefinition = Pick<
  Definition,
  'targetLagSeconds' | 'schedule' | 'storage' | 'slices' | 'skipUnchanged'
>

/**
 * The views whose lag of seconds is not kept, although looks keep theirs: because their logs are not followed, or because a refresh takes more than half of
 * the lag. Pure.
 */
function unfollowed(views: ViewStateFacts[]): ShortLag[] {
  return views.flatMap(({ view, targetLagSeconds, schedule, pausedSince, missing, aside, planned }) => {
    if (!planned?.followed || schedule !== null || pausedSince !== null || missing || aside !== null)
      return []
    const { tookMs, unused, owner } = planned.followed
    const needMs = unused || owner !== null ? lagOfLooks * 1000 : 2 * (tookMs ?? 0)
    return needMs <= (targetLagSeconds ?? lagOfLooks) * 1000
      ? []
      : [{ view, worksMs: Math.ceil(needMs / 1000) * 1000 }]
  })
}

/** A view that scheduled refreshes leave out for a while, because too many have failed in a row. */
export interface Suspended {
  view: string
  failures: number
  /** When it is tried again. */
  until: number
}

/** The views that are suspended, by target lags and by schedules. Pure. */
export function suspendedViews(views: LagView[], dependencies: Map<string, string[]>): Suspended[] {
  const plan = new Lags(views, dependencies, { now: 0, everyMs: 0, concurrency: 1 })
  return views.flatMap((each) => {
    const until = plan.suspendedUntil(each)
    return until === null ? [] : [{ view: each.view, failures: each.failures, until }]
  })
}

/**
 * Which of the named views are older than their target lag, or than their limit if they have none, and which of the named ones that
 * these read have to be refreshed before them. A view of which nothing says how old it may be is always among them. Pure.
 */
export function tooOldViews(
  views: LagView[],
  dependencies: Map<string, string[]>,
  named: Set<string>,
  now: number,
): Set<string> {
  const asked = views.map((each) => {
    const follows = named.has(each.view)
    const lagMs = follows ? (each.lagMs ?? each.limitMs) : null
    return { ...each, follows, lagMs, busy: false, failedAt: null }
  })
  const plan = new Lags(asked, dependencies, { now, everyMs: 0, concurrency: 1 })
  return new Set(asked.flatMap((each) => (each.follows ? plan.tooOld(each) : [])))
}

/** The time before its deadline at which something has to begin that usually takes so long. */
const leadOf = (usualMs: number): number => overheadMs + margin * usualMs

const doubled = (ms: number, times: number): number => ms * 2 ** Math.min(times, 30)

interface LagCandidate {
  view: string
  /** When the data become older than the lag. */
  deadline: number
  /** When the refresh has to begin, if it has the server for itself. */
  startsAt: number
  /** The view, and what has to be refreshed before it. */
  with: Set<string>
  /** The same, as it may be at the next look. */
  later: Set<string>
  /** The usual duration of the longest way through these. */
  pathMs: number
}

class Lags {
  private readonly byName: Map<string, LagView>
  /** What each view reads and may be refreshed along; without views in circles, which no batch can refresh. */
  private readonly reads: Map<string, string[]>
  private readonly look: Look
  /** The lag of each view: the shortest of its own and those of the views that read it. */
  private readonly lags = new Map<string, number>()
  /** The view that has that lag. */
  private readonly whose = new Map<string, string>()
  /** The usual duration of the longest way from above through each view. */
  private readonly paths = new Map<string, number>()
  private readonly unknownMs: number
  private readonly dependencies: Map<string, string[]>
  private readonly reachable = new Map<string, number>()

  constructor(views: LagView[], dependencies: Map<string, string[]>, look: Look) {
    this.byName = new Map(views.map((each) => [each.view, each]))
    this.unknownMs = unknownDuration(views.map(({ usualMs }) => usualMs))
    this.look = look
    this.dependencies = dependencies
    const reads = new Map(
      views.map(({ view }) => [view, (dependencies.get(view) ?? []).filter(this.follows)]),
    )
    const order = outsideCircles(reads)
    this.reads = new Map(order.map((view) => [view, reads.get(view) ?? []]))
    for (const view of order.toReversed()) {
      const own = this.byName.get(view)?.lagMs ?? Infinity
      if (own <= (this.lags.get(view) ?? Infinity)) this.promise(view, own, view)
      const lag = this.lags.get(view)
      if (lag === undefined) continue
      for (const read of this.reads.get(view) ?? [])
        if (lag < (this.lags.get(read) ?? Infinity)) this.promise(read, lag, this.whose.get(view) as string)
    }
    for (const view of order) this.paths.set(view, this.usualOf(view) + this.longest(view, this.paths))
  }

  private promise(view: string, lagMs: number, of: string): void {
    if (lagMs === Infinity) return
    this.lags.set(view, lagMs)
    this.whose.set(view, of)
  }

  promises(): Map<string, PromisedLag> {
    const promised = [...this.lags].filter(([view]) => this.follows(view))
    return new Map(
      promised.map(([view, lagMs]) => {
        const of = this.whose.get(view) as string
        return [view, { lagMs, of: of === view ? null : of }]
      }),
    )
  }

  private follows = (view: string): boolean => this.byName.get(view)?.follows === true

  usualOf = (view: string): number => this.byName.get(view)?.usualMs ?? this.unknownMs

  pathOf = (view: string): number => this.paths.get(view) ?? 0

  /** How much of the time of one refresh after the other all views need together. */
  load(): number {
    const parts = [...this.lags].map(([view, lag]) =>
      this.follows(view) ? (margin * this.usualOf(view)) / lag : 0,
    )
    return parts.reduce((sum, part) => sum + part, 0)
  }

  /**
   * Until when the view is left alone after too many failures in a row: at growing distances, up to its lag or a day. The turns of a
   * schedule may lie closer than its longest gap, so an hour counts at most; half of that is not waited for, as the next turn may
   * come a little early. Null: it is not suspended.
   */
  suspendedUntil({ view, failures, failedAt, suspendAfter, intervalMs }: LagView): number | null {
    const lag = this.lags.get(view)
    const turnMs = lag ?? (intervalMs === null ? null : Math.min(intervalMs, longestTurnMs))
    if (failedAt === null || turnMs === null || suspendAfter === 0 || failures < suspendAfter) return null
    const restMs = Math.min(doubled(turnMs, failures - suspendAfter + 1), Math.max(longestRestMs, turnMs))
    return failedAt + restMs - (lag === undefined ? turnMs / 2 : 0)
  }

  /** What the view needs to be as fresh as promised again; null if it has no promise, or cannot be refreshed now. */
  candidate(view: LagView): LagCandidate | null {
    const { lagMs, busy } = view
    if (lagMs === null || busy || !this.moves(view)) return null
    const { now, everyMs } = this.look
    const group = this.companions(view, lagMs, now)
    if (group === null) return null
    // At the next look more may have to come along, and then there would be no time for it.
    const later = this.companions(view, lagMs, now + everyMs) ?? group
    const ways = new Map<string, number>()
    for (const each of later) ways.set(each, this.usualOf(each) + this.longest(each, ways))
    const freshAt = this.freshAt(view)
    const deadline = freshAt === null ? now : freshAt + lagMs
    const pathMs = ways.get(view.view) ?? 0
    return { view: view.view, deadline, startsAt: deadline - leadOf(pathMs), with: group, later, pathMs }
  }

  /** The view, if it is too old now, after all that it reads and that is too old for it. */
  tooOld(view: LagView): string[] {
    const lagMs = this.lags.get(view.view)
    if (lagMs === undefined) return [view.view]
    const freshAt = this.freshAt(view)
    if (freshAt !== null && this.look.now - freshAt <= lagMs) return []
    return [...(this.companions(view, lagMs, this.look.now) ?? [])]
  }

  /** The view after all that has to be refreshed before it then; null if a refresh that goes on has to end first. */
  private companions({ view }: LagView, lagMs: number, at: number): Set<string> | null {
    const room = lagMs - leadOf(this.pathOf(view))
    const oldMs = Math.min(room * oldShare, room - this.look.everyMs)
    const group = new Set<string>()
    const take = (name: string): boolean => {
      for (const read of this.reads.get(name) ?? []) {
        const above = this.byName.get(read) as LagView
        const freshAt = this.freshAt(above)
        if (group.has(read) || !this.moves(above) || (freshAt !== null && at - freshAt <= oldMs)) continue
        if (above.busy || !take(read)) return false
      }
      group.add(name)
      return true
    }
    return take(view) ? group : null
  }

  /**
   * As of when the data are, if a refresh of the view and of what may come along makes them younger. If not, when it was filled
   * last.
   */
  private freshAt({ view, asOf, heldBackBy, filledAt, unseen }: LagView): number | null {
    if (unseen) return filledAt
    return heldBackBy === null || this.reach(view) > (asOf ?? -Infinity) ? asOf : filledAt
  }

  /**
   * As of when the data would be after that refresh: what target lags do not refresh now holds them back, however far above it
   * is.
   */
  private reach(view: string): number {
    const known = this.reachable.get(view)
    if (known !== undefined) return known
    if (this.byName.get(view)?.unseen) return -Infinity
    const parts = (this.dependencies.get(view) ?? []).map((name) => {
      const read = this.byName.get(name)
      return read !== undefined && this.moves(read) ? this.reach(name) : (read?.asOf ?? -Infinity)
    })
    const at = Math.min(this.look.now, ...parts)
    this.reachable.set(view, at)
    return at
  }

  private moves = (view: LagView): boolean =>
    view.follows && this.reads.has(view.view) && this.look.now >= this.restsUntil(view)

  /** What fails is tried again soon, and later if it goes on to fail. */
  private restsUntil(view: LagView): number {
    const { failures, failedAt } = view
    if (failedAt === null) return 0
    const lag = this.lags.get(view.view) ?? longestRestMs
    return this.suspendedUntil(view) ?? failedAt + Math.min(doubled(firstRestMs, failures - 1), lag)
  }

  private longest = (view: string, ways: Map<string, number>): number =>
    Math.max(0, ...(this.reads.get(view) ?? []).map((read) => ways.get(read) ?? 0))
}

/** What an environment says of its target lags. */
export interface Looks {
  /** Seconds between two looks; null: nobody looks, or the environment refreshes no view by its definition. */
  everySeconds: number | null
  /** How many views a batch refreshes at once. Default: 2. */
  concurrency?: number | undefined
  /** Whether change logs are followed between looks. */
  followsLogs?: boolean | undefined
}

/** How many views a batch refreshes at once, unless said. */
export const usualConcurrency = 2

/** What target lags, and failures in a row, say now. */
interface LagsNow {
  /** The views whose refresh has to begin now, by their names in SQL. */
  due: string[]
  /** Those whose lag cannot be kept. */
  short: ShortLag[]
  /** Those that scheduled refreshes leave out for a while. */
  suspended: Suspended[]
  /** How old the data of each view may become, and for the sake of which view. */
  promised: Map<string, PromisedLag>
}

/** What has to begin now for the sake of target lags, which cannot be kept, and what is suspended. Pure. */
export function lagsOf(
  { now, views: facts }: { now: Date; views: ViewStateFacts[] },
  dependencies: Map<string, string[]>,
  { everySeconds, concurrency = usualConcurrency, followsLogs }: Looks = { everySeconds: null },
): LagsNow {
  const views = lagViews(facts)
  const suspended = suspendedViews(views, dependencies)
  if (everySeconds === null) return { due: [], short: [], suspended, promised: new Map() }
  const look = { now: now.getTime(), everyMs: everySeconds * 1000, concurrency }
  const short = shortLags(views, dependencies, look)
  const isShort = new Set(short.map(({ view }) => view))
  return {
    due: dueViews(views, dependencies, look),
    short: [...short, ...(followsLogs ? unfollowed(facts).filter(({ view }) => !isShort.has(view)) : [])],
    suspended,
    promised: promisedLags(views, dependencies),
  }
}
