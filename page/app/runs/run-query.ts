import { withSchema } from '../../../src/sql/glob.ts'
import type { Place } from '../address/address.ts'
import { withQuery } from '../api/paths.ts'

const dayMs = 24 * 3600_000

/** How far back the list can be narrowed, and the words for it. */
export const sinces = {
  '1h': { word: 'the last hour', ms: dayMs / 24 },
  '24h': { word: 'the last 24 hours', ms: dayMs },
  '7d': { word: 'the last 7 days', ms: 7 * dayMs },
  '30d': { word: 'the last 30 days', ms: 30 * dayMs },
} as const

/** When a day (`2026-11-20`) begins; NaN for anything else that an address has. */
const beginOf = (day: string) => (/^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(day) : Number.NaN)

/**
 * The question for the runs that an address narrows: to a `view` or to a part of names (`q`; what ends with a quote is a name), to a `status`, to a time
 * (`since`) or to a `day` (UTC), to those `before` a run.
 */
export function runsPath({ view, q, status, since, day, before }: Place['query'], now: number): string {
  const begins = day ? beginOf(day) : since && now - (sinces[since as keyof typeof sinces]?.ms ?? 0)
  const moment = (at: number) => new Date(at).toISOString()
  return withQuery('/runs', {
    view,
    pattern: q && !view ? (q.endsWith('"') ? withSchema(q) : `*${q}*`) : undefined,
    status,
    since: begins ? moment(begins) : undefined,
    until: day && begins ? moment(begins + dayMs) : undefined,
    cursor: before,
    limit: 100,
  })
}
