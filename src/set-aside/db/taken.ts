import type { Sql } from '../../server/connect.ts'
import { type AsideView, nameOf } from '../plan/items.ts'

/** Those whose names something in the catalog has. */
export async function findTaken(sql: Sql, items: AsideView[]): Promise<AsideView[]> {
  const asked = items.map((item) => {
    const { schema, name } = item.live.view
    return { called: nameOf(item), schema, name }
  })
  const rows = await sql<{ called: string }[]>`
    select x.called from jsonb_to_recordset(${sql.json(asked)}) as x(called text, schema text, name text)
      join pg_namespace n on n.nspname = x.schema join pg_class c on c.relnamespace = n.oid and c.relname = x.name`
  const there = new Set(rows.map(({ called }) => called))
  return items.filter((item) => there.has(nameOf(item)))
}
