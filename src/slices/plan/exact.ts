import { entriesOf, type QueryScope, readBy } from './entries.ts'
import type { SliceFacts } from './facts.ts'
import { resolve } from './key.ts'
import {
  allNodes,
  isTrue,
  mentioned,
  nodeIn,
  nodesIn,
  numberIn,
  type Tree,
  type TreeNode,
  textIn,
} from './node-tree.ts'

const numeric = 1700
const [union, join] = ['1', '2']
const noColumns = { columns: new Map(), equal: new Map() }

class Uncertain extends Error {}

/**
 * The columns of a view that are *exact*: if the same rows of tables are read twice, in any order and by any plan, they have the same values, so
 * that a difference is a mistake. A column is exact if
 * - its type is numeric, or one whose equal values are the same bytes, as those of slices are: no float, and no json, array or interval;
 * - it is computed from columns of tables, by functions, and by aggregates that take rows in any order: `count`, `min`, `max`, `bool_and`, and
 *   sums and averages of integers and `numeric`. No window is, no subquery of an expression, and no column of the system.
 *
 * Null, if it is not certain which rows there are, so that not even their number is compared: the query, or one below it, has DISTINCT ON or a LIMIT, groups or compares rows by
 * what has two looks for one value, or has a condition, a grouping or a DISTINCT on what is not exact. Pure.
 */
export function exactColumns(
  { query, columns, types }: { query: TreeNode; columns: Map<number, string>; types: Map<number, number> },
  facts: SliceFacts,
): string[] | null {
  const known = new Map<TreeNode, Map<number, boolean>>()
  const insist = (certain: boolean): void => {
    if (!certain) throw new Uncertain()
  }

  /** Which columns of a query are the same each time, by number, if its rows are. */
  function certainOf(scope: QueryScope): Map<number, boolean> {
    const { query } = scope
    const before = known.get(query)
    if (before !== undefined) return before
    const { limitOffset, limitCount } = query.fields
    const compared = [...nodesIn(query, 'groupClause'), ...nodesIn(query, 'distinctClause')]
    insist(limitOffset === null && limitCount === null && !isTrue(query, 'hasDistinctOn'))
    insist(compared.every(comparesBytes))
    const operations = nodeIn(query, 'setOperations')
    if (operations !== null) return ofOperations(operations, scope)
    const entries = entriesOf(query).map(({ tag, fields: { subquery: _, ...fields } }) => ({ tag, fields }))
    insist(isCertain([nodeIn(query, 'jointree'), nodeIn(query, 'havingQual'), ...entries], scope))
    const references = compared.map((clause) => numberIn(clause, 'tleSortGroupRef'))
    const found = new Map<number, boolean>()
    for (const target of nodesIn(query, 'targetList')) {
      const certain = isCertain(target, scope)
      const decides =
        references.includes(numberIn(target, 'ressortgroupref')) || isTrue(query, 'hasTargetSRFs')
      insist(certain || !decides)
      found.set(numberIn(target, 'resno'), certain)
    }
    known.set(query, found)
    return found
  }

  function ofOperations(item: TreeNode, scope: QueryScope): Map<number, boolean> {
    if (item.tag === 'RANGETBLREF') return certainOfEntry(numberIn(item, 'rtindex'), scope)!
    const [one, other] = [nodeIn(item, 'larg')!, nodeIn(item, 'rarg')!].map((side) =>
      ofOperations(side, scope),
    )
    const both = new Map([...one!].map(([at, certain]) => [at, certain && other!.get(at) === true]))
    const comparesRows = textIn(item, 'op') !== union || !isTrue(item, 'all')
    insist(!comparesRows || ![...both.values()].includes(false))
    insist(nodesIn(item, 'groupClauses').every(comparesBytes))
    return both
  }

  /** The same of what stands in FROM; null: all columns of it are those of a table, or of a function. */
  function certainOfEntry(index: number, scope: QueryScope): Map<number, boolean> | null {
    const entry = nodesIn(scope.query, 'rtable')[index - 1]!
    insist(!isTrue(entry, 'self_reference'))
    const below = readBy(entry, scope, facts)
    return below === null || below === 'nothing' ? null : certainOf(below.scope)
  }

  const comparesBytes = (clause: TreeNode): boolean => facts.equalities.has(numberIn(clause, 'eqop'))

  function isCertain(trees: Tree, scope: QueryScope): boolean {
    const resolved = [trees].flat().map((each) => each && resolve(scope.query, noColumns, each as TreeNode))
    return allNodes(resolved).every((node) => {
      if (node.tag === 'AGGREF')
        return facts.unordered.has(numberIn(node, 'aggfnoid')) && isExact(numberIn(node, 'aggtype'))
      if (node.tag === 'VAR') return isCertainColumn(node, scope)
      return !['WINDOWFUNC', 'SUBLINK', 'QUERY'].includes(node.tag)
    })
  }

  function isCertainColumn(variable: TreeNode, scope: QueryScope): boolean {
    const [index, column] = [numberIn(variable, 'varno'), numberIn(variable, 'varattno')]
    if (column < 1 || numberIn(variable, 'varlevelsup') !== 0) return false
    if (textIn(nodesIn(scope.query, 'rtable')[index - 1]!, 'rtekind') === join) return false
    const below = certainOfEntry(index, scope)
    return below === null || below.get(column) === true
  }

  /** Whether equal values of its type are the same, which `min` and `max` need, or numeric. */
  const isExact = (type: number): boolean => facts.exact.has(type) || type === numeric

  const trees = [query, ...[...facts.relations.values()].map((each) => each.query)]
  if (mentioned(trees, /coll(id)?$|^collOid$/).some((each) => facts.loose.has(each))) return null
  try {
    const certain = certainOf({ query, outer: null })
    return nodesIn(query, 'targetList').flatMap((entry) => {
      const at = numberIn(entry, 'resno')
      const name = columns.get(at)
      return name !== undefined && certain.get(at) && isExact(types.get(at)!) ? name : []
    })
  } catch (error) {
    if (error instanceof Uncertain) return null
    throw error
  }
}
