import { Problem } from '../problem.ts'
import type { Sql } from '../server/connect.ts'
import { lackingCharacter } from '../server/encoding.ts'

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
