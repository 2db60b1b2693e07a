import type { Sql } from 'postgres'

export interface PastRun {
  view: string
  status?: string
  /** How long ago it was requested, as an interval of SQL. */
  ago: string
  durationMs?: number
  operation?: string
  batchId?: string | null
  /** By default true for everything but a drop. */
  fills?: boolean
}

/** Writes runs that ended in the past, oldest first, as history would hold them. Views are found by their names without a schema. */
export const writePast = (sql: Sql, runs: PastRun[]) => sql`
  insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, status, trigger, requested_at, started_at,
                               finished_at, duration_ms, error, batch_id, fills, as_of, filled)
  select d.id, d.schema_name, d.name, coalesce(p.operation, 'refresh'), coalesce(p.status, 'success'), 'schedule', t.at, t.at, t.until, p.ms,
         case when p.status in ('failed', 'canceled') then '{"class":"ViewSqlFailed","message":"broken"}'::jsonb end, p."batchId",
         coalesce(p.fills, p.operation is distinct from 'drop'),
         case when p.status is null then t.until end, viewkeeper.filling(to_regclass(format('%I.%I', d.schema_name, d.name)))
    from (select *, coalesce("durationMs", 1000) as ms from jsonb_to_recordset(${sql.json(runs as never)})
            as p(view text, status text, ago interval, "durationMs" bigint, operation text, "batchId" text, fills boolean)) p
    join viewkeeper.definitions d on d.name = p.view
   cross join lateral (select clock_timestamp() - p.ago as at, clock_timestamp() - p.ago + make_interval(secs => p.ms / 1000.0) as until) t
   order by t.at`

/** As if the runs that have ended, of some views or of all, had been so much earlier. `by`: an interval of SQL. */
export const age = (sql: Sql, by: string, ...views: string[]) => sql`
  update viewkeeper.runs set requested_at = requested_at - ${by}::interval, started_at = started_at - ${by}::interval,
         finished_at = finished_at - ${by}::interval, as_of = as_of - ${by}::interval,
         inputs = case when inputs ? 'began' then jsonb_set(inputs, '{began}', to_jsonb((inputs ->> 'began')::timestamptz - ${by}::interval)) else inputs end
   where finished_at is not null and (${views.length === 0} or view_name = any (${views}))`
