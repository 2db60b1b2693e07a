import type { Strategy } from '../views/definition.ts'
import { count, duration, elapsed } from '../words.ts'
import { type LagView, type Look, shortLags } from './due.ts'
import type { BrokenPromise } from './promises.ts'
import type { Foretold, ForetoldView } from './simulate.ts'

/** How a view has been refreshed lately. */
export interface Evidence {
  view: string
  authored: boolean
  strategy: Strategy
  /**
   * The last successful refreshes, at most 100; how many of them were regular because the definition says so or for lack of a key,
   * and how long these took on average.
   */
  refreshes: number
  regular: number
  regularMs: number | null
  /** Why the last of these was regular. */
  because: string | null
  /** Whether the latest refresh is one of these. */
  latestIs: boolean
  /** The part of the last 100 refreshes, successful or left out, that was left out, from 0 to 1. */
  leftOutShare: number
  /** For how long the monitor has looked and has seen nobody read it, less a day; null: nobody looks, or the server does not tell. */
  unreadMs: number | null
  /** Whether it has a unique index that a concurrent refresh can use. */
  hasKey: boolean
}

export const subjects = ['target', 'schedule', 'limit', 'strategy', 'key', 'unread'] as const

/** What to change about a view, and why. Nothing is changed by itself. */
export interface Recommendation {
  view: string
  subject: (typeof subjects)[number]
  /** What the record says. */
  text: string
  /** The line to change; null if it is too early to say. */
  change: string | null
  /** So many refreshes say so. */
  refreshes: number
  /** By so many refreshes: `none` is less than 20, `fair` less than 100. */
  confidence: 'none' | 'fair' | 'high'
}

/** What is foretold of a view for the coming day, and its promises. */
export interface Expected
  extends Pick<Foretold, 'refreshes' | 'turns' | 'missedBecause' | 'heldBackBy' | 'steadyMs'>,
    Pick<ForetoldView, 'usualMs' | 'lagMs' | 'limitMs' | 'schedule' | 'inAll' | 'failures'> {
  broken: BrokenPromise[]
  /** The time between two looks of the monitor; null: nobody looks. */
  looksEveryMs: number | null
  /** Whether other views read it. */
  isParent: boolean
  /** The target lag that can be kept: instead of its own, or of its schedule; null: nothing is to be changed, or nothing works. */
  worksMs: number | null
}

/**
 * The target lags that can be kept, of the views whose own cannot and of those that are to have one instead of their schedule, but
 * none is shorter than the longest time between two turns. First each lag that could not be kept alone is thought to be longer: one
 * impossible lag is no reason to change the others. Pure.
 */
export function lagsThatWork(
  views: LagView[],
  dependencies: Map<string, string[]>,
  look: Omit<Look, 'now'>,
  unscheduled: Set<string>,
): Map<string, number> {
  const works = new Map<string, number>()
  const remember = (short: ReturnType<typeof shortLags>) => {
    for (const { view, worksMs } of short) works.set(view, worksMs)
  }
  remember(shortLags(views, dependencies, { ...look, concurrency: Infinity }))
  const raised = views.map((each) => ({ ...each, lagMs: works.get(each.view) ?? each.lagMs }))
  remember(shortLags(raised, dependencies, look))
  for (const { view, intervalMs } of views) {
    if (!unscheduled.has(view) || intervalMs === null) continue
    const instead = raised.map((each) =>
      each.view === view ? { ...each, lagMs: intervalMs, follows: true } : each,
    )
    const short = shortLags(instead, dependencies, look).find((each) => each.view === view)
    works.set(view, short?.worksMs ?? intervalMs)
  }
  return works
}

const leastRefreshes = 20
const manyRefreshes = 100
/** A regular refresh that locks readers out for so long is worth another strategy. */
const longLockMs = 1000

/** What to change about a view, by its history and by what is foretold of it. Pure. */
export function recommend(evidence: Evidence, expected: Expected): Recommendation[] {
  const { view, refreshes } = evidence
  const confidence =
    refreshes < leastRefreshes ? 'none' : refreshes < manyRefreshes ? 'fair' : ('high' as const)
  return rules.flatMap((rule) => {
    const found = rule(evidence, expected)
    if (found === null) return []
    const [subject, text, change] = found
    const early = `${text}. Too early to say what to change: ${count(refreshes, 'refresh', 'refreshes')} of ${leastRefreshes}`
    return confidence === 'none'
      ? { view, subject, text: early, change: null, refreshes, confidence }
      : { view, subject, text, change, refreshes, confidence }
  })
}

