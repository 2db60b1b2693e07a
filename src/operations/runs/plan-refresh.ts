import type { Sql } from '../../db/server/connect.ts'
import type { DefinitionDefaults } from '../../db/views/definitions.ts'
import { lookAtView, type Patience } from '../../db/views/look.ts'
import { readReasons } from '../../db/views/rights.ts'
import type { QualifiedName } from '../../plan/names.ts'
import { type Plan, statementsOf } from '../../plan/plan.ts'
import { planConcurrentRefresh, planRegularRefresh, type RunOptions } from '../../plan/runs/refresh.ts'
import { chooseStrategy, needsSnapshot, usableIndex } from '../../plan/runs/strategy.ts'
import { planSwap } from '../../plan/runs/swap.ts'
import { isReadByViews, swapRefusals } from '../../plan/runs/swap-refusals.ts'
import { readSettings } from '../../plan/settings.ts'
import type { RowCountStrategy, Strategy } from '../../plan/views/definition.ts'
import type { ViewSnapshot } from '../../plan/views/live-view.ts'
import type { ViewFacts } from '../../plan/views/view-facts.ts'
import { type InBatch, planGroup } from './plan-group.ts'
import type { Planned } from './record.ts'

/** What a plan takes from the request. The definition supplies what the request leaves open. */
interface RefreshOptions extends Patience {
  strategy?: Strategy | undefined
  rowCountStrategy?: RowCountStrategy | undefined
  timeoutSeconds?: number | undefined
  ifRunning: Plan['ifRunning']
  /** Rebuilds views that read the view even if they are paused. */
  force?: boolean | undefined
  /** Set in a batch, which rebuilds other views more carefully: see `planGroup`. */
  inBatch?: InBatch
}

/** A planned refresh, and the view as it was when it was planned. */
export interface PlannedRefresh extends Planned {
  view: ViewFacts
}

/**
 * Plans a refresh of the view as the catalog has it now. Throws UnknownView if the view is gone, and what `lookAtView`
 * throws if a lock keeps it from being read.
 */
export async function planRefresh(
  sql: Sql,
  name: QualifiedName,
  definition: DefinitionDefaults,
  request: RefreshOptions,
): Promise<PlannedRefresh> {
  const wanted = request.strategy ?? definition.strategy
  const { view, snapshot } = await lookAtView(sql, name, (view) => needsSnapshot(wanted, view), request)
  const timeoutSeconds = request.timeoutSeconds ?? definition.timeoutSeconds
  const options: RunOptions = {
    rowCountStrategy: request.rowCountStrategy ?? definition.rowCountStrategy,
    timeoutSeconds,
    ifRunning: request.ifRunning,
    settings: readSettings(view.view, definition.settings),
  }
  const isRead = snapshot !== null && isReadByViews(snapshot.live)
  const hasOwnWay =
    request.inBatch !== undefined && wanted === 'auto' && isRead && usableIndex(view) !== undefined
  const group =
    isRead && !hasOwnWay
      ? // Another strategy need not wait for a lock on a reader.
        await planGroup(sql, view, definition.id, {
          ...request,
          patience: wanted === 'swap' ? request : null,
          wanted,
        })
      : null
  const plans = {
    regular: () => planRegularRefresh(view, options),
    concurrent: () => planConcurrentRefresh(view, options),
    swap: () => group?.plan(options) ?? planSwap(view, snapshot as ViewSnapshot, options),
  }
  const choose = (refusals: string[]) => {
    const choice = chooseStrategy(wanted, view, refusals, group?.cost)
    return { plan: plans[choice.strategy](), response: { ...choice } }
  }
  const { plan, response } = choose(
    hasOwnWay
      ? ['a batch refreshes a view with a usable unique index without the views that read it']
      : (group?.refusals ??
          (snapshot
            ? await readReasons(sql, swapRefusals(snapshot.live, snapshot.rights), wanted === 'swap')
            : [])),
  )
  if (wanted === 'auto' && response.strategy === 'swap') {
    const other = choose(['a swap was tried and failed'])
    plan.otherwise = { ...other, response: { ...other.response, sql: statementsOf(other.plan) } }
  }
  return { plan, timeoutSeconds, response, view }
}
