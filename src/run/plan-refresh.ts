import type { Strategy } from '../catalog/plan/definition.ts'
import type { ViewFacts } from '../catalog/plan/live-view.ts'
import { type Obstacle, obstacle } from '../catalog/plan/rights.ts'
import type { RefreshStrategy, RunOptions } from '../rebuild/plan/fill.ts'
import type { DefinitionDefaults } from '../record/definitions/definitions.ts'
import { lookAtView, type Patience } from '../record/definitions/look.ts'
import { readChecking, readUsualDurations } from '../record/runs/past.ts'
import type { Sql } from '../server/database.ts'
import { lookAgain } from '../server/transactions.ts'
import { type RunPlan, statementsOf } from '../sql/run-plan.ts'
import { readSettings } from '../sql/settings.ts'
import type { QualifiedName } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import type { UsualDurations } from '../words/run.ts'
import { concurrent, regular } from './plan/in-place.ts'
import {
  type AskedSlices,
  type Choice,
  chooseStrategy,
  type InBatch,
  needsSnapshot,
  type Swap,
  shortMs,
  usableIndex,
} from './plan/strategy.ts'
import type { PlannedRun } from './planned-run.ts'

/** What a plan takes from the request. The definition supplies what the request leaves open. */
interface RefreshPlanOptions extends Patience {
  strategy?: Strategy | undefined
  timeoutSeconds?: number | undefined
  ifRunning: RunPlan['ifRunning']
  /** Shows the new data without checks. */
  withoutChecks?: boolean | undefined
  /** The view as it was read a moment ago. */
  seen?: ViewFacts
  /** What its refreshes took, if that was read with it. */
  usual?: UsualDurations | undefined
  /** The slices that are computed; default: all, or those that the change log names. */
  slices?: AskedSlices | undefined
  /** Set in a batch, which rebuilds other views more carefully: see `planGroup`. */
  inBatch?: InBatch
}

/** A planned refresh, and the view as it was when it was planned. */
export interface PlannedRefresh extends PlannedRun {
  view: ViewFacts
}

/**
 * Plans a refresh of the view as the catalog has it now. Throws UnknownView if the view is gone, and what `lookAtView`
 * throws if a lock keeps it from being read.
 */
export const planRefresh = (
  sql: Sql,
  name: QualifiedName,
  definition: DefinitionDefaults,
  request: RefreshPlanOptions,
): Promise<PlannedRefresh> => lookAgain(() => planAsSeen(sql, name, definition, request))

/** `gone`: the view was exchanged between the look at it and the look at what reads it. */
async function planAsSeen(
  sql: Sql,
  name: QualifiedName,
  definition: DefinitionDefaults,
  request: RefreshPlanOptions,
): Promise<PlannedRefresh | 'gone'> {
  const asked = request.strategy ?? definition.strategy
  const compares = definition.checks.differs !== undefined && !request.withoutChecks
  const wanted = compares && asked === 'auto' ? 'swap' : asked
  const usual = wanted === 'auto' ? (request.usual ?? (await readUsualDurations(sql, [name]))[0]!) : null
  const short = usual !== null ? shortMs(usual) : null
  const { view, snapshot } = await lookAtView(
    sql,
    name,
    (view) => view.query === null && short === null && needsSnapshot(wanted, view),
    request,
    request.seen,
  )
  if (compares && view.populated && wanted !== 'swap')
    throw new Problem('InvalidRequest', `${view.view}: ${comparesAside(wanted)}`, { field: 'strategy' })
  const timeoutSeconds = request.timeoutSeconds ?? definition.timeoutSeconds
  const options: RunOptions = {
    timeoutSeconds,
    ifRunning: request.ifRunning,
    settings: readSettings(view.view, definition.settings),
    insistsOnOwner: request.inBatch !== undefined,
    checking: request.withoutChecks ? null : await readChecking(sql, definition),
    otherwise: wanted === 'auto' && usableIndex(view) !== undefined,
  }
  if (view.query !== null) {
    const { planKept } = await import('../slices/keep.ts')
    // The strategy of a batch is that of its other views.
    const strategy = (request.inBatch === undefined ? request.strategy : undefined) ?? definition.strategy
    const hasLog = definition.slices !== null
    const asked = request.slices && { ...request.slices, by: request.slices.by ?? definition.slices?.by }
    const planned = await planKept(view, { ...request, ...options, sql, asked, strategy, hasLog })
    if (planned === 'gone') return planned
    if (definition.skipsUnchanged) planned.plan.counted = true
    return { ...planned, timeoutSeconds, view }
  }
  if (request.slices !== undefined)
    throw new Problem(
      'InvalidRequest',
      `${view.view} is a materialized view, which has no slices: write storage: 'table' into its definition.`,
      { field: 'slices' },
    )
  // A refresh that cannot swap does not load what this needs: a sixth of the function.
  const swap: Swap | 'gone' | null =
    snapshot === null
      ? null
      : await (await import('./plan-swap.ts')).planSwap(sql, view, snapshot, {
          ...request,
          usual,
          wanted,
        })
  if (swap === 'gone') return swap
  const strategies: Record<Choice['strategy'], RefreshStrategy> = { regular, concurrent, swap: swap as Swap }
  const choose = (refusals: Obstacle[]) => {
    const choice = chooseStrategy(wanted, view, refusals, swap?.cost, short)
    const plan = strategies[choice.strategy].plan(view, options)
    if (plan instanceof Problem) throw plan
    if (definition.skipsUnchanged) plan.counted = true
    const because = compares && asked === 'auto' ? comparesAside('swap') : choice.because
    return { plan, response: { ...choice, because } }
  }
  const { plan, response } = choose(swap?.obstacles ?? [])
  // Other views of the batch go on meanwhile.
  if (swap?.brokenBackup && request.inBatch !== undefined && response.strategy === 'swap')
    throw swap.brokenBackup
  if (wanted === 'auto' && response.strategy === 'swap') {
    const other = choose([obstacle('a swap was tried and failed')])
    plan.otherwise = { ...other, response: { ...other.response, sql: statementsOf(other.plan) } }
  }
  return { plan, timeoutSeconds, response, view }
}

/** Why a view with check `differs` is refreshed by swap, or not by another strategy. */
const comparesAside = (strategy: Strategy): string =>
  `check "differs" compares new data with those that readers see, which takes strategy "swap"${strategy === 'swap' ? '' : `, not "${strategy}". Use --without-checks to refresh it so`}`
