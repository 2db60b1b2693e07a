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
import { concurrent, regular } from './plan/refresh.ts'
import {
  type AskedOfStrategy,
  type Choice,
  chooseStrategy,
  type InBatch,
  needsSnapshot,
  type Swap,
  shortMs,
  usableIndex,
} from './plan/strategy.ts'
import type { PlannedRun } from './record.ts'

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
  /** What of the view is computed, in the words of the strategy that does it. */
  slices?: AskedOfStrategy | undefined
  /** Set in a batch, which rebuilds other views more carefully: see `planGroup`. */
  inBatch?: InBatch
}

/** A planned refresh, and the view as it was when it was planned. */
export interface PlannedRefresh extends PlannedRun {
  view: ViewFacts
}

/**
 * The strategy that has a room of its own, and fills the shadow of a swap in its own way: `slices`. It is loaded only for a view that it may concern.
 */
export const guest = async () => (await import('../slices/strategy.ts')).slices

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
  const part = request.slices
  const asked = part ? 'swap' : (request.strategy ?? definition.strategy)
  const compares = definition.checks.differs !== undefined && !request.withoutChecks
  const wanted = compares && asked === 'auto' ? 'swap' : asked
  const usual = wanted === 'auto' ? (request.usual ?? (await readUsualDurations(sql, name))) : null
  const short = usual !== null ? shortMs(usual) : null
  /** Whether the guest may have something to say: it was asked for a part of the view, or keeps a log beside it. */
  const mayFill = (view: ViewFacts) =>
    part !== undefined || (view.logs && view.populated && ['auto', 'swap'].includes(wanted))
  const { view, snapshot } = await lookAtView(
    sql,
    name,
    (view) => view.query === null && (mayFill(view) || (short === null && needsSnapshot(wanted, view))),
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
    ...(view.logs && { aroundAll: (await guest()).aroundAll(view) }),
  }
  if (view.query !== null) {
    const { planKept } = await import('../slices/strategy.ts')
    // The strategy of a batch is that of its other views.
    const strategy = (request.inBatch === undefined ? request.strategy : undefined) ?? definition.strategy
    const planned = await planKept(view, { ...options, sql, asked: part, strategy })
    if (planned === 'gone') return planned
    return { ...planned, timeoutSeconds, view }
  }
  const found =
    snapshot !== null && mayFill(view)
      ? await (await guest()).plan(view, { ...request, sql, asked: part })
      : undefined
  if (found === 'gone') return found
  const [filler, unused] = found instanceof Problem ? [undefined, found.message] : [found, undefined]
  // A refresh that cannot swap does not load what this needs: a sixth of the function.
  const swap: Swap | 'gone' | null =
    snapshot === null
      ? null
      : await (await import('./plan-swap.ts')).planSwap(sql, view, snapshot, {
          ...request,
          usual,
          wanted,
          filler,
        })
  if (swap === 'gone') return swap
  const strategies: Record<Choice['strategy'], RefreshStrategy> = { regular, concurrent, swap: swap as Swap }
  const choose = (refusals: Obstacle[]) => {
    const fills = refusals.length === 0 ? filler?.found : undefined
    const choice: Choice =
      filler && fills
        ? { strategy: 'swap', because: filler.words }
        : chooseStrategy(wanted, view, refusals, swap?.cost, short)
    const plan = strategies[choice.strategy].plan(view, options)
    if (plan instanceof Problem) throw plan
    if (definition.skipsUnchanged) plan.counted = true
    if (fills) return { plan, response: { ...choice, ...fills.answer } }
    const because = compares && asked === 'auto' ? comparesAside('swap') : choice.because
    const asksFor = filler && !filler.found ? [filler.words] : []
    return {
      plan,
      response: {
        ...choice,
        because: [[...asksFor, because].join(': '), unused ?? []].flat().join('; '),
        ...(unused !== undefined && { logUnused: true }),
      },
    }
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
