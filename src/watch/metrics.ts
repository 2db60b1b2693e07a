import { findDefinitionIdOf } from '../run/read.ts'
import type { Database } from '../server/connect.ts'
import { readDays, type ViewDays } from './db/days.ts'
import { readViewMetrics, readViewStatus, type ViewMetrics, type ViewStatus } from './db/metrics.ts'

/** The state of a view, and the metrics of its runs. */
export interface MeasuredView extends ViewMetrics, ViewStatus {}

/** The state now, and the metrics of the runs in a time window, of every view or of one. */
export const getMetrics = (
  database: Database,
  { view, windowSeconds }: { view?: string | undefined; windowSeconds: number },
): Promise<MeasuredView[]> =>
  database.withConnection(async (sql) => {
    const id = view === undefined ? null : await findDefinitionIdOf(sql, view)
    if (view !== undefined && id === null) return []
    const metrics = new Map((await readViewMetrics(sql, windowSeconds, id)).map((each) => [each.id, each]))
    return (await readViewStatus(sql, id)).flatMap((status) => {
      const measured = metrics.get(status.id)
      // A view without metrics got its definition between the two queries.
      return measured === undefined ? [] : [{ ...measured, ...status }]
    })
  })

/** How the runs of each view ended on each of the last days, today among them. */
export const getDays = (database: Database, days: number): Promise<ViewDays[]> =>
  database.withConnection((sql) => readDays(sql, days))
