import { readView } from '../catalog/db/catalog.ts'
import { Problem } from '../problem.ts'
import { becauseTogether, planFilling } from '../rebuild/plan/plan.ts'
import { apart, batchKey } from '../rebuild/plan/shadow-place.ts'
import { readChecking } from '../run/db/history.ts'
import type { PlannedRefresh } from '../run/plan-refresh.ts'
import type { Sql } from '../server/connect.ts'
import { quoteName } from '../sql/names.ts'
import { readSettings } from '../sql/settings.ts'
import { readGroupFacts } from './db/batch-groups.ts'
import type { BatchView } from './db/batch-views.ts'
import type { Batch } from './db/batches.ts'
import type { PlanBasis } from './db/latest-runs.ts'

/** Plans the run that fills the shadow of a view, which is exchanged with its group. Throws UnknownView if the view is gone. */
export async function planShadow(
  sql: Sql,
  batch: Batch,
  name: BatchView,
  { id, checks, rowCountStrategy, timeoutSeconds, settings, skipsUnchanged }: PlanBasis,
  number: number,
): Promise<PlannedRefresh> {
  const view = await readView(sql, name)
  const group = await readGroupFacts(sql, batch.id, number)
  const member = group?.members.find(({ live }) => quoteName(live.view) === quoteName(name))
  if (group === undefined || member === undefined)
    throw new Problem('CatalogChanged', `The group of ${name.view} is gone. Refresh again.`)
  const plan = planFilling(apart(batchKey(batch, number), group), member, view, {
    rowCountStrategy,
    timeoutSeconds,
    ifRunning: 'wait',
    settings: readSettings(view.view, settings),
    checking: batch.request.withoutChecks === true ? null : await readChecking(sql, { id, checks }),
  })
  if (skipsUnchanged) plan.counted = true
  return {
    plan,
    timeoutSeconds,
    response: { strategy: 'swap', because: becauseTogether(group, member, name.includedBecause) },
    view,
  }
}
