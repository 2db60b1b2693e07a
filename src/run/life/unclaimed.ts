import type { RunError, Unchanged } from '../../catalog/plan/run.ts'
import { mayRetry } from '../../problem.ts'
import type { Sql } from '../../server/connect.ts'
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

/** A run ends that is not needed any more. */
export const skipping: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'the server has not claimed the run',
}

/** Closes a pending run as skipped, with the reason. Does nothing if the server has claimed the run. */
export async function skipUnclaimed(
  sql: Sql,
  id: number,
  because: string,
  unchanged?: Unchanged,
): Promise<void> {
  await sql`
    update viewkeeper.runs r set status = 'skipped', ${sql.unsafe(endsNow)}, duration_ms = 0,
           as_of = ${unchanged?.asOf ?? null}::text::timestamptz, held_back_by = ${unchanged?.heldBackBy ?? null},
           meta = jsonb_set(meta, '{response}', ${sql.json({ because })})
     where (r.id = ${id} or r.group_run_id = ${id}) and ${sql.unsafe(hasStatus(skipping.from))}`
}

/** The runs of the other members of a group end, because the pending run that they follow gets another plan. */
export const planningAgain: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'the run follows the run that gets another plan',
}

/** The statement that ends the runs which follow run `id`. */
export const endFollowers = (sql: Sql, id: number) => sql`
  update viewkeeper.runs r set status = 'skipped', ${sql.unsafe(endsNow)}, duration_ms = 0,
         meta = jsonb_set(meta, '{response,because}', '"the refresh of the group was planned again"')
   where r.group_run_id = ${id} and ${sql.unsafe(hasStatus(planningAgain.from))}`
