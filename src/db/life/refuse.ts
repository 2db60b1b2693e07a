import type { RunError } from '../../plan/run.ts'
import { mayRetry } from '../../problem.ts'
import type { Sql } from '../server/connect.ts'
import { endsNow, hasStatus, type Transition } from './transition.ts'

/** A run ends whose plan was refused, or which nobody could send. */
export const refusal: Transition = {
  from: ['pending'],
  to: ['failed', 'skipped'],
  proof: 'the server has not claimed the run',
}

/** How a run ends whose plan was refused. A run that is not needed has not failed. */
export const endOfRefused = ({ class: why }: RunError): 'failed' | 'skipped' =>
  why === 'AlreadyRunning' ? 'skipped' : 'failed'

/** Closes a pending run with the error. Does nothing if the server has claimed the run. */
export async function closeUnclaimed(sql: Sql, id: number, error: RunError): Promise<void> {
  await sql`
    update viewkeeper.runs r set status = ${endOfRefused(error)}, ${sql.unsafe(endsNow)}, duration_ms = 0, error = ${sql.json(error as never)},
           idempotency_key = case when ${mayRetry(error.class)} then null else idempotency_key end
     where (r.id = ${id} or r.group_run_id = ${id}) and ${sql.unsafe(hasStatus(refusal.from))}`
}