type Rule = (
  evidence: Evidence,
  expected: Expected,
) => [subject: Recommendation['subject'], text: string, change: string] | null

const secondsUp = (ms: number, unitMs: number): number => (Math.ceil(ms / unitMs) * unitMs) / 1000

const target: Rule = (_, { lagMs, worksMs, usualMs, broken }) => {
  if (!breaks(broken, 'lag') || lagMs === null || worksMs === null) return null
  const takes = usualMs === null ? '' : `; its own refresh usually takes ${duration(usualMs)}`
  return [
    'target',
    `the target lag of ${duration(lagMs)} cannot be kept: ${duration(worksMs)} can${takes}`,
    `targetLagSeconds: ${worksMs / 1000}`,
  ]
}

const schedule: Rule = (_, { missedBecause, schedule, inAll, worksMs, usualMs, broken }) => {
  const found = breaks(broken, 'schedule')
  if (!found || schedule === null) return null
  const text = `${found.text}; a refresh usually takes ${duration(usualMs ?? 0)}`
  if (missedBecause === 'long' && worksMs !== null)
    return ['schedule', text, `targetLagSeconds: ${worksMs / 1000}, instead of schedule and timeZone`]
  return missedBecause === 'met' && inAll
    ? ['schedule', `${text}, and is also part of the refresh of every view`, 'inAll: false']
    : null
}

const limit: Rule = (_, { turns, steadyMs, heldBackBy, limitMs, usualMs, failures, broken }) => {
  if (!breaks(broken, 'limit') || heldBackBy !== null || failures > 0) return null
  if (steadyMs === null || limitMs === null || steadyMs <= limitMs) return null
  const more = turns > 0 ? ', or a schedule with more turns' : ''
  return [
    'limit',
    `its limit is ${duration(limitMs)}, and its data become ${elapsed(steadyMs)} old`,
    `maxStalenessSeconds: ${secondsUp(steadyMs + (usualMs ?? 0), 60_000)}${more}`,
  ]
}

const breaks = (broken: BrokenPromise[], promise: BrokenPromise['promise']): BrokenPromise | undefined =>
  broken.find((each) => each.promise === promise)

const locking = ({ regular, refreshes, regularMs, latestIs }: Evidence): string | null =>
  latestIs && regularMs !== null && regularMs >= longLockMs && regular * 2 > refreshes
    ? `${regular} of the last ${count(refreshes, 'refresh', 'refreshes')} were regular and locked readers out for ${duration(regularMs)} each`
    : null

const keyOf = ({ view, authored }: Evidence): string =>
  authored
    ? "uniqueKey: ['<the columns that identify a row>']"
    : `create unique index concurrently on ${view} (<the columns that identify a row>)`

const strategy: Rule = (evidence) =>
  evidence.strategy === 'regular' && locking(evidence) !== null
    ? [
        'strategy',
        `${locking(evidence)}, as strategy "regular" asks`,
        `strategy: 'auto'${evidence.hasKey ? '' : `, and ${keyOf(evidence)}`}`,
      ]
    : null

const key: Rule = (evidence) => {
  const { strategy, hasKey, because } = evidence
  if (strategy === 'regular' || hasKey || locking(evidence) === null) return null
  return ['key', `${locking(evidence)}${because === null ? '' : `: ${because}`}`, keyOf(evidence)]
}

const dayMs = 24 * 3600_000
/** A report of each quarter has read the view by then. */
const longUnreadMs = 90 * dayMs

/** A refresh hides the readers before it, so looks have to be more frequent than refreshes. */
const showsReaders = ({ refreshes, looksEveryMs }: Expected): boolean =>
  looksEveryMs !== null && refreshes * looksEveryMs * 2 <= dayMs

const unread: Rule = ({ view, authored, unreadMs }, expected) => {
  const { usualMs, isParent } = expected
  return unreadMs !== null && unreadMs >= longUnreadMs && !isParent && showsReaders(expected)
    ? [
        'unread',
        `the monitor has seen nobody read it for ${Math.floor(unreadMs / dayMs)} days${usualMs === null ? '' : `; a refresh usually takes ${duration(usualMs)}`}. Replicas do not tell who reads there`,
        authored
          ? `viewkeeper freeze --remove ${view} -m "nobody reads it", or a schedule with fewer turns`
          : `viewkeeper drop ${view}`,
      ]
    : null
}

const rules = [target, schedule, limit, strategy, key, unread]
