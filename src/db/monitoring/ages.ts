import { type Telling, type Trouble, troubles } from '../../plan/monitoring/telling.ts'
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

const queries: Record<Trouble, (sql: Sql) => Found> = {
  stale: selectStale,
  missing: selectMissing,
  aside: selectForgottenAside,
}

/** Publishes what has each trouble, and the names to tell of. */
export async function tellTroubles(
  sql: Sql,
  telling: Telling,
  publish: (trouble: Trouble, ...found: Parameters<Tell<StaleView | string>>) => void,
): Promise<Troubled> {
  const found: Partial<Record<Trouble, (StaleView | string)[]>> = {}
  for (const trouble of troubles)
    found[trouble] = await tell(sql, trouble, queries[trouble](sql), telling, (...all) =>
      publish(trouble, ...all),
    )
  return found as Troubled
}
