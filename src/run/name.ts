import { qualify, readNamesOf } from '../catalog/db/catalog.ts'
import type { Sql } from '../server/connect.ts'
import { parseName, type QualifiedName } from '../sql/names.ts'
import { insistOnNameCharacters } from './characters.ts'

/** Resolves a view's id or its name as in SQL. Digits only are an id: no unquoted name consists of digits. */
export async function resolveName(sql: Sql, view: string, field = 'view'): Promise<QualifiedName> {
  const [name] = await resolveNames(sql, [view], field)
  return name as QualifiedName
}

/** Resolves several views, in their order, in the same number of statements however many they are. */
export async function resolveNames(sql: Sql, views: string[], field = 'view'): Promise<QualifiedName[]> {
  const parsed = views.map((view) => (/^[0-9]{1,10}$/.test(view) ? Number(view) : parseName(view, field)))
  await insistOnNameCharacters(sql, views, field)
  const ids = parsed.filter((each) => typeof each === 'number')
  const names = parsed.filter((each) => typeof each !== 'number')
  const ofIds = (await readNamesOf(sql, ids, field)).values()
  const ofNames = (await qualify(sql, names)).values()
  return parsed.map((each) => (typeof each === 'number' ? ofIds : ofNames).next().value as QualifiedName)
}
