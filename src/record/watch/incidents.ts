import type { Sql } from '../../server/database.ts'
import { mayUse } from '../../server/own-rights.ts'
import { type ViewIncidentKind, viewKinds } from '../../words/event.ts'
import type { Incident, ListedIncident } from '../plan/watch.ts'

/** The incidents that are open, of whose end people have to be told yet, or of these subjects. */
export const readIncidents = async (sql: Sql, subjects: string[]): Promise<Incident[]> => [
  ...(await sql<Incident[]>`
    select ${columns(sql)} from viewkeeper.incidents i
     where i.resolved_at is null or i.told_cause is not null or i.subject in (select value from jsonb_array_elements_text(${sql.json(subjects)}))
     order by i.subject`),
]

const columns = (sql: Sql) => sql`
  i.subject, to_jsonb(i.kinds) as kinds, i.opened_at as "openedAt", i.changed_at as "changedAt", i.resolved_at as "resolvedAt",
  i.culprit, i.cause, i.told_at as "toldAt", i.told_cause as "toldCause"`

/** The open incidents of views, as lists show them, by the names of the views. A login that may not read them sees none. */
export async function readOpenIncidents(sql: Sql): Promise<Map<string, ListedIncident>> {
  if (!(await mayUse(sql, 'select', 'incidents'))) return new Map()
  const rows = await sql<(ListedIncident & { subject: string })[]>`
    select subject, to_jsonb(kinds) as kinds, opened_at as "openedAt", culprit, cause ->> 'code' as code, cause ->> 'text' as text, cause ->> 'next' as next
      from viewkeeper.incidents where resolved_at is null`
  return new Map(rows.map(({ subject, ...incident }) => [subject, incident]))
}

/** What is open of each view, a row for each kind. */
export const readViewIncidents = (sql: Sql) => sql<{ view: string; kind: ViewIncidentKind }[]>`
  select subject as view, kind from viewkeeper.incidents cross join unnest(kinds) kind
   where resolved_at is null and kind in (select value from jsonb_array_elements_text(${sql.json(viewKinds)}))`

/** Whether anything is open, or is over and people have to be told so. */
export async function isAnyUntold(sql: Sql): Promise<boolean> {
  const [row] = await sql<[{ any: boolean }]>`
    select exists (select from viewkeeper.incidents where resolved_at is null or told_cause is not null) as any`
  return row.any
}

/** Writes incidents as they are now. */
export async function writeIncidents(sql: Sql, incidents: Incident[]): Promise<void> {
  if (incidents.length === 0) return
  await sql`
    insert into viewkeeper.incidents as i (subject, kinds, opened_at, changed_at, resolved_at, culprit, cause, told_at, told_cause)
    select n.subject, n.kinds, n."openedAt", n."changedAt", n."resolvedAt", n.culprit, n.cause, n."toldAt", n."toldCause"
      from jsonb_to_recordset(${sql.json(incidents as never)}) as n(
             subject text, kinds text[], "openedAt" timestamptz, "changedAt" timestamptz, "resolvedAt" timestamptz, culprit text,
             cause jsonb, "toldAt" timestamptz, "toldCause" text)
    on conflict (subject) do update set kinds = excluded.kinds, opened_at = excluded.opened_at, changed_at = excluded.changed_at,
      resolved_at = excluded.resolved_at, culprit = excluded.culprit, cause = excluded.cause, told_at = excluded.told_at,
      told_cause = excluded.told_cause`
}

/** Removes what has been over for so many days. */
export async function pruneIncidents(sql: Sql, days: number): Promise<void> {
  await sql`
    delete from viewkeeper.incidents
     where resolved_at < clock_timestamp() - make_interval(days => ${days}) and told_cause is null`
}
