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

/**
 * Picks the strategy of a refresh. An unpopulated view is refreshed regularly; `auto` is the cheapest
 * strategy that spares readers. `swapRefusals` is what stands in the way of a swap. Throws
 * UniqueIndexRequired or SwapImpossible if the requested strategy is impossible.
 */
export function chooseStrategy(requested: Strategy, view: ViewFacts, swapRefusals: string[]): Choice {
  if (requested === 'regular') return { strategy: 'regular', because: 'requested' }
  if (!view.populated) {
    // The server refuses to fill an unpopulated view concurrently (0A000), and nobody can read such a view.
    return { strategy: 'regular', because: 'the view is unpopulated, so it has no readers to spare' }
  }
  const usable = view.uniqueIndexes.find((index) => index.unusableBecause === null)
  if (requested === 'concurrent') {
    if (usable === undefined) throw uniqueIndexRequired(view)
    return { strategy: 'concurrent', because: 'requested' }
  }
  if (swapRefusals.length === 0) {
    return {
      strategy: 'swap',
      because:
        requested === 'swap'
          ? 'requested'
          : 'the view can be rebuilt aside, which costs no more than a regular refresh',
    }
  }
  if (requested === 'swap') throw swapImpossible(view, swapRefusals)
  const noSwap = `the view cannot be swapped: ${swapRefusals.join('; ')}`
  return usable === undefined
    ? { strategy: 'regular', because: `there is no usable unique index, and ${noSwap}` }
    : { strategy: 'concurrent', because: `there is unique index ${usable.name}, and ${noSwap}` }
}

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
