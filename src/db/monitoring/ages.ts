import type { Sql } from '../server/connect.ts'

/** A view whose data are stale. */
export interface StaleView {
  view: string
  /** Since a run last made the data fresh; if none has, since the definition was created. */
  ageSeconds: number
  /** The age from which the data are stale. */
  maxStalenessSeconds: number
}

/** The stale views, oldest data first. */
export const readStaleViews = (sql: Sql): Promise<StaleView[]> => sql<StaleView[]>`
  select format('%I.%I', d.schema_name, d.name) as view, round(extract(epoch from latest.staleness))::int8 as "ageSeconds",
         round(extract(epoch from latest.max_staleness))::int8 as "maxStalenessSeconds"
    from viewkeeper.latest_runs latest join viewkeeper.definitions d on d.id = latest.definition_id
   where latest.stale order by latest.staleness desc`

/** The names of authored views that are not in the database, without paused views and those that are set aside. */
export async function readMissingViews(sql: Sql): Promise<string[]> {
  const rows = await sql<{ view: string }[]>`
    select format('%I.%I', d.schema_name, d.name) as view
      from viewkeeper.latest_runs latest join viewkeeper.definitions d on d.id = latest.definition_id
     where latest.missing and d.paused_at is null
       and not exists (select from viewkeeper.set_aside a where a.kind = 'view'
                          and a.item #>> '{live,view,schema}' = d.schema_name and a.item #>> '{live,view,name}' = d.name)
     order by 1`
  return rows.map(({ view }) => view)
}

/** The longest time that views are aside without an alarm. */
const longestAside = '1 hour'

/** The names of what has been set aside for longer than an hour: views and functions, longest first. */
export async function readForgottenAside(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select name from viewkeeper.set_aside where set_aside_at < clock_timestamp() - ${longestAside}::interval
     order by set_aside_at, act, position`
  return rows.map(({ name }) => name)
}
