import type { RunStatus } from '../../catalog/plan/run.ts'
import type { Sql } from '../../server/connect.ts'

/** How the runs of a view ended that were requested on one day (UTC). */
interface Day {
  /** `2026-11-20` */
  day: string
  /** How the last of them ended. */
  last: RunStatus
  runs: number
  failed: number
}

/** A view, and its days with runs, the oldest first. */
export interface ViewDays {
  view: string
  days: Day[]
}

/** The days of every view since the first of so many days, today among them; views without a run in that time are left out. */
export const readDays = (sql: Sql, days: number): Promise<ViewDays[]> => sql<ViewDays[]>`
  with since as materialized (
    select date_trunc('day', clock_timestamp() at time zone 'utc') at time zone 'utc' - make_interval(days => ${days - 1}) as at),
  first as materialized (select viewkeeper.first_run_since(since.at) as id from since),
  of_day as (
    select r.schema_name, r.view_name, to_char(r.requested_at at time zone 'utc', 'YYYY-MM-DD') as day,
           max(r.id) as last, count(*) as runs, count(*) filter (where r.status = 'failed') as failed
      from viewkeeper.runs r cross join since
     where r.id >= (select id from first) and r.finished_at is not null and r.requested_at >= since.at
     group by 1, 2, 3)
  select format('%I.%I', o.schema_name, o.view_name) as view,
         jsonb_agg(jsonb_build_object('day', o.day, 'last', r.status, 'runs', o.runs, 'failed', o.failed) order by o.day) as days
    from of_day o join viewkeeper.runs r on r.id = o.last
   group by o.schema_name, o.view_name order by 1`
