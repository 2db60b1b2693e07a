import type { Strategy } from '../../catalog/plan/definition.ts'
import { noUsableIndex, type ViewFacts } from '../../catalog/plan/live-view.ts'
import { type Obstacle, reasonsOf, sayObstacles } from '../../catalog/plan/rights.ts'
import type { RefreshStrategy } from '../../rebuild/plan/fill.ts'
import { Problem } from '../../words/problem.ts'
import type { UsualDurations } from '../../words/run.ts'

/** The strategy of a refresh, and the reason, in words for the run's record. */
export interface Choice {
  strategy: Exclude<Strategy, 'auto'>
  because: string
}

/** Whether the choice of a strategy depends on what stands in the way of a swap. */
export const needsSnapshot = (requested: Strategy, view: ViewFacts): boolean =>
  view.populated && (requested === 'swap' || requested === 'auto')

/** What it costs to rebuild a view together with the views that read it, and what to compare that with. */
export interface GroupCost extends Pick<UsualDurations, 'groupMs' | 'concurrentMs'> {
  /** The other materialized views of the group, as people name them. */
  others: string[]
  /** The size of all views of the group, and of the view alone. */
  groupBytes: number
  ownBytes: number
}

/** The swap of a view, together with the views that read it, if there are any: all that a refresh knows of it. */
export interface Swap extends RefreshStrategy {
  /** What stands in the way; empty if nothing does. */
  obstacles: Obstacle[]
  /** Undefined: the view is swapped alone. */
  cost: GroupCost | undefined
  /** The refusal to harm the backup that somebody makes; null: nobody does. */
  brokenBackup: Problem | null
}

/** The slices of an incremental table that a request asks for, in its words: see `findRange`. */
export type AskedSlices = Readonly<Record<string, string | undefined>>

/** What a batch says about the rebuild of a view that it does not exchange together with others. */
export interface InBatch {
  /** The room that shadows may take; null: no limit. */
  maxShadowBytes: number | null
}

/**
 * Up to how long a regular refresh may lock readers out: as long as a swap does, or the limit; half the limit after one that was not regular,
 * so that the choice does not turn back and forth. A limit of 0 means never.
 */
const mostMs = ({ upToMs, wasRegular, exchangeMs }: UsualDurations): number =>
  upToMs === 0 ? -1 : Math.max(wasRegular ? upToMs : upToMs / 2, exchangeMs ?? 0)

/**
 * How long a regular refresh is likely to lock readers out, in milliseconds, if that is short; else null. What regular refreshes did decides, by
 * their median; without one, how long other refreshes took to fill the view, so that one is tried. After those that took longer, the next 20
 * refreshes spare readers.
 */
export function shortMs(usual: UsualDurations): number | null {
  const ms = usual.regularMs ?? usual.fillMs
  return ms === null || ms > mostMs(usual) ? null : ms
}

/**
 * The same of a regular refresh of several views in one transaction, which is compared with the exchange of all of them: null, too, if
 * nobody knows how long one of them takes to fill. How long regular refreshes have locked readers out of them, alone or together,
 * must have been no longer.
 */
export function shortTogether(usual: UsualDurations[]): number | null {
  const most = Math.max(...usual.map(mostMs))
  const ms = usual.reduce((sum, { fillMs }) => sum + (fillMs ?? Number.POSITIVE_INFINITY), 0)
  return usual.every(({ regularMs }) => (regularMs ?? 0) <= most) && ms <= most ? ms : null
}

/** A unique index that a concurrent refresh can use. */
export const usableIndex = (view: ViewFacts): ViewFacts['uniqueIndexes'][number] | undefined =>
  view.uniqueIndexes.find((index) => index.unusableBecause === null)

/**
 * Picks the strategy of a refresh, which may refuse it. An unpopulated view is refreshed regularly; `auto` is the cheapest
 * strategy that spares readers. `swapRefusals` is what stands in the way of a swap;
 * `group` is set if a swap rebuilds other views, too; `short` is what `shortMs` says of the view.
 */
export function chooseStrategy(
  requested: Strategy,
  view: ViewFacts,
  swapRefusals: Obstacle[],
  group: GroupCost | null = null,
  short: number | null = null,
): Choice {
  if (requested === 'regular') return { strategy: 'regular', because: 'requested' }
  if (!view.populated) {
    // The server refuses to fill an unpopulated view concurrently (0A000), and nobody can read such a view.
    const why = 'the view is unpopulated, so it has no readers to spare'
    return {
      strategy: 'regular',
      because: requested === 'auto' ? why : `not ${requested}, as requested: ${why}`,
    }
  }
  const usable = usableIndex(view)
  if (requested === 'concurrent') return { strategy: 'concurrent', because: 'requested' }
  if (requested === 'auto' && short !== null) {
    return {
      strategy: 'regular',
      because: `that locks readers out for about ${Math.ceil(short)} ms, no longer than the exchange of a swap, which costs more`,
    }
  }
  if (requested === 'swap') return { strategy: 'swap', because: `requested${withOthers(group)}` }
  if (swapRefusals.length === 0) {
    if (group === null) {
      return {
        strategy: 'swap',
        because: 'the view can be rebuilt aside, which costs no more than a regular refresh',
      }
    }
    const { isCheaper, figures } = weigh(group)
    return usable === undefined || isCheaper
      ? {
          strategy: 'swap',
          because: `the view can be rebuilt aside${withOthers(group)}: ${figures}`,
        }
      : {
          strategy: 'concurrent',
          because: `there is unique index ${usable.name}, and to rebuild ${group.others.join(', ')}, too, costs more: ${figures}`,
        }
  }
  const noSwap = `the view cannot be swapped: ${reasonsOf(swapRefusals)}`
  return usable === undefined
    ? { strategy: 'regular', because: `${noUsableIndex}, and ${noSwap}` }
    : { strategy: 'concurrent', because: `there is unique index ${usable.name}, and ${noSwap}` }
}

/** How many times as long as a rebuild a concurrent refresh takes: 3.6 to 7.8 were measured. */
const concurrentFactor = 4

/** Compares the rebuild of a group with a concurrent refresh of the view alone: by their history, else by sizes. */
function weigh({ groupMs, concurrentMs, groupBytes, ownBytes }: GroupCost): {
  isCheaper: boolean
  figures: string
} {
  if (groupMs !== null && concurrentMs !== null) {
    return {
      isCheaper: groupMs <= concurrentMs,
      figures: `that usually takes ${seconds(groupMs)}, and a concurrent refresh ${seconds(concurrentMs)}`,
    }
  }
  return {
    isCheaper: groupBytes <= ownBytes * concurrentFactor,
    figures: `together they have ${megabytes(groupBytes)}, the view alone ${megabytes(ownBytes)}, and a concurrent refresh takes about ${concurrentFactor} times as long as a rebuild`,
  }
}

const withOthers = (group: GroupCost | null): string =>
  group === null
    ? ''
    : `, together with ${group.others.length === 1 ? 'the view that reads it' : `the ${group.others.length} views that read it`} (${group.others.join(', ')})`

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** The refusal of a swap. */
export const swapImpossible = (view: ViewFacts, refusals: Obstacle[]): Problem =>
  new Problem(
    'SwapImpossible',
    `${view.view} cannot be swapped: ${sayObstacles(
      refusals,
      'Use strategy "concurrent", which needs a unique index, or "regular", which locks readers out while it runs.',
    )}`,
    { field: 'strategy' },
  )
