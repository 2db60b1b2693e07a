import type { Strategy } from '../catalog/plan/definition.ts'
import type { ViewFacts } from '../catalog/plan/live-view.ts'
import type { RunOptions } from '../rebuild/plan/fill.ts'
import type { DefinitionDefaults } from '../record/definitions/definitions.ts'
import { readSettings } from '../sql/settings.ts'
import { Problem } from '../words/problem.ts'
import type { UsualDurations } from '../words/run.ts'
import { concurrent, regular } from './plan/refresh.ts'
import { chooseStrategy, needsSnapshot, shortMs } from './plan/strategy.ts'
import type { PlannedRefresh } from './plan-refresh.ts'

/**
 * Plans a refresh of a view where it is, in a batch, by facts that were read with those of other views. Undefined if more has to be read
 * for it, or if it is refused.
 */
export function planInPlace(
  view: ViewFacts,
  definition: DefinitionDefaults,
  usual: UsualDurations,
  requested: Strategy | null,
): PlannedRefresh | undefined {
  const wanted = requested ?? definition.strategy
  const short = wanted === 'auto' ? shortMs(usual) : null
  const needsMore = view.query !== null || view.logs || Object.keys(definition.checks).length > 0
  if (needsMore || (short === null && needsSnapshot(wanted, view))) return undefined
  const { timeoutSeconds } = definition
  const options: RunOptions = {
    timeoutSeconds,
    ifRunning: 'wait',
    settings: readSettings(view.view, definition.settings),
    insistsOnOwner: true,
    checking: null,
  }
  const response = chooseStrategy(wanted, view, [], null, short)
  const plan = (response.strategy === 'concurrent' ? concurrent : regular).plan(view, options)
  if (plan instanceof Problem) return undefined
  if (definition.skipsUnchanged) plan.counted = true
  return { plan, timeoutSeconds, response, view }
}
