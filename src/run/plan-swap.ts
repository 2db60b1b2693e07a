import type { Patience } from '../catalog/db/look.ts'
import { readObstacles } from '../catalog/db/rights.ts'
import type { Strategy } from '../catalog/plan/definition.ts'
import type { ViewSnapshot } from '../catalog/plan/live-view.ts'
import { type Obstacle, obstacle } from '../catalog/plan/rights.ts'
import type { UsualDurations } from '../catalog/plan/run.ts'
import type { ViewFacts } from '../catalog/plan/view-facts.ts'
import type { Problem } from '../problem.ts'
import { planRebuild } from '../rebuild/plan/plan.ts'
import { isReadByViews, swapRequirements } from '../rebuild/plan/requirements.ts'
import type { RunOptions } from '../rebuild/plan/run-options.ts'
import { alone } from '../rebuild/plan/scope.ts'
import { brokenBackup, readHarmed } from '../server/backup.ts'
import type { Sql } from '../server/connect.ts'
import { besideBackup } from '../sql/backups.ts'
import type { Plan } from '../sql/plan.ts'
import { besideCopy } from '../sql/replicas.ts'
import { type GroupCost, usableIndex } from './plan/strategy.ts'
import { type InBatch, planGroup } from './plan-group.ts'

/** The swap of a view, together with the views that read it, if there are any. */
export interface Swap {
  /** What stands in the way; empty if nothing does. */
  obstacles: Obstacle[]
  /** Undefined: the view is swapped alone. */
  cost: GroupCost | undefined
  /** The refusal to harm the backup that somebody makes; null: nobody does. */
  brokenBackup: Problem | null
  plan(options: RunOptions): Plan
}

interface SwapOptions extends Patience {
  wanted: Strategy
  usual: UsualDurations | null
  withoutChecks?: boolean | undefined
  inBatch?: InBatch | undefined
}

/** Plans the swap of the view as it is in the snapshot. `gone`: the view was exchanged or dropped meanwhile. */
export async function planSwap(
  sql: Sql,
  view: ViewFacts,
  snapshot: ViewSnapshot,
  options: SwapOptions,
): Promise<Swap | 'gone'> {
  const { wanted, inBatch } = options
  const mayBeConcurrent = wanted === 'auto' && usableIndex(view) !== undefined
  const isRead = isReadByViews(snapshot.live)
  const isRefreshedAlone = isRead && mayBeConcurrent && inBatch !== undefined
  const group =
    isRead && !isRefreshedAlone
      ? // Another strategy need not wait for a lock on a reader.
        await planGroup(sql, view, { ...options, patience: wanted === 'swap' ? options : null })
      : null
  if (group === 'gone') return group
  const [{ backup, copy }, obstacles] = await Promise.all([
    readHarmed(sql),
    group?.refusals ?? (isRefreshedAlone ? [] : readObstacles(sql, swapRequirements(snapshot.live))),
  ])
  return {
    obstacles: isRefreshedAlone
      ? [obstacle('a batch refreshes a view with a usable unique index without the views that read it')]
      : [
          ...(backup !== null && mayBeConcurrent ? [obstacle(besideBackup(backup))] : []),
          ...(copy !== null && wanted === 'auto' ? [obstacle(besideCopy(copy))] : []),
          ...obstacles,
        ],
    cost: group?.cost,
    brokenBackup: backup === null ? null : brokenBackup(backup),
    plan: (run) => group?.plan(run) ?? planRebuild(alone(view.oid, snapshot), view, run),
  }
}
