import type { Sql } from '../../db/server/connect.ts'
import { lookAgain } from '../../db/server/look-again.ts'
import { readView } from '../../db/views/catalog.ts'
import type { DefinitionDefaults } from '../../db/views/definitions.ts'
import { readSnapshot } from '../../db/views/live-view.ts'
import type { QualifiedName } from '../../plan/names.ts'
import type { Plan } from '../../plan/plan.ts'
import { planConcurrentRefresh, planRegularRefresh, type RunOptions } from '../../plan/runs/refresh.ts'
import { chooseStrategy, needsSnapshot } from '../../plan/runs/strategy.ts'
import { planSwap, type ViewSnapshot } from '../../plan/runs/swap.ts'
import { lockedRefusal, swapRefusals } from '../../plan/runs/swap-refusals.ts'
import { readSettings } from '../../plan/settings.ts'
import type { RowCountStrategy, Strategy } from '../../plan/views/definition.ts'
import type { ViewFacts } from '../../plan/views/view-facts.ts'
import type { Planned } from './perform.ts'

/** What a plan takes from the request; what is left open, the definition answers. */
interface RefreshOptions {
  strategy?: Strategy | undefined
  rowCountStrategy?: RowCountStrategy | undefined
  timeoutSeconds?: number | undefined
  ifRunning: Plan['ifRunning']
}

/** A refresh as it is planned, and on what. */
export interface PlannedRefresh extends Planned {
  view: ViewFacts
  /** Somebody held a lock on the view, so that a swap was not considered. */
  locked: boolean
}

/** Plans a refresh on what the catalog says now. Throws UnknownView where the view is gone. */
export async function planRefresh(
  sql: Sql,
  name: QualifiedName,
  definition: DefinitionDefaults,
  request: RefreshOptions,
): Promise<PlannedRefresh> {
  const asked = request.strategy ?? definition.strategy
  const { view, swap } = await readFacts(sql, name, asked)
  const choice = chooseStrategy(asked, view, refusalsOf(swap))
  const timeoutSeconds = request.timeoutSeconds ?? definition.timeoutSeconds
  const options: RunOptions = {
    rowCountStrategy: request.rowCountStrategy ?? definition.rowCountStrategy,
    timeoutSeconds,
    ifRunning: request.ifRunning,
    settings: readSettings(view.view, definition.settings),
  }
  const plans = {
    regular: () => planRegularRefresh(view, options),
    concurrent: () => planConcurrentRefresh(view, options),
    swap: () => planSwap(view, swap as ViewSnapshot, options),
  }
  const plan = plans[choice.strategy]()
  return { plan, timeoutSeconds, response: { ...choice }, view, locked: swap === 'locked' }
}

/** What a swap would stand on; null where none is asked for. */
type Swap = ViewSnapshot | 'locked' | null

const refusalsOf = (swap: Swap): string[] => {
  if (swap === null) return []
  return swap === 'locked' ? [lockedRefusal] : swapRefusals(swap.live, swap.rights)
}

const readFacts = (
  sql: Sql,
  name: QualifiedName,
  asked: Strategy,
): Promise<{ view: ViewFacts; swap: Swap }> =>
  lookAgain(async () => {
    const view = await readView(sql, name)
    const swap = needsSnapshot(asked, view) ? await readSnapshot(sql, view.oid) : null
    return swap === 'gone' ? swap : { view, swap }
  })
