import { findUnchanged } from '../catalog/db/unchanged.ts'
import type { PlannedRefresh } from '../run/plan-refresh.ts'
import type { Sql } from '../server/connect.ts'
import type { BatchView } from './db/batch-views.ts'
import type { Batch } from './db/batches.ts'
import { type PlanBasis, readPlanBasis } from './db/latest-runs.ts'
import { mayLeaveOut } from './plan/selection.ts'
import { planAlone } from './plan-in-batch.ts'

/** Plans that are made before their views have their turn, so that no time is lost then. */
export interface PlannedAhead {
  /** Plans these views in the background, instead of what is left of an earlier call. */
  expect(views: BatchView[]): void
  /** Takes the plan of a view; undefined if there is none, or none any more, or if it is older. */
  take(view: BatchView, maxAgeMs?: number): PlanAhead | undefined
}

/** A plan, and the state that the plan depends on but the claim does not compare. */
interface PlanAhead {
  planned: PlannedRefresh
  basis: PlanBasis
  /** Epoch milliseconds. */
  madeAt: number
}

/** So many plans are made at once: their statements travel together. */
const mostAtOnce = 4

/** Plans ahead on `sql`, in the background. Errors are ignored: planning in the view's turn shows them. */
export function planAhead(sql: Sql, batch: Batch): PlannedAhead {
  const plans = new Map<number, PlanAhead>()
  const tried = new Set<number>()
  let expected: BatchView[] = []
  let busy = 0

  const work = async () => {
    busy++
    for (let view = expected.shift(); view !== undefined; view = expected.shift()) {
      if (tried.has(view.id)) continue
      tried.add(view.id)
      try {
        const madeAt = Date.now()
        const basis = await readPlanBasis(sql, batch, view)
        if (basis === undefined || basis.paused || basis.allPaused) continue
        if (basis.runningRunId !== null || basis.refreshedSince) continue
        // Its turn may come with a proof that nothing is to be done.
        if (mayLeaveOut(batch) && (await findUnchanged(sql, view.id)) !== undefined) continue
        plans.set(view.id, { planned: await planAlone(sql, batch, view, basis), basis, madeAt })
      } catch {}
    }
    busy--
  }

  return {
    expect(views) {
      expected = views.filter(({ id }) => !tried.has(id))
      while (busy < Math.min(mostAtOnce, expected.length)) void work()
    },
    take(view, maxAgeMs = Number.POSITIVE_INFINITY) {
      const plan = plans.get(view.id)
      if (plan === undefined || Date.now() - plan.madeAt > maxAgeMs) return undefined
      plans.delete(view.id)
      return plan
    },
  }
}
