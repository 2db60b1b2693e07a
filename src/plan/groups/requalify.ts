import { quoteIdentifier, quoteName, unquoted } from '../names.ts'

/**
 * Rewrites a query, as the server writes it under a search path without schemas: each relation and each type that `moved`
 * knows gets another schema, and keeps its name. `moved` maps names, written by `quoteName`, to schemas. Only places of a
 * relation (in FROM, after JOIN) and of a type (after `::`) are changed: elsewhere the same words may be an alias and its
 * column. The caller proves by the catalog that nothing was missed.
 */
export function requalify(sql: string, moved: Map<string, string>): string {
  if (moved.size === 0) return sql
  const tokens = [...sql.matchAll(token)].map(({ 0: text, index }) => ({ text, index }))
  const scopes: Scope[] = [{ from: false, call: false }]
  let written = ''
  let done = 0
  tokens.forEach(({ text, index }, at) => {
    const before = tokens[at - 1]?.text ?? ''
    const scope = scopes.at(-1) as Scope
    if (text === '(') {
      scopes.push({ from: scope.from && startsRelation.has(before), call: isName.test(before) })
    } else if (text === ')') {
      if (scopes.length > 1) scopes.pop()
    } else if (text === 'SELECT' || endsFrom.has(text)) {
      Object.assign(scope, { from: false, call: scope.call && text !== 'SELECT' })
    } else if (text === 'FROM') {
      if (!scope.call && before !== 'DISTINCT') scope.from = true
    } else if (isName.test(text) && ((scope.from && startsRelation.has(before)) || before === '::')) {
      const isQualified = tokens[at + 1]?.text === '.' && tokens[at + 3]?.text !== '('
      const name = { schema: unquoted(text), name: unquoted(tokens[at + 2]?.text ?? '') }
      const schema = isQualified ? moved.get(quoteName(name)) : undefined
      if (schema !== undefined) {
        written += sql.slice(done, index) + quoteIdentifier(schema)
        done = index + text.length
      }
    }
  })
  return written + sql.slice(done)
}

/** What a pair of parentheses holds. */
interface Scope {
  /** We are in a FROM clause. */
  from: boolean
  /** The parentheses belong to a function: `EXTRACT(year FROM day)` has no FROM clause. */
  call: boolean
}

/** Strings, names, `::`, and anything else. The server writes no comments, and keywords in capitals. */
const token =
  /[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|::|[^\s]/gsu
/** A name, or a keyword in front of a parenthesis as if it were a function. */
const isName =
  /^(?:"|[a-z_]|EXTRACT$|OVERLAY$|POSITION$|SUBSTRING$|TRIM$|JSON|XML|COALESCE$|GREATEST$|LEAST$|CAST$)/
const startsRelation = new Set(['FROM', 'JOIN', ',', '(', 'ONLY'])
const endsFrom = new Set(
  'WHERE GROUP HAVING WINDOW ORDER LIMIT OFFSET FETCH FOR UNION INTERSECT EXCEPT VALUES SEARCH CYCLE'.split(
    ' ',
  ),
)
