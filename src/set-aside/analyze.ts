import { inPlaceOf } from '../catalog/plan/rights.ts'
import { executeStatements, StatementRefused } from '../rebuild/db/statements.ts'
import { analyze } from '../rebuild/plan/counting.ts'
import type { Sql } from '../server/connect.ts'
import type { AsideView } from './plan/items.ts'

/** Gives the planner statistics of the views that were filled. A failure changes nothing: autovacuum does the same later. */
export async function analyzeAll(sql: Sql, items: AsideView[]): Promise<void> {
  for (const { live, populated } of items) {
    if (live.view.kind === 'view' || !populated) continue
    await executeStatements(sql, inPlaceOf(live.view.owner, [analyze(live.view)]), false).catch((error) => {
      if (!(error instanceof StatementRefused)) throw error
    })
  }
}
