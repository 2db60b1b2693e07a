import type { Sql } from '../server/connect.ts'
import { endsNow, hasStatus, type Transition } from './transition.ts'

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
