import type { SliceFacts } from './facts.ts'
import { isTrue, nodeIn, nodesIn, numberIn, type TreeNode, textIn } from './node-tree.ts'

/** What makes other rows of those that are read. Their order and a WITH that nobody reads make none. */
const others =
  'groupClause groupingSets havingQual distinctClause setOperations limitOffset limitCount'.split(' ')

/** A plain view that a materialized view shows as it is: each of its columns, in its order, with the name that it has above. */
export interface Shown {
  oid: number
  view: string
  columns: { name: string; above: string }[]
}

/** The plain view that the query of a view shows as it is, with all its columns; null: it shows none. Pure. */
export function shownOf(
  { query, columns }: { query: TreeNode; columns: Map<number, string> },
  facts: SliceFacts,
): Shown | null {
  const shows = shownBy(query)
  const relation = shows && facts.relations.get(shows.relation)
  if (relation?.kind !== 'v') return null
  const shown = [...relation.columns].map(([at, name]) => ({
    name,
    above: columns.get(shows!.columns.get(at) ?? 0),
  }))
  return shown.every((each): each is Shown['columns'][0] => each.above !== undefined)
    ? { oid: shows!.relation, view: relation.name, columns: shown }
    : null
}

/**
 * The one relation whose rows a query shows as they are, and by the number of each of its columns that of the same column of the query.
 * Null: the query does more. Pure.
 */
function shownBy(query: TreeNode): { relation: number; columns: Map<number, number> } | null {
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
