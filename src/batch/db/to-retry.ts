import { failureOf, leftOutSince, wasLeftOut } from '../../catalog/db/failing.ts'
import type { Sql } from '../../server/connect.ts'

/** The definitions of the views that this batch did not refresh, by their latest attempts. */
export async function findUnrefreshed(sql: Sql, batchId: string): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select v.definition_id as id from viewkeeper.batch_views v
     cross join lateral (select r.status, r.error from viewkeeper.runs r
                          where r.batch_id = v.batch_id and r.definition_id = v.definition_id
                          order by r.attempt desc limit 1) r
     where v.batch_id = ${batchId} and (r.status in ('failed', 'canceled') or ${wasLeftOut(sql)})`
  return rows.map(({ id }) => id)
}

/** The definitions of the views that fail, or were skipped because another view failed. */
export async function findFailing(sql: Sql): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select d.id from viewkeeper.definitions d
     where d.removed_at is null and (exists (${failureOf(sql)}) or exists (${leftOutSince(sql)}))`
  return rows.map(({ id }) => id)
}
