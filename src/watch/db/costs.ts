import type { Sql } from '../../server/connect.ts'
import type { Cost } from '../plan/cost.ts'

/** What the refreshes of every view, or of one, cost, by the ids of definitions. */
export async function readCosts(sql: Sql, definitionId: number | null = null): Promise<Map<number, Cost>> {
  const rows = await sql<(Cost & { id: number })[]>`
    select c.id, c.days, c.refreshes, c.ms::float8 as ms, coalesce(c.share, 0)::float8 as share
      from viewkeeper.view_costs c where ${definitionId}::integer is null or c.id = ${definitionId}`
  return new Map(rows.map(({ id, ...cost }) => [id, { ...cost }]))
}

/** Forgets the days that nobody is told of any more. */
export async function pruneCosts(sql: Sql): Promise<void> {
  await sql`delete from viewkeeper.costs where day <= (clock_timestamp() at time zone 'utc')::date - 30`
}
