import { executeStatements, StatementRefused } from '../../db/runs/statements.ts'
import type { Sql } from '../../db/server/connect.ts'
import { inPlaceOf } from '../../plan/acting.ts'
import { type AsideItem, isView } from '../../plan/aside/items.ts'
import { analyze } from '../../plan/runs/counting.ts'

/** Gives the planner statistics of the views that were filled. A failure changes nothing: autovacuum does the same later. */
export async function analyzeAll(sql: Sql, items: AsideItem[]): Promise<void> {
  for (const { live, populated } of items.filter(isView)) {
    if (live.view.kind === 'view' || !populated) continue
    await executeStatements(sql, inPlaceOf(live.view.owner, [analyze(live.view)]), false).catch((error) => {
      if (!(error instanceof StatementRefused)) throw error
    })
  }
}
