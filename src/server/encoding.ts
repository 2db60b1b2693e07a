import type { Sql } from './database.ts'
import { sqlstateOf } from './failures.ts'
import { inTransaction } from './transactions.ts'

/** A character that a database cannot store, and the encoding of the database. */
export interface LackingCharacter {
  character: string
  encoding: string
}

/**
 * The first character of a text that the database cannot store; undefined if it can store them all. Only the server knows
 * its conversions, so the characters go there as bytes. A text in ASCII takes no statement.
 */
export async function lackingCharacter(sql: Sql, text: string): Promise<LackingCharacter | undefined> {
  const unsure = [...new Set(text.match(/[\u0080-\u{10ffff}]/gu))]
  if (unsure.length === 0 || (await canStore(sql, unsure.join('')))) return undefined
  for (const character of unsure) {
    if (await canStore(sql, character)) continue
    const [row] = await sql<{ encoding: string }[]>`
      select pg_catalog.current_setting('server_encoding') as encoding`
    return { character, encoding: row?.encoding as string }
  }
  return undefined
}

async function canStore(sql: Sql, characters: string): Promise<boolean> {
  const bytes = Buffer.from(characters).toString('hex')
  try {
    await inTransaction(
      sql,
      (part) => part`select pg_catalog.convert_from(pg_catalog.decode(${bytes}, 'hex'), 'UTF8')`,
    )
    return true
  } catch (error) {
    if (sqlstateOf(error) === '22P05') return false
    throw error
  }
}
