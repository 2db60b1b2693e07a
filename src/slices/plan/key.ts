import type { SliceFacts } from './facts.ts'
import {
  allNodes,
  childrenOf,
  isNode,
  isTrue,
  nodeIn,
  nodesIn,
  numberIn,
  type Tree,
  type TreeNode,
  textIn,
} from './node-tree.ts'

/** A column of the table, and what a value is of it: the canonical text of an expression. */
export interface Carried {
  column: number
  form: string
  /** Whether it depends on settings of the session. */
  bySettings: boolean
  /** The same as SQL, with `%s` for the value of the column, if a change log can compute it: see `sqlOf`. */
  sql: string | null
  /** Whether there is a row with it only if the table has one: a side of an outer join, or a branch of a UNION, may have rows without. */
  isOfRow: boolean
}

/** Why an expression of one column of the table is no key, as a sentence; null: it is no such expression. */
export interface Lost {
  because: string | null
}

/** What the FROM of a query gives to its expressions. */
export interface From {
  /** The columns that carry a key, or have lost it, by `placeOf`. */
  columns: Map<string, Carried | Lost>
  /** Columns of others that are equal to a key in every row, with the expression that they are equal to. */
  equal: Map<string, TreeNode>
}

/** What keeps an expression from being a key, which is said of its column. */
export interface Flaw {
  flaw: string
}

export interface Key {
  carried: Carried
  /** The expression, in columns that carry a key. */
  resolved: TreeNode
}

/** Of such nodes the value follows from the parts alone. */
const plain = new Set(
  'VAR CONST FUNCEXPR OPEXPR RELABELTYPE COALESCEEXPR CASEEXPR CASEWHEN CASETESTEXPR NULLTEST BOOLEXPR COLLATEEXPR'.split(
    ' ',
  ),
)

export const placeOf = (variable: TreeNode): string =>
  `${textIn(variable, 'varno')}.${textIn(variable, 'varattno')}`

/** What neither changes a value nor names a column of the query itself. */
const meaningless = /location$|^varnosyn$|^varattnosyn$|^varnullingrels$|^varreturningtype$|format$/

/** The text of an expression, the same for the same expression; columns that carry a key are written by their form. */
function textOf(tree: Tree, columns: From['columns'] = new Map()): string {
  if (Array.isArray(tree)) return `(${tree.map((each) => textOf(each, columns)).join(' ')})`
  if (!isNode(tree)) return String(tree)
  const carried = tree.tag === 'VAR' ? columns.get(placeOf(tree)) : undefined
  if (carried !== undefined && 'form' in carried) return carried.form
  const fields = Object.entries(tree.fields).filter(([field]) => !meaningless.test(field))
  return `{${tree.tag} ${fields.map(([field, value]) => `:${field} ${textOf(value, columns)}`).join(' ')}}`
}

/** Whether an expression may be a key: nobody writes a longer one, and what is recursive ends. */
export const isShort = (expression: TreeNode): boolean => allNodes(expression).length <= 500

/** An expression with the columns of joins and groups replaced by what they stand for. Sublinks have none of this query's. */
export function resolve(query: TreeNode, from: From, expression: TreeNode): TreeNode {
  if (expression.tag === 'QUERY' || !isShort(expression)) return expression
  if (expression.tag !== 'VAR') {
    const each = (tree: Tree): Tree =>
      Array.isArray(tree) ? tree.map(each) : isNode(tree) ? resolve(query, from, tree) : tree
    return {
      tag: expression.tag,
      fields: Object.fromEntries(
        Object.entries(expression.fields).map(([field, tree]) => [field, each(tree)]),
      ),
    }
  }
  if (numberIn(expression, 'varlevelsup') !== 0) return expression
  const entry = nodesIn(query, 'rtable')[numberIn(expression, 'varno') - 1]
  const instead = [entry?.fields.joinaliasvars ?? entry?.fields.groupexprs ?? []].flat()[
    numberIn(expression, 'varattno') - 1
  ]
  if (isNode(instead)) return resolve(query, from, instead)
  return from.equal.get(placeOf(expression)) ?? expression
}

/**
 * The key that an expression is: computed from one column that carries a key, and from nothing else. What is not immutable in a query of which
 * everything is known depends on settings of the session.
 */
