import type { Sql } from '../server/connect.ts'

/**
 * By definition, the retry that waits for its time or for its turn, of a view that nobody has refreshed since: which run failed and why,
 * and the earliest start of the next attempt. For `join`.
 */
export const waitingRetry = (sql: Sql) => sql`
  select distinct on (r.definition_id) r.definition_id,
         jsonb_build_object('runId', failed.id, 'at', r.not_before, 'message', left(failed.error ->> 'message', 300)) as retry
    from viewkeeper.runs r
    join viewkeeper.runs failed
      on failed.batch_id = r.batch_id and failed.definition_id = r.definition_id and failed.attempt = r.attempt - 1
   where r.status = 'pending' and r.not_before is not null
     and not exists (select from viewkeeper.runs later
                      where later.definition_id = r.definition_id and later.finished_at > failed.finished_at
                        and later.operation = 'refresh' and later.status = 'success')
   order by r.definition_id, r.not_before`
