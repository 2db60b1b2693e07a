import type { Database, Sql } from '../db/connect.ts'
import { readViewMetrics, readViewStatus, type ViewMetrics, type ViewStatus } from '../db/metrics.ts'
import { maxStaleness } from '../plan/staleness.ts'
import { type Nightly, scheduledInterval } from './interval.ts'
import { definitionIdOf } from './runs.ts'

/** A view as its runs show it. */
export interface MeasuredView
  extends Omit<ViewMetrics, 'id'>,
    Omit<ViewStatus, 'maxStalenessSeconds' | 'schedule' | 'timeZone' | 'inAll'> {
  /** The age from which on its data count as stale; null where nobody expects it to be refreshed. */
  maxStaleMs: number | null
  stale: boolean
}

/**
 * What the runs within a time came to, for every view or one, and how each is now. A paused view is never stale: somebody has
 * decided that.
 */
export const getMetrics = (
  database: Database,
  { view, windowSeconds, nightly }: { view?: string | undefined; windowSeconds: number; nightly: Nightly },
): Promise<MeasuredView[]> =>
  database.withConnection(async (sql) => {
    const id = view === undefined ? null : await definitionIdOf(sql, view)
    const measured = await measureViews(sql, windowSeconds, nightly)
    return id === null ? measured : measured.filter((each) => each.id === id)
  })

async function measureViews(sql: Sql, windowSeconds: number, nightly: Nightly): Promise<MeasuredView[]> {
  const metrics = new Map((await readViewMetrics(sql, windowSeconds)).map((each) => [each.id, each]))
  return (await readViewStatus(sql)).map((status) => {
    const { maxStalenessSeconds, schedule, timeZone, inAll, ...shown } = status
    const measured = metrics.get(status.id) ?? noRuns(status.id)
    const seconds = maxStaleness({
      maxStalenessSeconds,
      intervalSeconds: scheduledInterval(status, nightly),
      averageMs: measured.movingAverageMs,
    })
    const maxStaleMs = seconds === null ? null : Math.round(seconds * 1000)
    return {
      ...measured,
      ...shown,
      maxStaleMs,
      stale: !status.paused && maxStaleMs !== null && status.staleMs > maxStaleMs,
    }
  })
}

const noRuns = (id: number): ViewMetrics => ({
  id,
  runs: 0,
  succeeded: 0,
  failed: 0,
  successRate: null,
  averageMs: null,
  minMs: null,
  maxMs: null,
  p95Ms: null,
  movingAverageMs: null,
})
