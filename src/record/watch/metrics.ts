import type { Sql } from '../../server/database.ts'
import type { RunStatus } from '../../words/run.ts'

/** The state of a view, from its runs and its definition. Unknown numbers are null. */
export interface ViewStatus {
  id: number
  view: string
  paused: boolean
  lastStatus: RunStatus | null
  /** The end of the last run that made the view's data fresh. */
  lastSuccessAt: Date | null
  /** The moment whose data the view shows; null if nobody knows it. */
  asOf: Date | null
  /** The view that holds `asOf` back; null: none does. */
  heldBackBy: string | null
  /** The age of the view's data; if nobody knows it, since the last success; null if no run has made them fresh. */
  staleMs: number | null
  /** The age from which the data are stale; null if nobody expects the view to be refreshed. */
  maxStaleMs: number | null
  stale: boolean
  /** Whether the view, which somebody authored, is not in the database. */
  missing: boolean
  rowCountBefore: number | null
  rowCountAfter: number | null
  failedLastDay: number
  lastFailure: LastFailure | null
}

interface LastFailure {
  runId: number
  at: Date
  class: string | null
}

/** The metrics of a view's runs in a time window. Durations: successful refreshes only. Unknown: null. */
export interface MetricsOfView {
  id: number
  runs: number
  succeeded: number
  failed: number
  /** The share of successes among the runs that succeeded or failed, 0 to 1. */
  successRate: number | null
  averageMs: number | null
  minMs: number | null
  maxMs: number | null
  p95Ms: number | null
  /** How long the checks of a successful refresh took on average; null: none was made. */
  checksMs: number | null
  /** The usual duration: of the last 20 successful refreshes, also those before the time window. */
  usualMs: number | null
}

/** The state of every view, or of the one with this definition's id. Never waits for a refresh. */
export async function readViewStatus(sql: Sql, definitionId: number | null = null): Promise<ViewStatus[]> {
  const rows = await sql<
    (Omit<ViewStatus, 'lastFailure'> & {
      failedId: number | null
      failedAt: Date | null
      failedClass: string | null
    })[]
  >`
  select s.id, s.view, s.paused_at is not null as paused, s.last_status as "lastStatus", s.last_success_at as "lastSuccessAt",
         s.as_of as "asOf", s.held_back_by as "heldBackBy",
         (date_part('epoch', clock_timestamp() - coalesce(s.as_of, s.last_success_at)) * 1000)::int8 as "staleMs",
         (date_part('epoch', s.max_staleness) * 1000)::int8 as "maxStaleMs", s.stale, s.missing,
         s.row_count_before as "rowCountBefore", s.row_count_after as "rowCountAfter", s.failed_last_day as "failedLastDay",
         s.last_failure_id as "failedId", s.last_failure_at as "failedAt", s.last_failure_class as "failedClass"
    from viewkeeper.view_status s
   where ${definitionId}::integer is null or s.id = ${definitionId}
   order by s.view`
  return rows.map(({ failedId, failedAt, failedClass, ...status }) => ({
    ...status,
    lastFailure: failedId === null ? null : { runId: failedId, at: failedAt as Date, class: failedClass },
  }))
}

/** The metrics of every view, or of one, from the runs of the last `windowSeconds`. */
export const readViewMetrics = (
  sql: Sql,
  windowSeconds: number,
  definitionId: number | null = null,
): Promise<MetricsOfView[]> => sql<MetricsOfView[]>`
  with first as materialized (select viewkeeper.first_run_since(clock_timestamp() - make_interval(secs => ${windowSeconds})) as id)
  select m.id, m.runs, succeeded, failed, success_rate::float8 as "successRate", average_ms as "averageMs", min_ms as "minMs",
         max_ms as "maxMs", p95_ms as "p95Ms", usual_ms as "usualMs", checked.ms as "checksMs"
    from viewkeeper.view_metrics(make_interval(secs => ${windowSeconds}), ${definitionId}) m
   cross join lateral (
     select round(avg((select sum((c ->> 'ms')::numeric) from jsonb_array_elements(r.checks) c)))::int8 as ms from viewkeeper.runs r
      where r.definition_id = m.id and r.operation = 'refresh' and r.status = 'success' and r.checks is not null
        and r.id >= (select id from first)) checked`

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
export interface DaysOfView {
  view: string
  days: Day[]
}

/** The days of every view since the first of so many days, today among them; views without a run in that time are left out. */
export const readDays = (sql: Sql, days: number): Promise<DaysOfView[]> => sql<DaysOfView[]>`
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
