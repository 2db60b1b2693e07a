import type { Sql } from './connect.ts'
import { type Run, runColumns } from './runs.ts'

/**
 * Hands each ended run that was not published yet to `publish`, oldest first, and marks it published afterwards:
 * so each is published at least once, and more than once only where we die in between. At most `limit` runs.
 */
export async function publishEndedRuns(
  sql: Sql,
  limit: number,
  publish: (run: Run) => void,
): Promise<number> {
  const runs = await sql<Run[]>`
    select ${runColumns(sql)} from viewkeeper.runs r
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
