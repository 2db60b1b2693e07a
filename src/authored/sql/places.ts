import type { QualifiedName } from '../../sql/names.ts'
import { tokensIn } from '../../sql/sql-tokens.ts'
import { entries } from './parse-tree.ts'
import { parse } from './parser.ts'

/** A place where a query names a relation with its schema. */
export interface Place {
  relation: QualifiedName
  /** The name by which the query knows the relation's columns; null: it is the name of the relation. */
  alias: string | null
  /** Where the name begins and ends in the text, and where the alias after it ends. */
  from: number
  nameEnd: number
  to: number
}

interface Named {
  schemaname?: string
  relname: string
  /** Missing after `only`. */
  inh?: boolean
  alias?: { aliasname: string; colnames?: unknown[] }
  /** In bytes; 0 is left out. */
  location?: number
}

/**
 * The places in a query, as the server deparses it, where something can stand instead of a relation: not after `only`, not
 * before `tablesample`. Throws if the parser cannot read the query.
 */
export async function placesIn(query: string): Promise<Place[]> {
  const bytes = Buffer.from(query)
  const all = [...entries((await parse(query)).stmts)]
  const sampled = new Set(
    all.flatMap(([key, value]) =>
      key === 'RangeTableSample' ? [(value as { relation: { RangeVar?: unknown } }).relation.RangeVar] : [],
    ),
  )
  return all.flatMap(([key, value]) => {
    const { schemaname: schema, relname: name, inh, alias, location = 0 } = value as Named
    if (key !== 'RangeVar' || schema === undefined || inh !== true || sampled.has(value)) return []
    const from = bytes.subarray(0, location).toString().length
    const ends = endsIn(query.slice(from), alias)
    return [
      {
        relation: { schema, name },
        alias: alias?.aliasname ?? null,
        from,
        nameEnd: from + ends.name,
        to: from + ends.alias,
      },
    ]
  })
}

/** Where `schema.name` and its alias, with the names of columns, end. */
function endsIn(text: string, alias: Named['alias']): { name: number; alias: number } {
  const more = alias === undefined ? 0 : 1
  let [left, name] = [3 + more, 0]
  for (const { kind, text: token, at } of tokensIn(text)) {
    if (kind === 'space' || token === 'AS') continue
    left--
    if (left === more) name = at + token.length
    if (left <= 0 && (alias?.colnames === undefined || token === ')'))
      return { name, alias: at + token.length }
  }
  return { name, alias: text.length }
}
