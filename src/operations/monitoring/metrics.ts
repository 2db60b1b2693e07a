import {
  readViewMetrics,
  readViewStatus,
  type ViewMetrics,
  type ViewStatus,
} from '../../db/monitoring/metrics.ts'
import type { Database } from '../../db/server/connect.ts'
import { judgeStaleness } from '../../plan/monitoring/staleness.ts'
import { findDefinitionIdOf } from '../runs/read.ts'
import { type Schedules, scheduledInterval } from './schedules.ts'

/** The state of a view, and the metrics of its runs. */
export interface MeasuredView
  extends Omit<ViewMetrics, 'id'>,
    Omit<ViewStatus, 'maxStalenessSeconds' | 'schedule' | 'timeZone' | 'inAll' | 'expectedMs'> {
  /** The age at which the view's data become stale; null if nobody expects the view to be refreshed. */
  maxStaleMs: number | null
  stale: boolean
}

/** The state now, and the metrics of the runs in a time window, of every view or of one. */
export const getMetrics = (
  database: Database,
  options: { view?: string | undefined; windowSeconds: number; schedules: Schedules },
): Promise<MeasuredView[]> =>
  database.withConnection(async (sql) => {
    const { view, windowSeconds, schedules } = options
    const id = view === undefined ? null : await findDefinitionIdOf(sql, view)
    if (view !== undefined && id === null) return []
    const metrics = new Map((await readViewMetrics(sql, windowSeconds, id)).map((each) => [each.id, each]))
    return (await readViewStatus(sql, id)).flatMap((status) => {
      const measured = metrics.get(status.id)
      // A view without metrics got its definition between the two queries.
      return measured === undefined ? [] : [judge(status, measured, schedules)]
    })
  })

function judge(status: ViewStatus, measured: ViewMetrics, schedules: Schedules): MeasuredView {
  const { maxStalenessSeconds, schedule: _, timeZone, inAll, expectedMs, ...shown } = status
  const { limitSeconds, stale } = judgeStaleness({
    paused: status.paused,
    expectedSeconds: expectedMs / 1000,
    maxStalenessSeconds,
    intervalSeconds: scheduledInterval(status, schedules),
    usualMs: measured.usualMs,
  })
  return {
    ...measured,
    ...shown,
    maxStaleMs: limitSeconds === null ? null : Math.round(limitSeconds * 1000),
    stale,
  }
}
