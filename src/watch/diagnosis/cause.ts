import { viewsAbove } from '../../catalog/plan/graph.ts'
import { type AnyState, isLeftOut, stateOf, type ViewStateFacts } from '../../catalog/plan/state.ts'
import type { BatchFacts, HeldLock, RunFacts, Uncounted } from '../../record/plan/watch.ts'
import { literal } from '../../sql/names.ts'
import type { CauseCode } from '../../words/causes.ts'
import type { CommandTarget } from '../../words/commands.ts'
import { names } from '../../words/phrases.ts'

/** One cause, for people. */
export interface Cause {
  code: CauseCode
  /** One or two sentences. */
  text: string
  /** What to type: a command line or SQL; null if nothing helps. */
  next: string | null
  /** The view that has the cause, if it is another one. */
  view?: string
  /** With code `Upstream`: the code of the other view's cause. */
  upstream?: CauseCode
  runId?: number
  batchId?: string
}

/** How far a running run is. */
interface RunProgress {
  phase: string | null
  elapsedMs: number | null
  estimatedMs: number | null
}

/** What is true of a view, with what schedules and other views make of it. */
export interface Standing extends ViewStateFacts {
  state: AnyState
  /** The view to fix first, because this one waits for it, or shows its old data; null: none is. */
  culprit: string | null
  /** Whether a schedule refreshes the view, paused or not. */
  scheduled: boolean
  nextRun: Date | null
  /** That the schedules are too rare for its limit. */
  tooRare: string | null
  /** What begins the next run: the view's own schedule, the one for every view, a target lag, its log when it has rows, a retry. Null: there is none. */
  nextBy: NextBy | null
  /** The shortest target lag that can be kept, if that of the view cannot. */
  lagWorksMs: number | null
  /** That scheduled refreshes leave the view out until then, because so many have failed in a row. */
  suspended: { failures: number; until: Date } | null
}

export const nextBys = ['view', 'nightly', 'lag', 'log', 'retry'] as const
type NextBy = (typeof nextBys)[number]

/** All that tells why one view is as old as it is. */
export interface ExaminedView extends Standing {
  /** When a schedule was due last, if no run began then. */
  missedAt: Date | null
  /** What ended last comes first, after what has not ended. */
  runs: RunFacts[]
  batch: BatchFacts | null
  /** Of the running run. */
  progress: RunProgress | null
  /** Whether the running run stands before a lock. */
  waits: boolean
  locks: HeldLock[]
  /** Of a view that is missing: since when, and who dropped it; null: it is not, or nobody has asked. */
  gone: string | null
  /** What else has changed its data since its last success; null: nothing has, or nobody has asked. */
  outside: string | null
  /** Why nobody can know how old its data are; null: somebody can, or nobody has asked. */
  unseen: string | null
  /** What keeps its refreshes from being left out; null: nothing, or nobody has asked. */
  uncounted: Uncounted | null
  /** Why its change log is not used, and what to type first, if not to make it anew; null: it is, there is none, or nobody has asked. */
  unusedLog: { because: string; next?: string | undefined } | null
}

/** What all views of an environment have in common. */
export interface Surroundings {
  now: Date
  /** A moment as the reader of a cause reads it. */
  clock: (at: Date) => string
  /** What the commands name. */
  typed: CommandTarget
  allPaused: { since: Date; by: string } | null
}

type Moment = Date | string

/** Differences below this are those between runs of one batch. */
const worthTellingMs = 60_000

/**
 * The view that keeps the data of another one older than its last success, or of unknown age; null if none does, or by less
 * than a minute. After a refresh by slices the record names the view itself, which is no other one. Pure.
 */
export function heldBack({
  view,
  asOf,
  heldBackBy,
  lastSuccessAt,
}: {
  view: string
  asOf: Moment | null
  heldBackBy: string | null
  lastSuccessAt: Moment | null
}): string | null {
  if (heldBackBy === view) return null
  if (asOf === null || lastSuccessAt === null) return heldBackBy
  return Number(new Date(lastSuccessAt)) - Number(new Date(asOf)) < worthTellingMs ? null : heldBackBy
}

/** The state of a view that other views wait for. */
const isAtFault = ({ state }: { state: AnyState }): boolean => ['missing', 'aside', 'failed'].includes(state)

/**
 * How views stand, in the order of `views`, and which view has to be fixed first for each that waits for another one, or whose data are
 * too old because of another one: the first above it that is at fault, or else the view that holds its data back. Pure.
 */
export function judge<Facts extends ViewStateFacts>(
  views: Facts[],
  dependencies: Map<string, string[]>,
): (Facts & { state: AnyState; culprit: string | null })[] {
  const alone = new Map(views.map((view) => [view.view, { state: stateOf({ ...view, culprit: null }) }]))
  return views.map((view) => {
    const old = view.stale ? heldBack(view) : null
    const waits = isLeftOut(view) || old !== null
    const found = waits
      ? viewsAbove(view.view, dependencies).find((above) => isAtFault(alone.get(above) ?? { state: 'fresh' }))
      : undefined
    const culprit = found ?? old
    return { ...view, state: stateOf({ ...view, culprit }), culprit }
  })
}

/** The same in words, with what to type; null if nothing keeps it from that. Pure. */
export function uncountedWords(
  name: string,
  { because, grant, countsOff, counting, hidden }: Uncounted,
  clock: (at: Date) => string,
): { text: string; next: string | null } | null {
  const refreshed = `skipUnchanged leaves out no refresh of ${name}:`
  if (because !== null) return { text: `${refreshed} ${because}.`, next: null }
  if (grant !== null)
    return {
      text: `${refreshed} the login may not see when the transactions of others began.`,
      next: `${grant};`,
    }
  if (countsOff)
    return {
      text: `${refreshed} track_counts is off, or set for a role, a database or a function, or granted. A superuser has to let nobody write uncounted; on RDS, the parameter group switches track_counts on for the whole server.`,
      next: counting,
    }
  if (hidden === null) return null
  const { pid, gid, since, role, application, state } = hidden
  const who =
    pid === null
      ? `the prepared transaction ${gid}`
      : `a transaction of process ${pid} (${[role, application, state].filter(Boolean).join(', ')})`
  return {
    text: `${refreshed} ${who} of ${clock(since)} may hide what was committed before the last refresh.`,
    next: pid === null ? `rollback prepared ${literal(gid ?? '')};` : `select pg_terminate_backend(${pid});`,
  }
}

/** The same of several views: what keeps them alike from it is said once. Pure. */
export function allUncountedWords(
  views: { view: string; uncounted: Uncounted }[],
  clock: (at: Date) => string,
): { text: string; next: string | null }[] {
  const alike = Map.groupBy(views, ({ uncounted }) => JSON.stringify(uncounted))
  return [...alike.values()].flatMap((same) => {
    const [first] = same as [(typeof same)[0]]
    const all = names(
      same.map(({ view }) => view),
      5,
    )
    return uncountedWords(all, first.uncounted, clock) ?? []
  })
}
