import { type QualifiedName, qualify, readNameOf } from '../db/catalog.ts'
import type { Sql } from '../db/connect.ts'
import { parseName } from '../plan/names.ts'

/** Reads what a caller calls a view: its id (digits only, which no unquoted name can be), or its name as in SQL. */
export async function resolveName(sql: Sql, view: string, field = 'view'): Promise<QualifiedName> {
  return /^[0-9]{1,9}$/.test(view)
    ? readNameOf(sql, Number(view), field)
    : qualify(sql, parseName(view, field))
}
