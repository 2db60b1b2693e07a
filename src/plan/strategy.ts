import { Problem } from '../problem.ts'
import type { ViewFacts } from './view-facts.ts'

export const strategies = ['auto', 'regular', 'concurrent'] as const
/** What may be asked for; `auto` leaves the choice to the planner. */
export type Strategy = (typeof strategies)[number]

/** How the refresh is really done, and why, in words for the run record. */
export interface Choice {
  strategy: Exclude<Strategy, 'auto'>
  because: string
}

/**
 * Picks the strategy of a refresh from the facts. Throws UniqueIndexRequired where `concurrent` was asked for
 * and no unique index allows it.
 */
export function chooseStrategy(asked: Strategy, view: ViewFacts): Choice {
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
  return usable === undefined
    ? { strategy: 'regular', because: 'the view has no usable unique index' }
    : { strategy: 'concurrent', because: `readers are not locked out, thanks to unique index ${usable.name}` }
}

function uniqueIndexRequired(view: ViewFacts): Problem {
  const flawed = view.uniqueIndexes.map((index) => `${index.name} ${index.unusableBecause}`)
  const why = flawed.length === 0 ? '' : ` (${flawed.join('; ')})`
  const columns = view.keyCandidate ?? '<the columns that identify a row>'
  return new Problem(
    'UniqueIndexRequired',
    `${view.view} cannot be refreshed concurrently: it has no usable unique index${why}. ` +
      `Create one: create unique index concurrently on ${view.view} (${columns}); ` +
      'or use strategy "regular", which locks readers out while it runs.',
    { field: 'strategy' },
  )
}
