import { type Telling, type Trouble, troubles } from '../../plan/monitoring/telling.ts'
import { parseName } from '../../plan/names.ts'
import type { Sql } from '../server/connect.ts'
import { tell } from './tell.ts'

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

/** What planning has found, by the names of the views. */
export interface Planned {
  /** The target lags that cannot be kept. */
  lag: string[]
  suspended: string[]
}

/** Everything that has a trouble: one read of all views, because the latest runs of many views are much to read. */
async function readTroubled(sql: Sql, { lag, suspended }: Planned): Promise<Troubled> {
  const views = await sql<(StaleView & { stale: boolean; missing: boolean; isTried: boolean })[]>`
    with latest as materialized (select * from viewkeeper.latest_runs)
    select v.name as view, round(extract(epoch from l.staleness))::float8 as "ageSeconds",
           round(extract(epoch from l.max_staleness))::float8 as "maxStalenessSeconds", l.stale,
           l.missing and d.paused_at is null
             and not exists (select from viewkeeper.set_aside a where a.kind = 'view'
                                and a.item #>> '{live,view,schema}' = d.schema_name and a.item #>> '{live,view,name}' = d.name) as missing,
           d.paused_at is null and not l.missing as "isTried"
      from latest l join viewkeeper.definitions d on d.id = l.definition_id
     cross join lateral (select format('%I.%I', d.schema_name, d.name) as name) v
     where l.stale or l.missing or ${sql.json(suspended)}::jsonb ? v.name
     order by l.staleness desc`
  const aside = await sql<{ name: string }[]>`
    select name from viewkeeper.set_aside
     where set_aside_at < clock_timestamp() - ${longestAside}::interval order by set_aside_at, act, position`
  const left = new Set(suspended)
  const namesOf = (some: StaleView[]): string[] => some.map(({ view }) => view).sort()
  return {
    stale: views.flatMap(({ stale, view, ageSeconds, maxStalenessSeconds }) =>
      stale ? { view, ageSeconds, maxStalenessSeconds } : [],
    ),
    missing: namesOf(views.filter(({ missing }) => missing)),
    lag: [...lag].sort(),
    // Not those that are paused or missing: nothing else will be tried either.
    suspended: namesOf(views.filter(({ isTried, view }) => isTried && left.has(view))),
    aside: aside.map(({ name }) => name),
  }
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
  publish: (trouble: Trouble, found: (StaleView | string)[], told: string[]) => void,
): Promise<Troubled> {
  const [{ readAt }] = await sql<[{ readAt: Date }]>`select clock_timestamp() as "readAt"`
  const troubled = await readTroubled(sql, planned)
  for (const trouble of troubles) {
    const found: (StaleView | string)[] = troubled[trouble]
    const names = found.map((each) => (typeof each === 'string' ? each : each.view))
    await tell(sql, trouble, { names, readAt }, telling, (told) => publish(trouble, found, told))
  }
  return troubled
}
