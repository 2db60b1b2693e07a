import { isUnneeded } from '../../catalog/db/failing.ts'
import { errorOf, mostOfText } from '../../run/db/runs.ts'
import type { Sql } from '../../server/connect.ts'
import type { RunFacts } from '../diagnosis/standing.ts'

/**
 * The last runs of these definitions, at most `most` of each: what has not ended first, then what ended last, because a retry may end
 * after a run that was requested later. Plans and answers are left out, and runs that another run was in the way of: they say nothing
 * about the view, and there may be one a minute.
 */
export const readLastRuns = (
  sql: Sql,
  definitionIds: number[],
  most: number,
): Promise<(RunFacts & { definitionId: number })[]> => sql<(RunFacts & { definitionId: number })[]>`
  select r.definition_id as "definitionId", r.id, r.operation, r.status, r.batch_id as "batchId",
         r.requested_at as "requestedAt", r.not_before as "notBefore", r.finished_at as "finishedAt",
         r.meta #>> '{response,strategy}' as strategy, left(r.meta #>> '{response,because}', ${mostOfText}) as because,
         ${sql.unsafe(errorOf('r', ['class', 'message', 'sqlstate', 'detail', 'hint']))} as error,
         exists (
           select from viewkeeper.batches b where b.id = r.batch_id and b.cancel_requested_at is not null) as "batchCanceled",
         r.unneeded
    from jsonb_array_elements_text(${sql.json(definitionIds)}) d(id)
   cross join lateral (
     select r.*, ${sql.unsafe(isUnneeded('r'))} as unneeded from viewkeeper.runs r
      where r.definition_id = d.id::integer and r.error ->> 'class' is distinct from 'AlreadyRunning' order by r.id desc limit ${most}) r
   order by r.finished_at desc nulls first, r.id desc`
