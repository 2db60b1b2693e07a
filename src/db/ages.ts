import type { Sql } from './connect.ts'

/** How old a view's data are, and what says how old they may be. */
export interface ViewAge {
  id: number
  view: string
  ageSeconds: number
  maxStalenessSeconds: number | null
  schedule: string | null
  timeZone: string | null
  inAll: boolean
}

/** The age of every view's data, but of paused ones. Of a view that never succeeded: since it is known. */
export const readAges = (sql: Sql): Promise<ViewAge[]> => sql<ViewAge[]>`
  select d.id, format('%I.%I', d.schema_name, d.name) as view,
         extract(epoch from clock_timestamp() - coalesce(latest.last_success_at, d.created_at))::float8 as "ageSeconds",
         d.max_staleness_seconds as "maxStalenessSeconds", d.schedule, d.time_zone as "timeZone", d.in_all as "inAll"
    from viewkeeper.definitions d
    join viewkeeper.latest_runs latest on latest.definition_id = d.id
   where d.paused_at is null
     and (d.source = 'authored' or exists (
           select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where c.relkind = 'm' and n.nspname = d.schema_name and c.relname = d.name))`

/** How long the last 20 successes of some views took, on average, milliseconds; nothing for a view without any. */
export async function readAverages(sql: Sql, ids: number[]): Promise<Map<number, number>> {
  if (ids.length === 0) return new Map()
  const rows = await sql<{ id: number; ms: number }[]>`
    select ids.value::integer as id, l.ms
      from jsonb_array_elements_text(${sql.json(ids)}) as ids(value)
     cross join lateral (
       select avg(s.duration_ms)::float8 as ms from (
         select r.duration_ms from viewkeeper.runs r
          where r.definition_id = ids.value::integer and r.status = 'success' order by r.id desc limit 20) s) l
     where l.ms is not null`
  return new Map(rows.map(({ id, ms }) => [id, ms]))
}
