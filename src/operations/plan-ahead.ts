import { readAttemptBasis } from '../db/attempts.ts'
import type { BatchView } from '../db/batch-views.ts'
import type { Batch } from '../db/batches.ts'
import type { Sql } from '../db/connect.ts'
import { type PlannedRefresh, planRefresh } from './plan-refresh.ts'

/** Plans of views that will have their turn soon, so that no time is lost then. */
export interface PlannedAhead {
  /** Plans these, one after the other and beside everything else; those of an earlier call that are not among them are left. */
  expect(views: BatchView[]): void
  /** The plan of a view; undefined where there is none, or where it does not hold any more. */
  take(view: BatchView, basis: object, facts: object | undefined): PlannedRefresh | undefined
}

/** Plans ahead on a connection of its own. What goes wrong is left to show when the view has its turn. */
export function planAhead(sql: Sql, batch: Batch): PlannedAhead {
  const plans = new Map<number, { on: string; planned: PlannedRefresh }>()
  const tried = new Set<number>()
  let expected: BatchView[] = []
  let busy = false

  const work = async () => {
    busy = true
    for (let view = expected.shift(); view !== undefined; view = expected.shift()) {
      if (tried.has(view.id)) continue
      tried.add(view.id)
      try {
        const basis = await readAttemptBasis(sql, view)
        if (basis === undefined || basis.runningRunId !== null) continue
        const planned = await planBatchRefresh(sql, batch, view, basis)
        if (!planned.locked) plans.set(view.id, { on: planOn(basis, planned.view), planned })
      } catch {}
    }
    busy = false
  }

  return {
    expect(views) {
      expected = views.filter(({ id }) => !tried.has(id))
      if (!busy) void work()
    },
    take(view, basis, facts) {
      const found = plans.get(view.id)
      plans.delete(view.id)
      return found !== undefined && facts !== undefined && found.on === planOn(basis, facts)
        ? found.planned
        : undefined
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

/** What a plan stands on, to be compared: what else a swap stands on, the server compares itself. */
const planOn = (basis: object, facts: object): string => JSON.stringify([basis, facts])
