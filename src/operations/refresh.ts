import { type QualifiedName, readView } from '../db/catalog.ts'
import type { Sql } from '../db/connect.ts'
import { type DefinitionDefaults, ensureDefinition } from '../db/definitions.ts'
import { readSwapBasis } from '../db/swap-facts.ts'
import type { RowCountStrategy } from '../plan/counting.ts'
import { planConcurrentRefresh, planRegularRefresh, type RunOptions } from '../plan/refresh.ts'
import { readSettings } from '../plan/settings.ts'
import { chooseStrategy, needsSwapFacts, type Strategy } from '../plan/strategy.ts'
import { planSwap, type SwapBasis } from '../plan/swap.ts'
import { lockedRefusal, swapRefusals } from '../plan/swap-refusals.ts'
import type { Call } from './call.ts'
import { resolveName } from './name.ts'
import { operate } from './operate.ts'
import { type Planned, performRun } from './perform.ts'
import type { Result } from './result.ts'

/** What a refresh may be asked; what is left open, the view's definition answers. */
export interface RefreshRequest {
  /** The view's name as SQL reads it, or its id. */
  view: string
  strategy?: Strategy | undefined
  rowCountStrategy?: RowCountStrategy | undefined
  /** The longest the refresh may take, waiting for locks included. */
  timeoutSeconds?: number | undefined
}

/** Refreshes a view: reads the facts, plans, has the server do it, and answers with the record. */
export const refresh = (request: RefreshRequest, call: Call): Promise<Result> =>
  operate('refresh', request, call, async (sql, asked) => {
    const name = await resolveName(sql, request.view)
    const view = await readView(sql, name)
    const definition = await ensureDefinition(sql, view)
    const run = { ...asked, ...name, definitionId: definition.id }
    return performRun(sql, call, run, () => planRefresh(sql, name, definition, request))
  })

/** The view is read anew for every plan: another run may just have exchanged it. */
async function planRefresh(
  sql: Sql,
  name: QualifiedName,
  definition: DefinitionDefaults,
  request: RefreshRequest,
  tries = 5,
): Promise<Planned> {
  const asked = request.strategy ?? definition.strategy
  const view = await readView(sql, name)
  const swap = needsSwapFacts(asked, view) ? await readSwapBasis(sql, view.oid) : 'locked'
  if (swap === 'gone' && tries > 1) return planRefresh(sql, name, definition, request, tries - 1)
  const refusals = typeof swap === 'string' ? [lockedRefusal] : swapRefusals(swap.facts, swap.rights)
  const choice = chooseStrategy(asked, view, refusals)
  const timeoutSeconds = request.timeoutSeconds ?? definition.timeoutSeconds
  const options: RunOptions = {
    rowCountStrategy: request.rowCountStrategy ?? definition.rowCountStrategy,
    timeoutSeconds,
    ifRunning: 'skip',
    settings: readSettings(view.view, definition.settings),
  }
  const plans = {
    regular: () => planRegularRefresh(view, options),
    concurrent: () => planConcurrentRefresh(view, options),
    swap: () => planSwap(view, swap as SwapBasis, options),
  }
  return { plan: plans[choice.strategy](), timeoutSeconds, response: { ...choice } }
}
