import { quoteIdentifier, quoteName } from '../../sql/names.ts'
import { type Token, tokensIn } from '../../sql/sql-tokens.ts'
import { folded, type QualifiedName, type ViewName } from '../../words/names.ts'

/** A place of a query that names a relation, or its row type. */
interface Mention extends ViewName {
  /** Where the schema is written, if it is. */
  at: number
  end: number
}

/**
 * Rewrites a query: each relation and each row type (`::app.sales`) that is written with its schema and that `moved` knows
 * gets another schema, and keeps its name. `moved` maps names, written by `quoteName`, to schemas. A relation without a
 * schema gets one if `bare` knows it; else it is found by the search path (`pathOverShadows`). Elsewhere the same words may be
 * an alias and its column. The caller proves by the catalog that nothing was missed.
 */
export function requalify(
  sql: string,
  moved: Map<string, string>,
  bare: Map<string, string> = new Map(),
): string {
  let written = ''
  let done = 0
  for (const mention of mentionsIn(sql)) {
    const schema = mention.schema === null ? bare.get(mention.name) : moved.get(quoteName(mention))
    if (schema === undefined) continue
    const isBare = mention.schema === null
    written += `${sql.slice(done, mention.at)}${quoteIdentifier(schema)}${isBare ? '.' : ''}`
    done = isBare ? mention.at : mention.end
  }
  return written + sql.slice(done)
}

/** Which of these views a query names. A name without a schema may mean each view of that name. */
export function viewsNamedIn<V extends QualifiedName>(sql: string, views: V[]): V[] {
  const mentions = mentionsIn(sql)
  return views.filter(({ schema, name }) =>
    mentions.some((each) => each.name === name && (each.schema === null || each.schema === schema)),
  )
}

/** A search path on which a name without a schema finds the shadow before the view. `owner` stands for `"$user"`. */
export const pathOverShadows = (
  path: string,
  shadowsOf: (schema: string) => string | undefined,
  owner: string,
): string =>
  [...tokensIn(path)]
    .filter(({ kind }) => isName(kind))
    .flatMap(({ text: entry }) => {
      const schema = folded(entry)
      const shadows = shadowsOf(schema === '$user' ? owner : schema)
      return shadows === undefined ? [entry] : [quoteIdentifier(shadows), entry]
    })
    .join(', ')

/** The relations that a query names, and the views before the columns of `app.sales.total`, in their order. */
function mentionsIn(sql: string): Mention[] {
  const tokens = [...tokensIn(sql)].filter(({ kind }) => kind !== 'space' && kind !== 'comment')
  const words = tokens.map(({ text }) => (/^[a-z]/i.test(text) ? text.toUpperCase() : text))
  const expressions = commonExpressions(tokens)
  const scopes: Parentheses[] = [{ selects: true, from: false }]
  const mentions: Mention[] = []
  tokens.forEach(({ kind, text, at }, index) => {
    const [word, before, after, beyond] = [
      words[index],
      words[index - 1] ?? '',
      words[index + 1],
      words[index + 3],
    ]
    const scope = scopes.at(-1) as Parentheses
    if (word === '(')
      scopes.push({ selects: false, from: scope.from && startsRelation.has(before) && after !== 'WITH' })
    else if (word === ')') scopes.length > 1 && scopes.pop()
    else if (word === 'SELECT') Object.assign(scope, { selects: true, from: false })
    else if (word === 'FROM') scope.from ||= scope.selects && before !== 'DISTINCT'
    else if (endsFrom.has(word as string)) scope.from = false
    else if (isName(kind) && before !== '.') {
      const isType = before === '::'
      const isRelation = (scope.from && startsRelation.has(before)) || before === 'TABLE' || isType
      const { kind: ofSecond, text: second = '' } = tokens[index + 2] ?? {}
      const isQualified = after === '.' && isName(ofSecond)
      if (isQualified && (isRelation ? beyond !== '(' : beyond === '.'))
        mentions.push({ schema: folded(text), name: folded(second), at, end: at + text.length })
      else if (
        !isQualified &&
        isRelation &&
        !isType &&
        after !== '(' &&
        !notRelations.has(word as string) &&
        !expressions.has(folded(text))
      )
        mentions.push({ schema: null, name: folded(text), at, end: at })
    }
  })
  return mentions
}

/** The names of common table expressions, `name [(columns)] as [[not] materialized] (…)`: they hide relations. */
function commonExpressions(tokens: Token[]): Set<string> {
  const names = new Set<string>()
  tokens.forEach(({ text }, at) => {
    if (text.toUpperCase() !== 'AS' || !/^(\(|not|materialized)$/i.test(tokens[at + 1]?.text ?? '')) return
    let before = at - 1
    if (tokens[before]?.text === ')') {
      while (before > 0 && tokens[before]?.text !== '(') before--
      before--
    }
    names.add(folded(tokens[before]?.text ?? ''))
  })
  return names
}

/** What a pair of parentheses holds. */
interface Parentheses {
  /** A query, so FROM begins its FROM clause: `extract(year from day)` has none. */
  selects: boolean
  /** We are in a FROM clause. */
  from: boolean
}

const isName = (kind: Token['kind'] | undefined): boolean => kind === 'name' || kind === 'word'
const startsRelation = new Set(['FROM', 'JOIN', ',', '(', 'ONLY', 'LATERAL'])
const notRelations = new Set(['SELECT', 'ONLY', 'LATERAL', 'VALUES', 'WITH', 'TABLE', 'ROWS'])
const endsFrom = new Set(
  'WHERE GROUP HAVING WINDOW ORDER LIMIT OFFSET FETCH FOR UNION INTERSECT EXCEPT VALUES'.split(' '),
)
