import { readGroupFacts } from '../../db/batches/batch-groups.ts'
import type { BatchView } from '../../db/batches/batch-views.ts'
import type { Batch } from '../../db/batches/batches.ts'
import type { PlanBasis } from '../../db/batches/latest-runs.ts'
import type { Sql } from '../../db/server/connect.ts'
import { readView } from '../../db/views/catalog.ts'
import { becauseTogether, planBuild } from '../../plan/groups/build.ts'
import { placesOf } from '../../plan/groups/group.ts'
import { quoteName } from '../../plan/names.ts'
import { readSettings } from '../../plan/settings.ts'
import { Problem } from '../../problem.ts'
import type { PlannedRefresh } from '../runs/plan-refresh.ts'
import { keyOf } from './form-groups.ts'

/** Plans the run that fills the twin of a view. Throws UnknownView if the view is gone. */
export async function planBatchBuild(
  sql: Sql,
  batch: Batch,
  name: BatchView,
  { rowCountStrategy, timeoutSeconds, settings }: PlanBasis,
  number: number,
): Promise<PlannedRefresh> {
  const view = await readView(sql, name)
  const group = await readGroupFacts(sql, batch.id, number)
  const member = group?.members.find(({ live }) => quoteName(live.view) === quoteName(name))
  if (group === undefined || member === undefined)
    throw new Problem('CatalogChanged', `The group of ${name.view} is gone. Refresh again.`)
  const plan = planBuild(member, view, placesOf(keyOf(batch, number), group), {
    rowCountStrategy,
    timeoutSeconds,
    ifRunning: 'wait',
    settings: readSettings(view.view, settings),
  })
  return {
    plan,
    timeoutSeconds,
    response: { strategy: 'swap', because: becauseTogether(group, member, name.along) },
    view,
  }
}
