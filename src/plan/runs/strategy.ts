import { Problem } from '../../problem.ts'
import type { Strategy } from '../views/definition.ts'
import type { ViewFacts } from '../views/view-facts.ts'

/** The strategy of a refresh, and the reason, in words for the run's record. */
export interface Choice {
  strategy: Exclude<Strategy, 'auto'>
  because: string
}

/** Whether the choice of a strategy depends on what stands in the way of a swap. */
export const needsSnapshot = (requested: Strategy, view: ViewFacts): boolean =>
  view.populated && (requested === 'auto' || requested === 'swap')

/** What it costs to rebuild a view together with the views that read it, and what to compare that with. */
export interface GroupCost {
  /** The other materialized views of the group, as people name them. */
  others: string[]
  /** How long the last refreshes of the whole group took, and the last concurrent ones of the view alone; null: unknown. */
  groupMs: number | null
  concurrentMs: number | null
  /** The size of all views of the group, and of the view alone. */
  groupBytes: number
  ownBytes: number
}

/** A unique index that a concurrent refresh can use. */
export const usableIndex = (view: ViewFacts): ViewFacts['uniqueIndexes'][number] | undefined =>
  view.uniqueIndexes.find((index) => index.unusableBecause === null)

/**
 * Picks the strategy of a refresh. An unpopulated view is refreshed regularly; `auto` is the cheapest
 * strategy that spares readers. `swapRefusals` is what stands in the way of a swap; `group` is set if a swap rebuilds other
 * views, too. Throws UniqueIndexRequired or SwapImpossible if the requested strategy is impossible.
 */
export function chooseStrategy(
  requested: Strategy,
  view: ViewFacts,
  swapRefusals: string[],
  group: GroupCost | null = null,
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
  if (requested === 'concurrent') {
    if (usable === undefined) throw uniqueIndexRequired(view)
    return { strategy: 'concurrent', because: 'requested' }
  }
  if (swapRefusals.length === 0) {
    if (requested === 'swap') return { strategy: 'swap', because: `requested${withOthers(group)}` }
    if (group === null) {
      return {
        strategy: 'swap',
        because: 'the view can be rebuilt aside, which costs no more than a regular refresh',
      }
    }
    const { isCheaper, figures } = weigh(group)
    return usable === undefined || isCheaper
      ? { strategy: 'swap', because: `the view can be rebuilt aside${withOthers(group)}: ${figures}` }
      : {
          strategy: 'concurrent',
          because: `there is unique index ${usable.name}, and to rebuild ${group.others.join(', ')}, too, costs more: ${figures}`,
        }
  }
  if (requested === 'swap') throw swapImpossible(view, swapRefusals)
  const noSwap = `the view cannot be swapped: ${swapRefusals.join('; ')}`
  return usable === undefined
    ? { strategy: 'regular', because: `there is no usable unique index, and ${noSwap}` }
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

const swapImpossible = (view: ViewFacts, refusals: string[]): Problem =>
  new Problem(
    'SwapImpossible',
    `${view.view} cannot be swapped: ${refusals.join('; ')}. Use strategy "concurrent", which needs a unique index, or ` +
      '"regular", which locks readers out while it runs.',
    { field: 'strategy' },
  )

function uniqueIndexRequired(view: ViewFacts): Problem {
  const flawed = view.uniqueIndexes.map((index) => `${index.name} ${index.unusableBecause}`)
  const why = flawed.length === 0 ? '' : ` (${flawed.join('; ')})`
  const columns = view.keyCandidate ?? '<the columns that identify a row>'
  return new Problem(
    'UniqueIndexRequired',
    `${view.view} cannot be refreshed concurrently: it has no usable unique index${why}. ` +
      `Create one: create unique index concurrently on ${view.view} (${columns}); or use strategy "swap".`,
    { field: 'strategy' },
  )
}
