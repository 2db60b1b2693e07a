import { Problem } from '../../problem.ts'
import type { Strategy } from '../views/definition.ts'
import type { ViewFacts } from '../views/view-facts.ts'

/** How the refresh is really done, and why, in words for the run record. */
export interface Choice {
  strategy: Exclude<Strategy, 'auto'>
  because: string
}

/** Whether planning needs to know what stands in the way of a swap. */
export const needsSnapshot = (asked: Strategy, view: ViewFacts): boolean =>
  view.populated && (asked === 'auto' || asked === 'swap')

/**
 * Picks the strategy of a refresh from the facts: the cheapest one that spares readers. `swapRefusals` is what stands in
 * the way of a swap. Throws UniqueIndexRequired or SwapImpossible where one was asked for that cannot be done.
 */
export function chooseStrategy(asked: Strategy, view: ViewFacts, swapRefusals: string[]): Choice {
  if (asked === 'regular') return { strategy: 'regular', because: 'asked for' }
  if (!view.populated) {
    // The server refuses to fill an unpopulated view concurrently (0A000); nobody can be reading it either.
    return { strategy: 'regular', because: 'the view is unpopulated, so it has no readers to spare' }
  }
  const usable = view.uniqueIndexes.find((index) => index.unusableBecause === null)
  if (asked === 'concurrent') {
    if (usable === undefined) throw uniqueIndexRequired(view)
    return { strategy: 'concurrent', because: 'asked for' }
  }
  if (swapRefusals.length === 0) {
    return {
      strategy: 'swap',
      because:
        asked === 'swap'
          ? 'asked for'
          : 'the view can be rebuilt aside, which costs no more than a regular refresh',
    }
  }
  if (asked === 'swap') throw swapImpossible(view, swapRefusals)
  const noSwap = `it cannot be swapped: ${swapRefusals.join('; ')}`
  return usable === undefined
    ? { strategy: 'regular', because: `the view has no usable unique index, and ${noSwap}` }
    : { strategy: 'concurrent', because: `unique index ${usable.name} allows it, and ${noSwap}` }
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
