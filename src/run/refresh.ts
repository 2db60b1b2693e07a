import type { Strategy } from '../catalog/plan/definition.ts'
import type { ViewFacts } from '../catalog/plan/live-view.ts'
import { type DefinitionDefaults, ensureDefinition, findDefaults } from '../record/definitions/definitions.ts'
import { readView } from '../record/definitions/look.ts'
import { readUsualDurations } from '../record/runs/past.ts'
import { giveKeyBack, hasExchangedMeanwhile, type RunRow, readRun } from '../record/runs/runs.ts'
import { findRecentSuccess, pauseReason, readPause, skipped } from '../record/runs/skip.ts'
import type { Sql } from '../server/database.ts'
import type { QualifiedName } from '../words/names.ts'
import { isScheduled, type RunError, type UsualDurations } from '../words/run.ts'
import { answer, type Call, deadlineOf, type Result, waitForRun } from './call.ts'
import { execute, type OperationTarget, patienceOf } from './execute.ts'
import type { AskedSlices } from './plan/strategy.ts'
import { planRefresh } from './plan-refresh.ts'
import { skippedUnchanged } from './planned-run.ts'

/** A request for a refresh. The view's definition supplies what the request leaves open. */
export interface RefreshRequest {
  /** The view's name as SQL reads it, or its id. */
  view: string
  strategy?: Strategy | undefined
  /** The time limit of the refresh, including waits for locks. */
  timeoutSeconds?: number | undefined
  /** Refreshes even if the view is paused, was refreshed within its minimum interval, or cannot have changed. Default: false. */
  force?: boolean | undefined
  /** Shows the new data without the checks of the definition. Default: false. */
  withoutChecks?: boolean | undefined
  /** Computes only these rows anew. Such a refresh is the answer to no other request. */
  slices?: AskedSlices | undefined
}

/**
 * Refreshes a view, in this order: finds it, with its definition and pauses (below); plans the run (`plan-refresh.ts`, with the
 * strategy of `plan/strategy.ts`); records and sends it (`execute.ts`, `send.ts`); the server does the work (`record/envelope/`) and
 * records the end, which is the answer. Without `force`, a paused view is skipped, and within the view's minimum interval the
 * answer is the run that last filled the view. If a refresh of the view goes on that does what people ask for, its end is the
 * answer. If a run of another view is in the way, which exchanges views that this one would, it begins anew after that.
 */
export async function refresh(request: RefreshRequest, call: Call): Promise<Result> {
  for (let tries = 1; ; tries++) {
    const result = await execute({ name: 'refresh', find, plan }, request, call)
    const mayPlanAgain = tries <= mostPlans && (await becauseOfOthers(result, call))
    const joined = mayPlanAgain ? 'again' : await join(result, request, call)
    if (joined !== 'again') return joined
  }
}

/** A rebuild is planned again so many times because others have exchanged views meanwhile. */
const mostPlans = 3

interface RefreshTarget extends OperationTarget {
  view: ViewFacts
  definition: DefinitionDefaults
  /** Why the view is not refreshed at present; null if nothing is paused. */
  pause: string | null
  /** What strategy "auto" goes by. Undefined: the request names another one. */
  usual: UsualDurations | undefined
}

async function find(
  sql: Sql,
  name: QualifiedName,
  { force, strategy = 'auto', slices }: RefreshRequest,
  { trigger }: Call,
): Promise<RefreshTarget> {
  const mayPause = !force && isScheduled(trigger)
  const [view, known, allPaused, recentRunId, [usual]] = await Promise.all([
    readView(sql, name),
    findDefaults(sql, name),
    mayPause ? readPause(sql) : null,
    force || slices ? undefined : findRecentSuccess(sql, name),
    strategy === 'auto' ? readUsualDurations(sql, [name]) : [],
  ])
  const definition = known ?? (await ensureDefinition(sql, name))
  const { id, paused } = definition
  const pause = force ? null : pauseReason({ paused, allPaused: allPaused !== null }, trigger)
  return {
    definitionId: id,
    view,
    definition,
    pause,
    usual,
    recentRunId: pause === null && view.populated ? recentRunId : undefined,
  }
}

const plan = async (
  sql: Sql,
  name: QualifiedName,
  { view, definition, pause, usual }: RefreshTarget,
  request: RefreshRequest,
  call: Call,
) => {
  if (pause !== null) return skipped(pause)
  // A request that names the view wants a refresh.
  const mayBeUnneeded = isScheduled(call.trigger) && !call.hasChanged && !request.force
  const unneeded = mayBeUnneeded && (await skippedUnchanged(sql, definition.id))
  if (unneeded) return unneeded
  const { until } = patienceOf(call, request.timeoutSeconds ?? definition.timeoutSeconds)
  return planRefresh(sql, name, definition, { ...request, ifRunning: 'skip', until, seen: view, usual })
}

/** The end of the run that goes on, if one is in the way. If it does something else: the refusal, with the difference. */
async function join(refused: Result, request: RefreshRequest, call: Call): Promise<Result | 'again'> {
  const runId = refused.error?.runningRunId
  if (runId === undefined) return refused
  return call.database.withConnection(
    async (sql) => {
      const running = await readRun(sql, runId)
      if (running === undefined) return refused
      if (running.view !== refused.view) {
        await waitForRun(sql, runId, call.waitUntil)
        if (Date.now() >= call.waitUntil) return refused
        await giveKeyBack(sql, refused.runId)
        return 'again'
      }
      if (isScheduled(call.trigger)) return refused
      const difference = differenceOf(running, request)
      if (difference !== null)
        return { ...refused, error: { ...(refused.error as RunError), hint: difference } }
      await waitForRun(sql, runId, call.waitUntil)
      return { ...(await answer(sql, runId)), coalesced: true }
    },
    { deadline: deadlineOf(call) },
  )
}

/** Whether a rebuild has found another catalog because another run has exchanged views meanwhile, and there is time for it. */
const becauseOfOthers = async ({ runId, error }: Result, call: Call): Promise<boolean> =>
  error?.class === 'CatalogChanged' &&
  Date.now() < call.waitUntil &&
  call.database.withConnection((sql) => hasExchangedMeanwhile(sql, runId), { deadline: deadlineOf(call) })

/** How a run differs from what a request wants, and what to type; null: in nothing that the request says. */
function differenceOf(
  { id, operation, meta }: RunRow,
  { strategy = 'auto', withoutChecks = false, slices }: RefreshRequest,
): string | null {
  const differences = [
    operation === 'refresh' ? null : `it is a ${operation}`,
    strategy === 'auto' || strategy === meta.response.strategy
      ? null
      : `its strategy is ${meta.response.strategy}, not ${strategy}`,
    withoutChecks === (meta.request.withoutChecks === true)
      ? null
      : `it ${withoutChecks ? 'makes the checks' : 'leaves the checks out'}`,
    slices || meta.request.slices ? 'only one of both is by slices, or each is by its own' : null,
  ].filter((each) => each !== null)
  return differences.length === 0
    ? null
    : `It does not do what you ask for: ${differences.join(', and ')}. Wait for its end, or end it with "viewkeeper cancel ${id}"; then ask again.`
}
