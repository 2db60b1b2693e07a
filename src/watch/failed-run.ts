import type { Sql } from '../server/connect.ts'
import { utc } from '../sql/words.ts'
import { readFailedRun } from './db/failed-run.ts'
import type { Cause } from './diagnosis/cause.ts'
import { runCause } from './diagnosis/run-cause.ts'

/** Why a run has failed or was canceled, as `why` tells it; undefined if it has ended otherwise, or goes on. */
export async function readCause(
  sql: Sql,
  runId: number,
  environment: string | null,
): Promise<Cause | undefined> {
  const run = await readFailedRun(sql, runId)
  return run && runCause(run, run, { environment, clock: utc, longest: Infinity })
}
