import type { Sql } from '../server/connect.ts'

/** A view whose refresh failed in a batch, and is tried again at a later moment. */
export interface WaitingRetry {
  definitionId: number
  /** The failed run. */
  runId: number
  /** The earliest start of the next attempt. */
  at: Date
  /** Why the attempt before failed. */
  message: string | null
}

/** The retries that wait for their time, of views that nobody has refreshed since. */
export const readWaitingRetries = (sql: Sql): Promise<WaitingRetry[]> => sql<WaitingRetry[]>`
  select r.definition_id as "definitionId", failed.id as "runId", r.not_before as at, left(failed.error ->> 'message', 300) as message
    from viewkeeper.runs r
    join viewkeeper.runs failed
      on failed.batch_id = r.batch_id and failed.definition_id = r.definition_id and failed.attempt = r.attempt - 1
   where r.status = 'pending' and r.not_before > clock_timestamp()
     and not exists (select from viewkeeper.runs later
                      where later.definition_id = r.definition_id and later.id > failed.id
                        and later.operation = 'refresh' and later.status = 'success')`
