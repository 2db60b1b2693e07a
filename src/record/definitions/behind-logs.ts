import type { Sql } from '../../server/database.ts'

/** Whether there are incremental tables with change logs and target lags below so many seconds. */
export const hasShortLags = async (sql: Sql, below: number): Promise<boolean> => {
  const found = await sql`
    select from viewkeeper.definitions
     where target_lag_seconds < ${below} and storage = 'table' and slices is not null and paused_at is null and removed_at is null limit 1`
  return found.length > 0
}

/**
 * Those whose logs have rows, and which may be refreshed now; if it `looks`, also those of which something else has changed that their rows depend on.
 * One cheap statement, however many there are.
 */
export const readBehindLogs = (
  sql: Sql,
  below: number,
  looks: boolean,
): Promise<{ id: number; view: string; lagMs: number; isChanged: boolean }[]> =>
  sql<{ id: number; view: string; lagMs: number; isChanged: boolean }[]>`
    select id, view, lag_seconds::int8 * 1000 as "lagMs", is_changed as "isChanged" from viewkeeper.behind_logs(${below}, ${looks})`

/** About how many rows the logs of incremental tables have, and how many slices these had, and were computed, at their last refresh; null: nobody knows. */
export const readLogSizes = (sql: Sql) =>
  sql<{ view: string; rows: number | null; slices: number | null; computed: number | null }[]>`
    select format('%I.%I', d.schema_name, d.name) as view, log.rows, (last.slices -> 'of')::float8 as slices,
           coalesce(last.slices -> 'anew', last.slices -> 'of')::float8 as computed
      from viewkeeper.definitions d
     cross join lateral (
       select sum(pg_stat_get_live_tuples(viewkeeper.log_of(d.schema_name, d.name, part)))::float8 as rows
         from generate_series(0, 30) part) log
      left join lateral (
       select r.meta #> '{response,slices}' as slices from viewkeeper.last_success(d.id) filler(id) join viewkeeper.runs r on r.id = filler.id) last on true
     where d.storage = 'table' and d.slices is not null and d.removed_at is null`
