import type { Sql } from '../server/connect.ts'
import { hasStatus, type Transition } from './transition.ts'

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
