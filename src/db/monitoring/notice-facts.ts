import type { EndedBatch, FailedRun, SlowRun, ToldTrouble } from '../../plan/monitoring/notice-facts.ts'
import { isSlow } from '../../plan/monitoring/runs.ts'
import type { Sql } from '../server/connect.ts'

/** The same failure of a view is told again after this time. */
const sameFailure = '12 hours'

/** More than this at once is told in pieces. */
const atOnce = 1000

const errorOf = (sql: Sql, error: string) => sql`
  jsonb_build_object('class', ${sql.unsafe(error)} ->> 'class', 'message', ${sql.unsafe(error)} ->> 'message',
                     'sqlstate', ${sql.unsafe(error)} ->> 'sqlstate')`

/** The troubles that last, and those whose end no notice has told of yet. */
export const readTold = (sql: Sql): Promise<ToldTrouble[]> => sql<ToldTrouble[]>`
  select t.trouble, t.name, t.told_at as "toldAt", t.began_at as "beganAt", t.over_at as "overAt",
         to_jsonb(moment.last) #>> '{}' as stamp, coalesce(t.noticed_at >= t.began_at, false) as known,
         coalesce(t.noticed_at < moment.last, true) as "isNews"
    from viewkeeper.told t cross join lateral (select greatest(t.told_at, t.over_at) as last) moment
   where t.over_at is null or coalesce(t.noticed_at < t.over_at, true)
   order by t.trouble, t.name`

/**
 * The failed runs of which no notice has told yet. Refusals that a caller may have got as an answer come last, so that
 * many of them hide no failure.
 */
export const readFailedRuns = (sql: Sql): Promise<FailedRun[]> => sql<FailedRun[]>`
  select r.id, format('%I.%I', r.schema_name, r.view_name) as view, r.operation, r.batch_id as "batchId", r.status,
         r.trigger, r.started_at as "startedAt", r.finished_at as "finishedAt", ${errorOf(sql, 'r.error')} as error,
         exists (
           select from viewkeeper.runs told
            where told.definition_id = r.definition_id and told.status = 'failed' and told.id < r.id
              and told.noticed_at > clock_timestamp() - ${sameFailure}::interval
              and (told.error ->> 'class', told.error ->> 'sqlstate')
                  is not distinct from (r.error ->> 'class', r.error ->> 'sqlstate')
              and not exists (
                select from viewkeeper.runs well
                 where well.definition_id = r.definition_id and well.id > told.id and well.id < r.id
                   and well.status = 'success' and well.fills)) as "goesOn"
    from viewkeeper.runs r where r.status = 'failed' and r.noticed_at is null
   order by (r.started_at is null and r.trigger in ('http', 'cli')), r.id limit ${atOnce}`

/** The batches that failed or were canceled, and of which no notice has told yet, oldest first. */
export const readEndedBatches = (sql: Sql): Promise<EndedBatch[]> => sql<EndedBatch[]>`
  select b.id, b.status, b.finished_at as "finishedAt", ${errorOf(sql, 'b.error')} as error,
         exists (select from viewkeeper.runs r where r.batch_id = b.id and r.status = 'failed') as "hasFailedRun"
    from viewkeeper.batches b where b.status in ('failed', 'canceled') and b.noticed_at is null
   order by b.serial limit ${atOnce}`

/** A run takes at most a day, and may have waited for another day. */
const longestLife = '2 days'

/** The slow refreshes that ended since a moment, newest first. */
export async function readSlowRuns(sql: Sql, since: Date): Promise<SlowRun[]> {
  const runs = await sql<SlowRun[]>`
    select r.id, format('%I.%I', r.schema_name, r.view_name) as view, r.duration_ms as "durationMs", usual.ms as "usualMs",
           r.finished_at as "finishedAt"
      from viewkeeper.runs r cross join lateral viewkeeper.usual_duration(r.definition_id, r.id) usual
     where r.id >= viewkeeper.first_run_since(${since}::timestamptz - ${longestLife}::interval)
       and r.operation = 'refresh' and r.status = 'success' and coalesce(r.published_at, r.finished_at) > ${since}
     order by r.id desc limit ${atOnce}`
  return runs.filter(({ durationMs, usualMs }) => isSlow(durationMs, usualMs))
}

/** The server's time. */
export async function readClock(sql: Sql): Promise<Date> {
  const [row] = await sql<[{ now: Date }]>`select clock_timestamp() as now`
  return row.now
}
