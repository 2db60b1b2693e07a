import type { Sql } from './connect.ts'
import { type Run, runColumns } from './runs.ts'

/** A run that has ended, and how long its view's refreshes usually take: the average of the 20 successes before it. */
export interface EndedRun extends Run {
  usualMs: number | null
}

/**
 * Hands each ended run that was not published yet to `publish`, oldest first, and marks it published afterwards:
 * so each is published at least once, and more than once only where we die in between. At most `limit` runs.
 */
export async function publishEndedRuns(
  sql: Sql,
  limit: number,
  publish: (run: EndedRun) => void,
): Promise<number> {
  const runs = await sql<EndedRun[]>`
    select ${runColumns(sql)},
           case when r.operation = 'refresh' and r.status = 'success' then (
             select avg(u.duration_ms)::float8 from (
               select h.duration_ms from viewkeeper.runs h
                where h.definition_id = r.definition_id and h.id < r.id and h.status = 'success'
                order by h.id desc limit 20) u) end as "usualMs"
      from viewkeeper.runs r
     where r.finished_at is not null and r.published_at is null order by r.id limit ${limit}`
  for (const run of runs) publish(run)
  if (runs.length > 0) {
    const ids = runs.map(({ id }) => id)
    await sql`
      update viewkeeper.runs set published_at = clock_timestamp()
       where id in (select value::int8 from jsonb_array_elements_text(${sql.json(ids)}))`
  }
  return runs.length
}
