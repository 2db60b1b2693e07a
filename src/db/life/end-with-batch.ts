import type { BatchEnd } from '../../plan/batches/end.ts'
import type { Sql } from '../server/connect.ts'
import { endsNow, hasStatus, type Transition } from './transition.ts'

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
