import type { BatchView } from '../../db/batches/batch-views.ts'
import type { Batch } from '../../db/batches/batches.ts'
import { type PlanBasis, readPlanBasis } from '../../db/batches/latest-runs.ts'
import type { Sql } from '../../db/server/connect.ts'
import { type PlannedRefresh, planRefresh } from '../runs/plan-refresh.ts'

/** Plans of views that will have their turn soon, so that no time is lost then. */
export interface PlannedAhead {
  /** Plans these, one after the other and beside everything else; those of an earlier call that are not among them are left. */
  expect(views: BatchView[]): void
  /** The plan of a view, once; undefined where there is none. */
  take(view: BatchView): PlanAhead | undefined
}

/** A plan, and what it stands on besides what the server compares itself. */
export interface PlanAhead {
  planned: PlannedRefresh
  basis: PlanBasis
  /** Epoch milliseconds. */
  madeAt: number
}

/** Plans ahead on a connection of its own. What goes wrong is left to show when the view has its turn. */
export function planAhead(sql: Sql, batch: Batch): PlannedAhead {
  const plans = new Map<number, PlanAhead>()
  const tried = new Set<number>()
  let expected: BatchView[] = []
  let busy = false

  const work = async () => {
    busy = true
    for (let view = expected.shift(); view !== undefined; view = expected.shift()) {
      if (tried.has(view.id)) continue
      tried.add(view.id)
      try {
        const madeAt = Date.now()
        const basis = await readPlanBasis(sql, view)
        if (basis === undefined || basis.paused || basis.allPaused || basis.runningRunId !== null) continue
        const planned = await planBatchRefresh(sql, batch, view, basis)
        if (!planned.locked) plans.set(view.id, { planned, basis, madeAt })
      } catch {}
    }
    busy = false
  }

  return {
    expect(views) {
      expected = views.filter(({ id }) => !tried.has(id))
      if (!busy) void work()
    },
    take(view) {
      const plan = plans.get(view.id)
      plans.delete(view.id)
      return plan
    },
  }
}

/** A refresh as part of a batch: where another run of the view is running, it waits for that. */
export const planBatchRefresh = (
  sql: Sql,
  { strategy }: Batch,
  view: BatchView,
  definition: Parameters<typeof planRefresh>[2],
): Promise<PlannedRefresh> =>
  planRefresh(sql, view, definition, { strategy: strategy ?? undefined, ifRunning: 'wait' })
