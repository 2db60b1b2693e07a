import type { Sql } from '../../server/database.ts'
import { mayUse } from '../../server/rights.ts'
import { displayName, type QualifiedName } from '../../sql/names.ts'

/** That a view is authored and not there, since when, and who dropped it if the record knows, as a sentence; null: it is not authored. */
export async function sinceGone(sql: Sql, { schema, name }: QualifiedName): Promise<string | null> {
  // Who may read incidents may read what else is needed.
  if (!(await mayUse(sql, 'select', 'incidents'))) return null
  const [row] = await sql<
    { run: { id: number; at: string; by: string } | null; seen: string | null; found: string | null }[]
  >`
    select dropped.run, to_char(last.last_success_at at time zone 'utc', 'YYYY-MM-DD HH24:MI') as seen,
           to_char(i.opened_at at time zone 'utc', 'YYYY-MM-DD HH24:MI') as found
      from viewkeeper.definitions d
      left join viewkeeper.latest_runs last on last.definition_id = d.id
      left join lateral (
        select jsonb_build_object('id', r.id, 'at', to_char(r.finished_at at time zone 'utc', 'YYYY-MM-DD HH24:MI'), 'by', r.requested_by) as run
          from viewkeeper.runs r where r.definition_id = d.id and r.operation = 'drop' and r.status = 'success'
           and r.finished_at > coalesce(last.last_success_at, '-infinity')
         order by r.id desc limit 1) dropped on true
      left join viewkeeper.incidents i on i.subject = format('%I.%I', d.schema_name, d.name) and 'missing' = any (i.kinds) and i.resolved_at is null
     where d.schema_name = ${schema} and d.name = ${name} and d.removed_at is null and d.source = 'authored' and not exists (
       select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = d.schema_name and c.relname = d.name)`
  if (row === undefined) return null
  const { run, seen, found } = row
  const view = displayName({ schema, name })
  const when = [seen && `after ${seen} UTC`, found && `before ${found} UTC`]
    .filter((each) => each !== null)
    .join(' and ')
  return run !== null
    ? `${view} is authored and missing: run ${run.id} dropped it at ${run.at} UTC, asked for by ${run.by || 'nobody who is known'}.`
    : `${view} is authored and missing: ${when === '' ? 'it was never filled, and perhaps never made' : `somebody dropped it, not with Viewkeeper, ${when}`}.`
}
