import type { ViewFacts } from '../../catalog/plan/facts.ts'
import { fails } from '../../catalog/plan/state.ts'

/** What may be wrong with a view, and what is said of it: `it is stale`. In this order it is told. */
export const troubleWords = {
  failing: 'failing',
  stale: 'stale',
  missing: 'missing',
  lag: 'unable to keep the target lag',
  suspended: 'suspended',
  aside: 'set aside',
  paused: 'paused without an end',
} as const
export type Trouble = keyof typeof troubleWords
export const troubles = Object.keys(troubleWords) as Trouble[]

/** A trouble that the monitor finds at a look. */
export interface FoundTrouble {
  trouble: Trouble
  /** As people write it: `app.sales`; for a function that was set aside with its arguments. */
  name: string
  /** How old the data of a stale view are, and may be; otherwise null. */
  ageSeconds: number | null
  maxStalenessSeconds: number | null
}

/** What has changed about a trouble since the look before. */
export interface TroubleChange {
  trouble: Trouble
  name: string
  beganAt: Date
  /** Null: the trouble has begun. */
  endedAt: Date | null
}

/** What planning has found, by the names of the views. */
interface Planned {
  /** The target lags that cannot be kept. */
  lag: string[]
  /** Those that scheduled refreshes leave out for a while. */
  suspended: string[]
}

/**
 * Every trouble that there is, the views of each by name, the stale ones oldest data first. A paused view has none but that its data
 * are stale. `lasting`: what has been set aside or paused for long, by trouble. Pure.
 */
export function findTroubles(
  views: ViewFacts[],
  { lag, suspended }: Planned,
  lasting: { aside: string[]; paused: string[] },
): FoundTrouble[] {
  const tried = views.filter(({ pausedSince, aside }) => pausedSince === null && aside === null)
  const namesOf = (which: (view: ViewFacts) => boolean): string[] =>
    tried.filter(which).map(({ view }) => view)
  const found = {
    failing: namesOf((view) => !view.missing && fails(view)),
    missing: namesOf(({ missing }) => missing),
    lag: lag.toSorted(),
    suspended: namesOf(({ view, missing }) => !missing && suspended.includes(view)),
    ...lasting,
  }
  const stale = views.filter((view) => view.stale).sort((a, b) => (b.staleMs ?? 0) - (a.staleMs ?? 0))
  return troubles.flatMap((trouble): FoundTrouble[] =>
    trouble === 'stale'
      ? stale.map(({ view, staleMs, maxStaleMs }) => ({
          trouble,
          name: view,
          ageSeconds: seconds(staleMs),
          maxStalenessSeconds: seconds(maxStaleMs),
        }))
      : found[trouble].map((name) => ({ trouble, name, ageSeconds: null, maxStalenessSeconds: null })),
  )
}

const seconds = (ms: number | null): number | null => (ms === null ? null : Math.round(ms / 1000))
