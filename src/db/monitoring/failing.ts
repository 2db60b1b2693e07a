import { mayRetry, problemCodes } from '../../problem.ts'
import type { Sql } from '../server/connect.ts'

/**
 * The names of the views whose data no run has made fresh since a run failed, without paused views, refusals that a caller
 * got as the answer, drops, and failures from before the first deploy.
 */
export async function readFailingViews(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select format('%I.%I', d.schema_name, d.name) as name
      from viewkeeper.definitions d
     cross join lateral (
       select r.id, r.finished_at from viewkeeper.runs r
        where r.definition_id = d.id and r.status = 'failed' and r.operation <> 'drop'
          and not (r.started_at is null and r.trigger in ('http', 'cli')
                   and not ${sql.json(problemCodes.filter(mayRetry))}::jsonb ? (r.error ->> 'class'))
        order by r.id desc limit 1) failure
     where d.removed_at is null and d.paused_at is null
       and (d.source = 'authored' or exists (
             select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
              where c.relkind = 'm' and n.nspname = d.schema_name and c.relname = d.name))
       and not exists (
             select from viewkeeper.runs r
              where r.definition_id = d.id and r.id > failure.id and r.status = 'success' and r.fills)
       and failure.finished_at > coalesce(
             (select (value ->> 'since')::timestamptz from viewkeeper.switches where key = 'monitored'), '-infinity')
     order by 1`
  return rows.map(({ name }) => name)
}
