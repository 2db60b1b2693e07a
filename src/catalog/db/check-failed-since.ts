import type { Sql } from '../../server/connect.ts'

/** Since when checks hold the data of view k back, of which a check failed the last refresh. */
export const checkFailedSince = (sql: Sql) => sql`
  (select min(r.finished_at) from viewkeeper.runs r
    where r.definition_id = k.id and r.status = 'failed' and r.error ->> 'class' = 'CheckFailed'
      and r.finished_at > coalesce(k.last_success_at, '-infinity'))`
