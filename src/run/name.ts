import { qualify, readNamesOf } from '../record/definitions/look.ts'
import type { Sql } from '../server/database.ts'
import { lackingCharacter } from '../server/encoding.ts'
import { parseName, type QualifiedName } from '../words/names.ts'
import { Problem } from '../words/problem.ts'

/** Refuses (InvalidRequest) a text with a character that the database cannot store. The keys are the fields of the texts. */
export async function insistOnCharacters(sql: Sql, texts: Record<string, string | null | undefined>) {
  for (const [field, text] of Object.entries(texts)) {
    const lacking = await lackingCharacter(sql, text ?? '')
    if (lacking !== undefined) {
      throw new Problem(
        'InvalidRequest',
        `${field}: the database cannot store ${JSON.stringify(lacking.character)}, because its encoding is ${lacking.encoding}. ` +
          'Leave the character out.',
        { field },
      )
    }
  }
}

/** Refuses (UnknownView) the name of a view with a character that the database cannot store: no view has such a name. */
export async function insistOnNameCharacters(sql: Sql, views: string[], field = 'view'): Promise<void> {
  const lacking = await lackingCharacter(sql, views.join(''))
  if (lacking === undefined) return
  const view = views.find((each) => each.includes(lacking.character))
  throw new Problem(
    'UnknownView',
    `There is no materialized view ${view} in this database: its encoding, ${lacking.encoding}, has no ` +
      `${JSON.stringify(lacking.character)}.`,
    { field },
  )
}

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
