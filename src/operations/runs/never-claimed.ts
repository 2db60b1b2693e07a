import type { Sql } from '../../db/server/connect.ts'
import { lockIsHeld } from '../../db/server/lock-keys.ts'
import { Problem } from '../../problem.ts'

/** Why the server does not claim a pending run, however often the run is sent. */
export const neverClaimed = async (sql: Sql, runId: number): Promise<Problem> =>
  (await lockIsHeld(sql, runId, `run ${runId}`)) ??
  new Problem(
    'CatalogChanged',
    'The server never claimed the run: the view or the run kept changing, or the connection broke. Try again.',
  )
