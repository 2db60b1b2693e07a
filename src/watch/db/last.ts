import { isUnneeded } from '../../catalog/db/failing.ts'
import { errorOf, mostOfText } from '../../run/db/history.ts'
import type { Sql } from '../../server/database.ts'
import type { BatchFacts, RunFacts } from '../diagnosis/cause.ts'

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

/** How far back a batch of a view is searched for. */
const newestBatches = 50

/** The newest batch of a definition. */
export interface LastBatch extends Omit<BatchFacts, 'waitsFor'> {
  definitionId: number
}

/**
 * The open batch of each of these definitions, or else the newest, if it is among the newest of all batches. A scheduled
 * batch that was skipped because of a pause has no views on record: it belongs to all views of its schedule.
 */
export const readLastBatches = (sql: Sql, definitionIds: number[]): Promise<LastBatch[]> => sql<LastBatch[]>`
  select distinct on (v.definition_id) v.definition_id as "definitionId", b.id, b.requested_at as "requestedAt",
         b.finished_at as "finishedAt", b.error
    from (select * from viewkeeper.batches order by serial desc limit ${newestBatches}) b
   cross join lateral (
     select definition_id from viewkeeper.batch_views where batch_id = b.id
     union all
     select d.id from viewkeeper.definitions d
      where b.status = 'skipped' and b.error ->> 'class' = 'Paused'
        and (b.selection @> '{"all": true}' and d.in_all
          or b.selection -> 'scheduled' = jsonb_build_object('schedule', d.schedule, 'timeZone', d.time_zone))) v
   where v.definition_id in (select value::integer from jsonb_array_elements_text(${sql.json(definitionIds)}))
   order by v.definition_id, b.finished_at is null desc, b.serial desc`
