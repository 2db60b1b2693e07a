import type {
  EndedBatch,
  FailedRun,
  MendedView,
  SlowRun,
  ToldTrouble,
} from '../../plan/monitoring/notice-facts.ts'
import { isSlow } from '../../plan/monitoring/runs.ts'
import { isWell } from '../runs/failing.ts'
import type { Sql } from '../server/connect.ts'

/** The same failure of a view is told again after this time. */
const sameFailure = '12 hours'

/** More than this at once is told in pieces. */
const atOnce = 1000

const errorOf = (sql: Sql, error: string) => sql`
  jsonb_build_object('class', ${sql.unsafe(error)} ->> 'class', 'message', ${sql.unsafe(error)} ->> 'message',
                     'sqlstate', ${sql.unsafe(error)} ->> 'sqlstate')`

/**
 * The oldest run that may have ended after this one: a run may end after runs that were requested later. As in `failing.ts`, that
 * is one of the latest 20.
 */
const mayEndAfter = (sql: Sql, run: string) => sql`
  (select min(few.id) from (
     select h.id from viewkeeper.runs h
      where h.definition_id = ${sql.unsafe(run)}.definition_id and h.id <= ${sql.unsafe(run)}.id order by h.id desc limit 20) few)`

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
            where told.definition_id = r.definition_id and told.status = 'failed'
              and (told.finished_at, told.id) < (r.finished_at, r.id)
              and told.noticed_at > clock_timestamp() - ${sameFailure}::interval
              and (told.error ->> 'class', told.error ->> 'sqlstate')
                  is not distinct from (r.error ->> 'class', r.error ->> 'sqlstate')
              and not exists (
                select from viewkeeper.runs well
                 where well.definition_id = r.definition_id and well.id >= ${mayEndAfter(sql, 'told')}
                   and well.finished_at between told.finished_at and r.finished_at and ${isWell(sql, 'well')})) as "goesOn"
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

/** A success from before this time is no news: nobody was told of ends then, or nobody wanted to know. */
const longestUntold = '1 day'

/**
 * The views that have succeeded since people were told of their last failure, each with its first success since then. A proof that
 * a refresh would change nothing is a success, too.
 */
export const readMended = (sql: Sql): Promise<MendedView[]> => sql<MendedView[]>`
  select well.id, format('%I.%I', well.schema_name, well.view_name) as view, failed.finished_at as "failedAt",
         well.finished_at as "mendedAt"
    from viewkeeper.definitions d
   cross join lateral (
     select few.* from (
       select r.definition_id, r.id, r.finished_at, r.noticed_at from viewkeeper.runs r
        where r.definition_id = d.id and r.status = 'failed' and r.noticed_at > '-infinity'
        order by r.id desc limit 20) few
      order by few.finished_at desc, few.id desc limit 1) failed
   cross join lateral (
     select r.id, r.schema_name, r.view_name, r.finished_at, r.noticed_at from viewkeeper.runs r
      where r.definition_id = d.id and r.id >= ${mayEndAfter(sql, 'failed')} and r.finished_at > failed.finished_at
        and ${isWell(sql, 'r')}
      order by r.id limit 1) well
   where well.noticed_at is null and well.finished_at > failed.noticed_at
     and well.finished_at > clock_timestamp() - ${longestUntold}::interval
   order by 2 limit ${atOnce}`

/** The server's time. */
export async function readClock(sql: Sql): Promise<Date> {
  const [row] = await sql<[{ now: Date }]>`select clock_timestamp() as now`
  return row.now
}
