import { literal, quoteIdentifier } from '../../sql/names.ts'
import { entries, relationsOf } from './parse-tree.ts'
import { parse, parsePlPgSQL } from './parser.ts'

/**
 * The relations that a function's body names without a schema, sorted, including those of `pg_catalog`. Code
 * that cannot be parsed, and SQL that `execute` puts together, is ignored.
 */
export async function unqualifiedNames(body: string, language: 'sql' | 'plpgsql'): Promise<string[]> {
  const statements = language === 'sql' ? [body] : await statementsOfPlPgSql(body)
  const found = await Promise.all(statements.map(relationsIn))
  return [...new Set(found.flat().flatMap(({ schema, name }) => (schema === null ? [name] : [])))].sort()
}

const relationsIn = async (sql: string) => parse(sql).then(relationsOf, () => [])

/**
 * The result types to try: the parser checks `return` against the function's result, and the body does not
 * name that type.
 */
const results = ['int', 'setof int', 'table (viewkeeper_column int)']

async function statementsOfPlPgSql(body: string): Promise<string[]> {
  for (const result of results) {
    const tree = await parseInside(result, body)
    if (tree === null) continue
    return [...entries(tree)]
      .filter(([key]) => key === 'PLpgSQL_expr')
      .map(([, value]) => statementOf(value as Expression))
  }
  return []
}

/**
 * The body's tree; null if there is none. Arguments are unknown: each is declared when the parser misses it.
 */
async function parseInside(result: string, body: string): Promise<unknown> {
  const types = new Map<string, string>()
  for (;;) {
    const parameters = [...types].map(([name, type]) => `${quoteIdentifier(name)} ${type}`).join(', ')
    try {
      return await parsePlPgSQL(
        `create function f(${parameters}) returns ${result} language plpgsql as ${literal(body)}`,
      )
    } catch (error) {
      const missed = /^"(.+?)(\..+)?" is not a known variable$/.exec((error as Error).message)
      if (missed?.[1] === undefined) return null
      const type = missed[2] === undefined ? 'text' : 'record'
      if (types.get(missed[1]) === type) return null
      types.set(missed[1], type)
    }
  }
}

interface Expression {
  query: string
  /** 0: a statement; 3 and more: an assignment; else an expression. */
  parseMode: number
}

const statementOf = ({ query, parseMode }: Expression): string => {
  if (parseMode === 0) return query
  return `select ${parseMode >= 3 ? query.replace(/^[^:=]*:?=/, '') : query}`
}