export function keyOf(
  query: TreeNode,
  from: From,
  expression: TreeNode,
  facts: SliceFacts,
): Key | Lost | Flaw {
  const resolved = resolve(query, from, expression)
  const nodes = allNodes(resolved)
  const isPlain =
    isShort(resolved) &&
    nodes.every((node) => plain.has(node.tag) && !isTrue(node, 'funcretset') && !isTrue(node, 'opretset'))
  const columns = nodes.filter(({ tag }) => tag === 'VAR')
  const carried = from.columns.get([...new Set(columns.map(placeOf))].join())
  if (!isPlain || carried === undefined || columns.some((each) => numberIn(each, 'varlevelsup') !== 0))
    return { because: null }
  if ('because' in carried) return carried
  const called = nodes.flatMap((node) =>
    node.tag === 'FUNCEXPR' ? numberIn(node, 'funcid') : node.tag === 'OPEXPR' ? numberIn(node, 'opno') : [],
  )
  if (nodes.flatMap(collationsOf).some((collation) => facts.loose.has(collation)))
    return { flaw: 'has a collation that takes different texts for equal' }
  const bySettings = carried.bySettings || called.some((each) => !facts.immutable.has(each))
  const [form, sql] = [textOf(resolved, from.columns), sqlOf(resolved, from.columns)]
  return { carried: { ...carried, form, bySettings, sql }, resolved }
}

/** Whether equal values of `other` make equal values of `expression`: wherever it has a column, that stands in `other`. */
export const followsFrom = (expression: TreeNode, other: TreeNode): boolean =>
  textOf(expression) === textOf(other) ||
  (expression.tag !== 'VAR' && childrenOf(expression).every((child) => followsFrom(child, other)))

const collationsOf = (node: TreeNode): number[] =>
  Object.keys(node.fields).flatMap((field) =>
    /coll(id)?$|^collOid$/.test(field) ? numberIn(node, field) : [],
  )

/** The types of what a log computes, by OID. */
export const times = new Map([
  [1082, 'date'],
  [1114, 'timestamp without time zone'],
  [1184, 'timestamp with time zone'],
])

/** A name of a zone, and not an abbreviation, whose meaning the session sets. */
const zone = /^(utc|\w+(\/[\w+-]+)+)$/i
const unit =
  /^(microseconds|milliseconds|second|minute|hour|day|week|month|quarter|year|decade|century|millennium)$/i

/** PostgreSQL 15 takes it for stable, as 16 does not, nor either of them `at time zone`, which looks its zone up in the same way. */
export const truncInZone = 1284

/** The functions that a log computes by, and what their first argument may be, if they have two, and the third. */
const computing = new Map<number, readonly [string, RegExp, RegExp?]>([
  [2020, ['date_trunc', unit]],
  [truncInZone, ['date_trunc', unit, zone]],
  [1159, ['timezone', zone]],
  [2069, ['timezone', zone]],
  [2029, ['date', /^$/]],
  [2024, ['timestamp', /^$/]],
])

/**
 * An expression as SQL that calls nothing but functions of the server, which compute dates and times from these alone, whatever the settings of the session: date_trunc of a
 * `timestamp`, or in a zone, casts between that and `date`, and `at time zone`. What of it is text is ASCII that needs no escape. Null: another one.
 */
function sqlOf(node: TreeNode, columns: From['columns']): string | null {
  if (node.tag === 'VAR') {
    const carried = columns.get(placeOf(node))
    return carried && 'sql' in carried ? carried.sql : null
  }
  const [name, takes, takesLast] = (node.tag === 'FUNCEXPR' && computing.get(numberIn(node, 'funcid'))) || []
  if (name === undefined) return null
  const given = nodesIn(node, 'args')
  const last = takesLast && textOfConstant(given.pop()!)
  const [value, first] = given.reverse() as [TreeNode, TreeNode?]
  const [of, text] = [sqlOf(value, columns), first ? textOfConstant(first) : '']
  return of !== null && takes!.test(text) && (takesLast?.test(last!) ?? true)
    ? `pg_catalog.${name}(${first ? `'${text}', ` : ''}${of}${last ? `, '${last}'` : ''})`
    : null
}

/** The text of a constant of type text, if it is ASCII; else any other one. Its bytes follow their number, a bracket and the four of their length. */
const textOfConstant = ({ tag, fields: { constvalue } }: TreeNode): string =>
  tag === 'CONST' && Array.isArray(constvalue)
    ? String.fromCharCode(...constvalue.slice(6, -1).map(Number))
    : ''

/** The type of a key, and of what may stand beside one. */
export function typeOf(node: TreeNode): number {
  const field =
    /^(?:vartype|consttype|funcresulttype|opresulttype|resulttype|coalescetype|casetype|aggtype|wintype|typeId)$/
  const type = Object.keys(node.fields).find((each) => field.test(each))
  if (type !== undefined) return numberIn(node, type)
  const argument = node.tag === 'COLLATEEXPR' ? nodeIn(node, 'arg') : null
  return argument === null ? boolean : typeOf(argument)
}

const boolean = 16

/** The parts of a condition that hold all at once. */
export const conjuncts = (quals: TreeNode | null): TreeNode[] =>
  quals === null
    ? []
    : quals.tag === 'BOOLEXPR' && textIn(quals, 'boolop') === 'and'
      ? nodesIn(quals, 'args').flatMap(conjuncts)
      : [quals]
