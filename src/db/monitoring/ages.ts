import type { Telling } from '../../plan/monitoring/telling.ts'
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

/** Publishes the stale views, oldest data first. */
export const tellStaleViews = (
  sql: Sql,
  telling: Telling,
  publish: Tell<StaleView>,
): Promise<StaleView[]> => {
  const query = sql`
    select v.name, jsonb_build_object(
             'view', v.name, 'ageSeconds', round(extract(epoch from latest.staleness)),
             'maxStalenessSeconds', round(extract(epoch from latest.max_staleness))) as found
      from viewkeeper.latest_runs latest join viewkeeper.definitions d on d.id = latest.definition_id
     cross join lateral (select format('%I.%I', d.schema_name, d.name) as name) v
     where latest.stale order by latest.staleness desc`
  return tell(sql, 'stale', query, telling, publish)
}

/** Publishes the names of authored views that are not in the database, without paused views and those that are set aside. */
export const tellMissingViews = (sql: Sql, telling: Telling, publish: Tell<string>): Promise<string[]> => {
  const query = sql`
    select v.name, to_jsonb(v.name) as found
      from viewkeeper.latest_runs latest join viewkeeper.definitions d on d.id = latest.definition_id
     cross join lateral (select format('%I.%I', d.schema_name, d.name) as name) v
     where latest.missing and d.paused_at is null
       and not exists (select from viewkeeper.set_aside a where a.kind = 'view'
                          and a.item #>> '{live,view,schema}' = d.schema_name and a.item #>> '{live,view,name}' = d.name)
     order by 1`
  return tell(sql, 'missing', query, telling, publish)
}

/** The longest time that views are aside without an alarm. */
const longestAside = '1 hour'

/** Publishes the names of what has been set aside for longer than an hour: views and functions, longest first. */
export const tellForgottenAside = (sql: Sql, telling: Telling, publish: Tell<string>): Promise<string[]> => {
  const query = sql`
    select name, to_jsonb(name) as found from viewkeeper.set_aside
     where set_aside_at < clock_timestamp() - ${longestAside}::interval order by set_aside_at, act, position`
  return tell(sql, 'aside', query, telling, publish)
}
