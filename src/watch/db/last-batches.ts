import type { Sql } from '../../server/connect.ts'
import type { BatchFacts } from '../diagnosis/standing.ts'

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
