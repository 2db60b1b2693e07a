import { type Telling, type Trouble, troubles } from '../../plan/monitoring/telling.ts'
import { parseName } from '../../plan/names.ts'
import type { Sql } from '../server/connect.ts'
import { type Tell, tell } from './tell.ts'

/** A view whose data are stale. */
export interface StaleView {
  view: string
  /** Since a run last made the data fresh; if none has, since the definition was created. */
  ageSeconds: number
  /** The age from which the data are stale. */
  maxStalenessSeconds: number
}

/** What has each trouble. */
export interface Troubled {
  /** Oldest data first. */
  stale: StaleView[]
  /** The authored views that are not in the database, without paused views and those that are set aside. */
  missing: string[]
  /** The views whose target lag cannot be kept. */
  lag: string[]
  /** The views that scheduled refreshes leave out for a while, because too many have failed in a row. */
  suspended: string[]
  /** What has been set aside for longer than an hour: views and functions, longest first. */
  aside: string[]
}

/** The longest time that views are aside without an alarm. */
const longestAside = '1 hour'

type Found = Parameters<typeof tell>[2]

const selectStale = (sql: Sql): Found => sql`
  select v.name, jsonb_build_object(
           'view', v.name, 'ageSeconds', round(extract(epoch from latest.staleness)),
           'maxStalenessSeconds', round(extract(epoch from latest.max_staleness))) as found
    from viewkeeper.latest_runs latest join viewkeeper.definitions d on d.id = latest.definition_id
   cross join lateral (select format('%I.%I', d.schema_name, d.name) as name) v
   where latest.stale order by latest.staleness desc`

const selectMissing = (sql: Sql): Found => sql`
  select v.name, to_jsonb(v.name) as found
    from viewkeeper.latest_runs latest join viewkeeper.definitions d on d.id = latest.definition_id
   cross join lateral (select format('%I.%I', d.schema_name, d.name) as name) v
   where latest.missing and d.paused_at is null
     and not exists (select from viewkeeper.set_aside a where a.kind = 'view'
                        and a.item #>> '{live,view,schema}' = d.schema_name and a.item #>> '{live,view,name}' = d.name)
   order by 1`

const selectForgottenAside = (sql: Sql): Found => sql`
  select name, to_jsonb(name) as found from viewkeeper.set_aside
   where set_aside_at < clock_timestamp() - ${longestAside}::interval order by set_aside_at, act, position`

/** What planning has found, by the names of the views. */
export interface Planned {
  /** The target lags that cannot be kept. */
  lag: string[]
  suspended: string[]
}

const selectShortLags = (sql: Sql, { lag }: Planned): Found => sql`
  select s.view as name, to_jsonb(s.view) as found from jsonb_array_elements_text(${sql.json(lag)}) as s(view) order by 1`

/** Not those that are paused or missing: nothing else will be tried either. */
const selectSuspended = (sql: Sql, { suspended }: Planned): Found => sql`
  select v.name, to_jsonb(v.name) as found
    from viewkeeper.latest_runs l join viewkeeper.definitions d on d.id = l.definition_id
   cross join lateral (select format('%I.%I', d.schema_name, d.name) as name) v
    join jsonb_array_elements_text(${sql.json(suspended)}) as s(view) on s.view = v.name
   where d.paused_at is null and not l.missing order by 1`

const queries: Record<Trouble, (sql: Sql, planned: Planned) => Found> = {
  stale: selectStale,
  missing: selectMissing,
  lag: selectShortLags,
  suspended: selectSuspended,
  aside: selectForgottenAside,
}

/** The ages of the data of these views, by their names as SQL reads them; those that nobody knows are left out. */
export const readAges = (sql: Sql, views: string[]): Promise<{ view: string; seconds: number }[]> => sql`
  select asked.view, round(extract(epoch from latest.staleness))::float8 as seconds
    from jsonb_to_recordset(${sql.json(views.map((view) => ({ view, ...parseName(view) })))}) as asked(view text, schema text, name text)
    join viewkeeper.definitions d on d.schema_name = coalesce(asked.schema, 'public') and d.name = asked.name
    join viewkeeper.latest_runs latest on latest.definition_id = d.id order by 1`

/** Publishes what has each trouble, and the names to tell of. */
export async function tellTroubles(
  sql: Sql,
  telling: Telling,
  planned: Planned,
  publish: (trouble: Trouble, ...found: Parameters<Tell<StaleView | string>>) => void,
): Promise<Troubled> {
  const found: Partial<Record<Trouble, (StaleView | string)[]>> = {}
  for (const trouble of troubles)
    found[trouble] = await tell(sql, trouble, queries[trouble](sql, planned), telling, (...all) =>
      publish(trouble, ...all),
    )
  return found as Troubled
}
