import { errorOf } from '../../run/db/runs.ts'
import { mostCharacters } from '../../run/life/by-envelope.ts'
import type { Sql } from '../../server/connect.ts'
import type { EndedBatch, SlowRun, ToldTrouble } from '../plan/notice-facts.ts'
import { isSlow } from '../plan/runs.ts'

/** More than this at once is told in pieces. */
const atOnce = 1000

/** The troubles that last, and those whose end no notice has told of yet; without those that the monitor has not told yet. */
export const readTold = (sql: Sql): Promise<ToldTrouble[]> => sql<ToldTrouble[]>`
  select t.trouble, t.name, t.told_at as "toldAt", t.began_at as "beganAt", t.over_at as "overAt",
         to_jsonb(moment.last) #>> '{}' as stamp, coalesce(t.noticed_at >= t.began_at, false) as known,
         coalesce(t.noticed_at < moment.last, true) as "isNews"
    from viewkeeper.troubles t cross join lateral (select greatest(t.told_at, t.over_at) as last) moment
   where t.told_at >= t.began_at and (t.over_at is null or coalesce(t.noticed_at < t.over_at, true))
   order by t.trouble, t.name`

/** The batches that failed or were canceled, and of which no notice has told yet, oldest first. */
export const readEndedBatches = (sql: Sql): Promise<EndedBatch[]> => sql<EndedBatch[]>`
  select b.id, b.status, b.finished_at as "finishedAt", ${sql.unsafe(errorOf('b', ['class', 'message', 'sqlstate'], mostCharacters))} as error,
         exists (select from viewkeeper.runs r join viewkeeper.troubles t on t.name = format('%I.%I', r.schema_name, r.view_name)
                  where r.batch_id = b.id and r.status = 'failed' and t.trouble = 'failing' and t.over_at is null) as "hasFailingView"
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
