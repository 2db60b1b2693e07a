import type { Sql } from '../server/connect.ts'

/** The age of a view's data, and what says how old they may be. */
export interface ViewAge {
  id: number
  view: string
  /** Since a run last made the data fresh; if none has, since the definition was created. */
  ageSeconds: number
  /** Since a run last made the data fresh, or since `expected_since` if that is later. */
  expectedSeconds: number
  maxStalenessSeconds: number | null
  schedule: string | null
  timeZone: string | null
  inAll: boolean
}

/** The ages of all views, or of one, without paused views. */
export const readAges = (sql: Sql, definitionId: number | null = null): Promise<ViewAge[]> => sql<ViewAge[]>`
  select d.id, format('%I.%I', d.schema_name, d.name) as view,
         extract(epoch from clock_timestamp() - coalesce(latest.last_success_at, d.created_at))::float8 as "ageSeconds",
         extract(epoch from clock_timestamp() - greatest(latest.last_success_at, d.expected_since))::float8 as "expectedSeconds",
         d.max_staleness_seconds as "maxStalenessSeconds", d.schedule, d.time_zone as "timeZone", d.in_all as "inAll"
    from viewkeeper.definitions d
    join viewkeeper.latest_runs latest on latest.definition_id = d.id
   where d.paused_at is null and (${definitionId}::integer is null or d.id = ${definitionId})`

/** The usual durations of these views, milliseconds. A view without a successful refresh has none. */
export async function readUsualDurations(sql: Sql, ids: number[]): Promise<Map<number, number>> {
  if (ids.length === 0) return new Map()
  const rows = await sql<{ id: number; ms: number }[]>`
    select ids.value::integer as id, usual.ms
      from jsonb_array_elements_text(${sql.json(ids)}) as ids(value)
     cross join lateral viewkeeper.usual_duration(ids.value::integer) usual
     where usual.ms is not null`
  return new Map(rows.map(({ id, ms }) => [id, ms]))
}
