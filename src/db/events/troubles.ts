import type { FoundTrouble, TroubleChange } from '../../plan/events/news.ts'
import type { Sql } from '../server/connect.ts'

/** Remembers the troubles that the monitor finds now, and returns those that have begun or ended since its look before. */
export async function noteTroubles(sql: Sql, found: FoundTrouble[]): Promise<TroubleChange[]> {
  const changes = await sql<TroubleChange[]>`
    with found as (
      select * from jsonb_to_recordset(${sql.json(found as never)}) as f(trouble text, name text)),
    ended as (
      delete from viewkeeper.troubles t
       where not exists (select from found f where f.trouble = t.trouble and f.name = t.name)
      returning t.trouble, t.name, t.began_at),
    begun as (
      insert into viewkeeper.troubles (trouble, name) select distinct trouble, name from found
      on conflict do nothing returning trouble, name, began_at)
    select trouble, name, began_at as "beganAt", clock_timestamp() as "endedAt" from ended
    union all
    select trouble, name, began_at, null from begun
     order by 1, 2`
  return [...changes]
}
