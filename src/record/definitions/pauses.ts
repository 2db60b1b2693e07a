import type { Sql } from '../../server/database.ts'
import { mayUse } from '../../server/own-rights.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'

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

/** A time in which people are not told what is wrong, and who wants that. */
export interface QuietWindow {
  from: Date
  until: Date
  by: string
}

/** The window in which nobody is told, if it is not over; null: there is none. */
export async function readQuiet(sql: Sql): Promise<QuietWindow | null> {
  const [row] = await sql<QuietWindow[]>`
    select (value ->> 'from')::timestamptz as from, (value ->> 'until')::timestamptz as until, value ->> 'by' as by
      from viewkeeper.switches where key = 'quiet' and (value ->> 'until')::timestamptz > clock_timestamp()`
  return row ?? null
}

/** Lets nobody be told from a moment (null: from now) until another; null for that: a window ends now. */
export async function setQuiet(sql: Sql, from: Date | null, until: Date | null, by: string): Promise<void> {
  await sql`
    with gone as (
      delete from viewkeeper.switches where key = 'quiet' and ${until}::timestamptz is null returning key),
    done as (
      insert into viewkeeper.switches (key, value)
      select 'quiet', jsonb_build_object('from', coalesce(${from}::timestamptz, clock_timestamp()), 'until', ${until}::timestamptz, 'by', ${by}::text)
       where ${until}::timestamptz is not null
      on conflict (key) do update set value = excluded.value returning key)
    insert into viewkeeper.actions (action, requested_by, request)
    select 'quiet', ${by}, jsonb_strip_nulls(jsonb_build_object('from', ${from}::timestamptz, 'until', ${until}::timestamptz))
      from (table gone union all table done) x`
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

/** The paused views among these; none if there is no schema `viewkeeper`, or if the login may not read it. */
async function findPaused(sql: Sql, views: QualifiedName[]): Promise<QualifiedName[]> {
  if (views.length === 0 || !(await mayUse(sql, 'select', 'definitions'))) return []
  const asked = views.map(({ schema, name }) => ({ schema, name }))
  return sql<QualifiedName[]>`
    select d.schema_name as schema, d.name from viewkeeper.definitions d
      join jsonb_to_recordset(${sql.json(asked)}) as x(schema text, name text) on x.schema = d.schema_name and x.name = d.name
     where d.paused_at is not null order by 1, 2`
}
