import type { Unchanged } from '../../plan/run.ts'
import type { Sql } from '../server/connect.ts'
import { endsNow, hasStatus, type Transition } from './transition.ts'

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
