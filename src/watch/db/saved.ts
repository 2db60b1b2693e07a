import { isUnneeded } from '../../catalog/db/failing.ts'
import type { Sql } from '../../server/connect.ts'
import type { Saved } from '../plan/saved.ts'

/** For `with`: the id of the first run of the last seconds, as `first`. */
export const firstOfLast = (sql: Sql, seconds: number) => sql`
  first as materialized (select viewkeeper.first_run_since(clock_timestamp() - make_interval(secs => ${seconds})) as id)`

/** For `from`, after `first`: how many refreshes of each definition, or of one, were left out since, because they would have changed nothing. */
export const leftOut = (sql: Sql, definitionId: number | null) => sql`
  (select r.definition_id as id, count(*) as runs from viewkeeper.runs r
    where ${sql.unsafe(isUnneeded('r'))} and r.id >= (select id from first)
      and (${definitionId}::integer is null or r.definition_id = ${definitionId})
    group by r.definition_id)`

/** What leaving refreshes out has saved in the last 24 h, by the ids of definitions: of every view or of one. Views without are absent. */
export async function readSaved(sql: Sql, definitionId: number | null = null): Promise<Map<number, Saved>> {
  const rows = await sql<({ id: number } & Saved)[]>`
    with ${firstOfLast(sql, 86_400)}
    select l.id, l.runs as "leftOut", l.runs * round(usual.ms)::int8 as "savedMs"
      from ${leftOut(sql, definitionId)} l cross join lateral viewkeeper.usual_duration(l.id) usual`
  return new Map(rows.map(({ id, ...saved }) => [id, saved]))
}
