import { isTrue, nodeIn, nodesIn, numberIn, type TreeNode, textIn } from './node-tree.ts'

/** What makes other rows of those that are read. Their order and a WITH that nobody reads make none. */
const others =
  'groupClause groupingSets havingQual distinctClause setOperations limitOffset limitCount'.split(' ')

/**
 * The one relation whose rows a query shows as they are, and by the number of each of its columns that of the same column of the query.
 * Null: the query does more. Pure.
 */
export function shownBy(query: TreeNode): { relation: number; columns: Map<number, number> } | null {
  const from = nodeIn(query, 'jointree')!
  const [item, ...more] = nodesIn(from, 'fromlist')
  const entry = nodesIn(query, 'rtable')[numberIn(item ?? query, 'rtindex') - 1]
  const targets = nodesIn(query, 'targetList').filter((target) => !isTrue(target, 'resjunk'))
  const columns = targets.map((target) => nodeIn(target, 'expr')!)
  const isAsItIs =
    item?.tag === 'RANGETBLREF' &&
    more.length === 0 &&
    from.fields.quals === null &&
    entry !== undefined &&
    textIn(entry, 'rtekind') === '0' &&
    columns.every(({ tag }) => tag === 'VAR') &&
    others.every((clause) => query.fields[clause] === null)
  return isAsItIs
    ? {
        relation: numberIn(entry, 'relid'),
        columns: new Map(
          targets.map((target, at) => [numberIn(columns[at]!, 'varattno'), numberIn(target, 'resno')]),
        ),
      }
    : null
}
