import { type RunNow, readRunNow } from '../run/read.ts'
import type { Database } from '../server/connect.ts'
import type { Cause } from './diagnosis/cause.ts'
import { readCause } from './failed-run.ts'

/** A run that has failed or was canceled has the cause. */
export type ExplainedRun = RunNow & { cause?: Cause }

/** One run; if it has failed or was canceled, with the cause, as `why` tells it. */
export const explainRun = (
  database: Database,
  runId: number,
  environment: string | null,
): Promise<ExplainedRun> =>
  database.withConnection(async (sql) => {
    const run = await readRunNow(sql, runId)
    const cause = run.error === null ? undefined : await readCause(sql, runId, environment)
    return cause === undefined ? run : { ...run, cause }
  })
