import type { BatchEnd, RunError } from '../../catalog/plan/run.ts'
import type { Sql } from '../../server/connect.ts'
import { endsNow, hasStatus, type Transition } from './transition.ts'

/** An attempt in a batch ends because a view that its view reads has failed for good. */
export const missedTurn: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'the batch goes on',
}

/** For an insert of the ended attempt, `on conflict`: ends the attempt that is there. */
export const endPendingAttempt = (sql: Sql) => sql`
  do update set status = 'skipped', plan = null, finished_at = excluded.finished_at, updated_at = excluded.finished_at,
                duration_ms = 0, error = excluded.error
     where ${sql.unsafe(hasStatus(missedTurn.from, 'runs'))}`

/** The shadow of a run is dropped, because its group is not exchanged. */
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

/** A run ends because nobody advances its batch any more. */
export const endingWithBatch: Transition = {
  from: ['pending', 'built'],
  to: ['failed', 'canceled'],
  proof:
    'nobody has advanced the batch for long, the batch ends in the same transaction, and none of its runs is running',
}

/** Ends the open runs of a batch, and the runs that follow them, as the batch itself. */
export async function endRunsOfBatch(sql: Sql, batchId: string, { status, error }: BatchEnd): Promise<void> {
  await sql`
    update viewkeeper.runs r set status = ${status}, ${sql.unsafe(endsNow)}, duration_ms = coalesce(duration_ms, 0),
           error = ${sql.json(error as never)}
     where (r.batch_id = ${batchId} or r.group_run_id in (select l.id from viewkeeper.runs l where l.batch_id = ${batchId}))
       and ${sql.unsafe(hasStatus(endingWithBatch.from))}`
}
