import { Problem } from '../../problem.ts'
import type { Sql } from '../../server/connect.ts'
import { displayName, type QualifiedName } from '../../sql/names.ts'
import { isScheduled, type Trigger } from '../plan/run.ts'
import { findPaused } from './definitions.ts'

/** Since when everything scheduled is paused, and by whom; until when, or null: until somebody ends it. */
export interface Pause {
  since: Date
  by: string
  until: Date | null
}

/** The pause of everything scheduled; null if there is none. */
export async function readPause(sql: Sql): Promise<Pause | null> {
  const [row] = await sql<Pause[]>`
    select (value ->> 'since')::timestamptz as since, value ->> 'by' as by, (value ->> 'until')::timestamptz as until
      from viewkeeper.switches where key = 'paused'`
  return row ?? null
}

/** The ids of the definitions whose views are paused. */
export async function readPausedIds(sql: Sql): Promise<Set<number>> {
  const rows = await sql<{ id: number }[]>`select id from viewkeeper.definitions where paused_at is not null`
  return new Set(rows.map(({ id }) => id))
}

/** Pauses or resumes everything scheduled, in force at once. A pause of what is paused gives it another end. */
export async function setPause(
  sql: Sql,
  paused: boolean,
  by: string,
  until: Date | null = null,
): Promise<void> {
  if (paused) {
    await sql`
      with done as (
        insert into viewkeeper.switches as s (key, value)
        values ('paused', jsonb_build_object('since', clock_timestamp(), 'by', ${by}::text, 'until', ${until}::timestamptz))
        on conflict (key) do update set value = s.value || jsonb_build_object('until', ${until}::timestamptz)
         where s.value -> 'until' is distinct from excluded.value -> 'until' returning key)
      insert into viewkeeper.actions (action, requested_by) select 'pause', ${by} from done`
  } else
    await sql`
      with done as (delete from viewkeeper.switches where key = 'paused' returning key)
      insert into viewkeeper.actions (action, requested_by) select 'resume', ${by} from done`
}

/** Pauses or resumes one view, in force at once. */
export async function setViewPause(
  sql: Sql,
  definitionId: number,
  paused: boolean,
  by: string,
  until: Date | null = null,
): Promise<void> {
  await sql`
    with ends as (
      insert into viewkeeper.switches as s (key, value)
      values ('pause ends', jsonb_strip_nulls(jsonb_build_object(${String(definitionId)}::text, ${until}::timestamptz)))
      on conflict (key) do update set value = s.value - ${String(definitionId)}::text || excluded.value),
    done as (
      update viewkeeper.definitions
         set paused_at = case when ${paused} then clock_timestamp() end, updated_at = clock_timestamp()
       where id = ${definitionId} and (paused_at is not null) <> ${paused} returning schema_name, name)
    insert into viewkeeper.actions (action, requested_by, views)
    select ${paused ? 'pause' : 'resume'}, ${by}, jsonb_build_array(format('%I.%I', schema_name, name)) from done`
}

/** Until when views are paused, by the ids of their definitions; a view that is not among them is paused until somebody ends it. */
export async function readPauseEnds(sql: Sql): Promise<Map<number, Date>> {
  const rows = await sql<{ id: number; until: Date }[]>`
    select e.key::integer as id, e.value::timestamptz as until
      from viewkeeper.switches s cross join jsonb_each_text(s.value) e where s.key = 'pause ends'`
  return new Map(rows.map(({ id, until }) => [id, until]))
}

/** Ends the pauses whose time is over. */
export async function endPauses(sql: Sql): Promise<void> {
  await sql`
    with over as materialized (
      select e.key::integer as id from viewkeeper.switches s cross join jsonb_each_text(s.value) e
       where s.key = 'pause ends' and e.value::timestamptz <= clock_timestamp()),
    forgotten as (
      update viewkeeper.switches set value = value - array(select id::text from over)
       where key = 'pause ends' and exists (select from over)),
    resumed as (
      update viewkeeper.definitions set paused_at = null, updated_at = clock_timestamp()
       where id in (select id from over) and paused_at is not null returning schema_name, name),
    everything as (
      delete from viewkeeper.switches where key = 'paused' and (value ->> 'until')::timestamptz <= clock_timestamp() returning key)
    insert into viewkeeper.actions (action, requested_by, views)
    select 'resume', 'the end of the pause', jsonb_build_array(format('%I.%I', schema_name, name)) from resumed
    union all select 'resume', 'the end of the pause', '[]' from everything`
}

/**
 * Refuses (Paused) a change that would fill these views anew if one of them is paused: the data of a paused view stand still,
 * whatever another view needs. `change` is what would give them other data.
 */
export async function insistOnNoPause(sql: Sql, views: QualifiedName[], change: string): Promise<void> {
  const paused = (await findPaused(sql, views)).map(displayName)
  if (paused.length === 0) return
  const [are, them] = paused.length === 1 ? ['is', 'it'] : ['are', 'them']
  throw new Problem(
    'Paused',
    `${paused.join(', ')} ${are} paused, and ${change} would give ${them} other data. Nothing was changed. End the pause first: ` +
      `viewkeeper resume ${paused.map((name) => `'${name}'`).join(' ')}`,
  )
}

export const everythingPaused = 'everything scheduled is paused; POST /resume ends the pause'

const viewPaused =
  'the view is paused; --force (over HTTP "force": true) refreshes it all the same, and resume ends the pause'

/** Why a view is not to be refreshed at present; null if nothing is paused for this trigger. Pure. */
export function pauseReason(
  { paused, allPaused }: { paused: boolean; allPaused: boolean },
  trigger: Trigger,
): string | null {
  if (paused) return viewPaused
  return allPaused && isScheduled(trigger) ? everythingPaused : null
}
