import type { SliceFacts } from './facts.ts'
import { allNodes, isTrue, nodeIn, nodesIn, numberIn, type TreeNode, textIn } from './node-tree.ts'

/** A query among others, for the names of its WITH. */
export interface QueryScope {
  query: TreeNode
  outer: QueryScope | null
}

/** What FROM has of a query, the branches of its set operations included. The range table has more: rules have OLD and NEW. */
export const entriesOf = (query: TreeNode): TreeNode[] =>
  [...indexesOf(nodeIn(query, 'jointree')), ...indexesOf(nodeIn(query, 'setOperations'))].map(
    (index) => nodesIn(query, 'rtable')[index - 1]!,
  )

export function indexesOf(item: TreeNode | null): number[] {
  if (item === null) return []
  if (item.tag === 'RANGETBLREF') return [numberIn(item, 'rtindex')]
  return [...nodesIn(item, 'fromlist'), nodeIn(item, 'larg'), nodeIn(item, 'rarg')].flatMap(indexesOf)
}

/** The query that an entry of FROM stands for; null: a table. */
export function readBy(
  entry: TreeNode,
  scope: QueryScope,
  facts: SliceFacts,
): { scope: QueryScope; place: string } | 'nothing' | null {
  const alias = textIn(nodeIn(entry, 'eref') ?? entry, 'aliasname')
  switch (textIn(entry, 'rtekind')) {
    case '0': {
      const relation = facts.relations.get(numberIn(entry, 'relid'))
      const query = relation?.query ?? null
      return query === null
        ? null
        : { scope: { query, outer: null }, place: `the plain view ${relation?.name}` }
    }
    case '1':
      return { scope: { query: nodeIn(entry, 'subquery')!, outer: scope }, place: `its subquery ${alias}` }
    case '6': {
      if (isTrue(entry, 'self_reference')) return 'nothing'
      let home = scope
      for (let up = numberIn(entry, 'ctelevelsup'); up > 0; up--) home = home.outer!
      const name = textIn(entry, 'ctename')
      const found = nodesIn(home.query, 'cteList').find((each) => textIn(each, 'ctename') === name)!
      return { scope: { query: nodeIn(found, 'ctequery')!, outer: home }, place: `its WITH ${name}` }
    }
    default:
      return 'nothing'
  }
}

/** The queries in the expressions of a query. From 18 on, those of GROUP BY stand in an entry of the range table that FROM does not have. */
export function sublinksOf(query: TreeNode): TreeNode[] {
  const { rtable: _, cteList: __, ...fields } = query.fields
  const entries = entriesOf(query).map(({ tag, fields: { subquery: _subquery, ...rest } }) => ({
    tag,
    fields: rest,
  }))
  const grouped = nodesIn(query, 'rtable').flatMap((entry) => nodesIn(entry, 'groupexprs'))
  return allNodes([{ tag: 'FIELDS', fields }, ...entries, ...grouped], ({ tag }) => tag !== 'QUERY').filter(
    ({ tag }) => tag === 'QUERY',
  )
}
