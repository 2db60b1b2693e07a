import type { RunError } from '../../plan/run.ts'
import type { Sql } from '../server/connect.ts'
import { endsNow, hasStatus, type Transition } from './transition.ts'

/** The twin of a run is dropped, because its group is not exchanged. */
export const givingUp: Transition = {
  from: ['built'],
  to: ['skipped'],
  proof: 'the group of the view is given up in the same transaction, and the batch goes on',
}

/** The statement that ends the built runs of these definitions in a batch. */
export const endBuilt = (sql: Sql, batchId: string, definitionIds: number[], error: RunError) => sql`
  update viewkeeper.runs r set status = 'skipped', ${sql.unsafe(endsNow)}, group_run_id = null,
           as_of = null, held_back_by = null, filled = null, inputs = null, touched = null, error = ${sql.json(error as never)}
   where r.batch_id = ${batchId} and ${sql.unsafe(hasStatus(givingUp.from))}
     and r.definition_id in (select value::integer from jsonb_array_elements_text(${sql.json(definitionIds)}))
  returning *`
