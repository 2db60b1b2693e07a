import { Problem } from '../../problem.ts'
import type { Sql } from '../../server/connect.ts'
import { displayName, type QualifiedName } from '../../sql/names.ts'
import { findPaused } from './definitions.ts'

/** Since when everything scheduled is paused, and by whom. */
export interface Pause {
  since: Date
  by: string
}

/** The pause of everything scheduled; null if there is none. */
export async function readPause(sql: Sql): Promise<Pause | null> {
  const [row] = await sql<Pause[]>`
    select (value ->> 'since')::timestamptz as since, value ->> 'by' as by from viewkeeper.switches where key = 'paused'`
  return row ?? null
}

/** The ids of the definitions whose views are paused. */
export async function readPausedIds(sql: Sql): Promise<Set<number>> {
  const rows = await sql<{ id: number }[]>`select id from viewkeeper.definitions where paused_at is not null`
  return new Set(rows.map(({ id }) => id))
}

/** Pauses or resumes everything scheduled, in force at once. */
export async function setPause(sql: Sql, paused: boolean, by: string): Promise<void> {
  if (paused) {
    await sql`
      with done as (
        insert into viewkeeper.switches (key, value)
        values ('paused', jsonb_build_object('since', clock_timestamp(), 'by', ${by}::text))
        on conflict (key) do nothing returning key)
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
): Promise<void> {
  await sql`
    with done as (
      update viewkeeper.definitions
         set paused_at = case when ${paused} then clock_timestamp() end, updated_at = clock_timestamp()
       where id = ${definitionId} and (paused_at is not null) <> ${paused} returning schema_name, name)
    insert into viewkeeper.actions (action, requested_by, views)
    select ${paused ? 'pause' : 'resume'}, ${by}, jsonb_build_array(format('%I.%I', schema_name, name)) from done`
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
