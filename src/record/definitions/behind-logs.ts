import type { Sql } from '../../server/database.ts'

/** Whether there are kept tables with logs of changes and target lags below so many seconds. */
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
