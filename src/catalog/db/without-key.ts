import type { Sql } from '../../server/connect.ts'
import { mayUse } from '../../server/rights.ts'
import { onReplicas } from '../../server/session-settings.ts'
import { lacksKey, type WithoutKey } from '../../sql/replicas.ts'
import { batchPlaces } from '../plan/shadow-names.ts'
import { unusableBecause } from './catalog.ts'

/**
 * The views that programs read on replicas, as somebody has said, and that `auto` cannot refresh concurrently. None before
 * schema `viewkeeper` is up to date, and for a login that may not read it.
 */
export async function readWithoutKey(sql: Sql): Promise<{ view: string; message: string }[]> {
  if (!(await mayUse(sql, 'select', 'definitions', 'read_on_replicas'))) return []
  const rows = await sql<{ view: string; onReplicas: WithoutKey }[]>`
    select format('%I.%I', n.nspname, c.relname) as view, said.it as "onReplicas"
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      left join viewkeeper.definitions d on d.schema_name = n.nspname and d.name = c.relname and d.removed_at is null
     cross join lateral (select ${sql.unsafe(onReplicas)} as it) said
     where c.relkind = 'm' and c.relpersistence = 'p' and n.nspname !~ ${batchPlaces}
       and coalesce(d.refresh_strategy, 'auto') = 'auto' and said.it is not null
       and not exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisunique and ${unusableBecause(sql)} is null)
     order by n.nspname, c.relname`
  return rows.map(({ view, onReplicas: withoutKey }) => ({
    view,
    message: `${lacksKey(withoutKey)}. Create one: create unique index concurrently on ${view} (<the columns that identify a row>)`,
  }))
}
