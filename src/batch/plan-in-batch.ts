import { type PlannedRefresh, planRefresh } from '../run/plan-refresh.ts'
import type { Sql } from '../server/connect.ts'
import type { BatchView } from './db/batch-views.ts'
import type { Batch } from './db/batches.ts'
import type { PlanBasis } from './db/latest-runs.ts'

/**
 * Plans a refresh as part of a batch, as a request for this view alone would: if another run of the view is running, this one
 * waits for it. Does not wait for a lock: throws LockTimeout or AlreadyRunning at once.
 */
export const planAlone = (
  sql: Sql,
  { strategy, maxShadowBytes, request }: Batch,
  view: BatchView,
  basis: PlanBasis,
): Promise<PlannedRefresh> =>
  planRefresh(sql, view, basis, {
    strategy: strategy ?? undefined,
    ifRunning: 'wait',
    withoutChecks: request.withoutChecks === true,
    inBatch: { maxShadowBytes },
  })
