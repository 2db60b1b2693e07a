import type { Sql } from '../../db/server/connect.ts'
import { lockIsHeld } from '../../db/server/lock-keys.ts'
import { Problem } from '../../problem.ts'

/** Why nobody takes a pending run on, however often it is sent. */
export const neverClaimed = async (sql: Sql, runId: number): Promise<Problem> =>
  (await lockIsHeld(sql, runId, `run ${runId}`)) ??
  new Problem(
    'CatalogChanged',
    'The server never took the run on: the view or the run kept being changed, or the connection broke. Try again.',
  )
