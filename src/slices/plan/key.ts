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
  return { carried: { ...carried, form: textOf(resolved, from.columns), bySettings }, resolved }
}

/** Whether equal values of `other` make equal values of `expression`: wherever it has a column, that stands in `other`. */
export const followsFrom = (expression: TreeNode, other: TreeNode): boolean =>
  textOf(expression) === textOf(other) ||
  (expression.tag !== 'VAR' && childrenOf(expression).every((child) => followsFrom(child, other)))

const collationsOf = (node: TreeNode): number[] =>
  Object.keys(node.fields).flatMap((field) =>
    /coll(id)?$|^collOid$/.test(field) ? numberIn(node, field) : [],
  )

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
