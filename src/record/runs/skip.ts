import type { Sql } from '../../server/database.ts'
import type { QualifiedName } from '../../words/names.ts'
import { isScheduled, type Trigger, type Unchanged } from '../../words/run.ts'
import type { EndedAtOnce } from './runs.ts'

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

export const everythingPaused = 'everything scheduled is paused until somebody resumes it'

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

/** The last run that made all data of the view fresh, if that run ended within the view's minimum interval. */
export async function findRecentSuccess(
  sql: Sql,
  { schema, name }: QualifiedName,
): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    select last.id
      from viewkeeper.definitions d cross join lateral (
        select r.id, r.finished_at from viewkeeper.runs r
         where r.definition_id = d.id and r.status = 'success' and r.fills and r.meta #> '{request,slices}' is null order by r.id desc limit 1) last
     where d.schema_name = ${schema} and d.name = ${name} and d.removed_at is null
       and last.finished_at <= clock_timestamp() and last.finished_at > clock_timestamp() - make_interval(secs => d.min_interval_seconds)`
  return row?.id
}

/** That a refresh of the view would change nothing, and the view's OID; null if the record cannot tell. */
export const readUnchanged = (sql: Sql, definitionId: number) => sql<
  [{ unchanged: (Unchanged & { relation: number }) | null }]
>`
    select viewkeeper.unchanged(${definitionId}) as unchanged`

/** A run with nothing to do, and the reason. */
export type Skipped = Extract<EndedAtOnce, { because: string }>

export const skipped = (because: string): Skipped => ({ status: 'skipped', because })
