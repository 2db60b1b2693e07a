import type { Sql } from '../../db/server/connect.ts'
import { qualify, readNamesOf } from '../../db/views/catalog.ts'
import { parseName, type QualifiedName } from '../../plan/names.ts'

/** Reads what a caller calls a view: its id (digits only, which no unquoted name can be), or its name as in SQL. */
export async function resolveName(sql: Sql, view: string, field = 'view'): Promise<QualifiedName> {
  const [name] = await resolveNames(sql, [view], field)
  return name as QualifiedName
}

/** The same for several, in their order; the statements do not grow in number with them. */
export async function resolveNames(sql: Sql, views: string[], field = 'view'): Promise<QualifiedName[]> {
  const asked = views.map((view) => (/^[0-9]{1,9}$/.test(view) ? Number(view) : parseName(view, field)))
  const ids = asked.filter((each) => typeof each === 'number')
  const names = asked.filter((each) => typeof each !== 'number')
  const ofIds = (await readNamesOf(sql, ids, field)).values()
  const ofNames = (await qualify(sql, names)).values()
  return asked.map((each) => (typeof each === 'number' ? ofIds : ofNames).next().value as QualifiedName)
}
