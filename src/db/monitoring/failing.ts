import { failureOf } from '../runs/failing.ts'
import type { Sql } from '../server/connect.ts'

/** The views that fail, by name, without paused views, and without failures from before the first deploy. */
export const readFailingViews = (sql: Sql) => sql<{ id: number; name: string }[]>`
    select d.id, format('%I.%I', d.schema_name, d.name) as name
      from viewkeeper.definitions d cross join lateral (${failureOf(sql)}) failure
     where d.removed_at is null and d.paused_at is null
       and (d.source = 'authored' or exists (
             select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
              where c.relkind = 'm' and n.nspname = d.schema_name and c.relname = d.name))
       and failure.finished_at > coalesce(
             (select (value ->> 'since')::timestamptz from viewkeeper.switches where key = 'monitored'), '-infinity')
     order by name`
