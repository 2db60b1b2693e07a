import type { Sql } from '../../server/connect.ts'
import { type AsideItem, nameOf } from '../plan/items.ts'

/** Those that are in the catalog. */
export async function findTaken(sql: Sql, items: AsideItem[]): Promise<AsideItem[]> {
  const asked = items.flatMap((item) => {
    if (item.kind === 'policy') return []
    const [schema, name] = item.kind === 'view' ? [item.live.view.schema, item.live.view.name] : [null, null]
    return [{ called: nameOf(item), schema, name }]
  })
  const rows = await sql<{ called: string }[]>`
    select x.called from jsonb_to_recordset(${sql.json(asked)}) as x(called text, schema text, name text)
     where case when x.name is null then to_regprocedure(x.called) is not null
                else exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                              where n.nspname = x.schema and c.relname = x.name) end`
  const there = new Set(rows.map(({ called }) => called))
  return items.filter((item) => there.has(nameOf(item)))
}
