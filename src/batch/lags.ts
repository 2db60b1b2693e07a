import type { ViewFacts } from '../catalog/plan/facts.ts'
import {
  dueViews,
  lagViews,
  type PromisedLag,
  promisedLags,
  type ShortLag,
  type Suspended,
  shortLags,
  suspendedViews,
} from './plan/due.ts'
import type { Looks } from './schedules.ts'

/** How many views a batch refreshes at once, unless said. */
export const usualConcurrency = 2

/** What target lags, and failures in a row, say now. */
interface Lags {
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
  { now, views: facts }: { now: Date; views: ViewFacts[] },
  dependencies: Map<string, string[]>,
  { everySeconds, concurrency = usualConcurrency }: Looks = { everySeconds: null },
): Lags {
  const views = lagViews(facts)
  const suspended = suspendedViews(views, dependencies)
  if (everySeconds === null) return { due: [], short: [], suspended, promised: new Map() }
  const look = { now: now.getTime(), everyMs: everySeconds * 1000, concurrency }
  return {
    due: dueViews(views, dependencies, look),
    short: shortLags(views, dependencies, look),
    suspended,
    promised: promisedLags(views, dependencies),
  }
}
