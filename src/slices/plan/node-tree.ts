import { word } from '../../catalog/plan/tree/normal-form.ts'

/** A node of a stored query, such as a VAR or a QUERY, with its fields. */
export interface TreeNode {
  tag: string
  fields: Record<string, Tree>
}

/** A value in a stored query: a node, a list, or a word; null: nothing. */
export type Tree = TreeNode | Tree[] | string | null

/** What a `pg_node_tree` holds. Pure, and not recursive: an expression may be thousands of nodes deep. */
export function parseTree(text: string): Tree {
  /** What is open: the values of a list, or of the node's last field. */
  const open: { values: Tree[]; node?: TreeNode; field?: string }[] = [{ values: [] }]
  const endField = ({ values, node, field }: (typeof open)[0]) => {
    if (node !== undefined && field !== undefined)
      node.fields[field] = values.length === 1 ? values[0]! : values
  }
  for (const [token] of text.matchAll(new RegExp(`[(){}]|${word}`, 'gs'))) {
    const inner = open.at(-1)!
    if (token === '{') {
      const node: TreeNode = { tag: '', fields: {} }
      inner.values.push(node)
      open.push({ values: [], node })
    } else if (token === '(') {
      const values: Tree[] = []
      inner.values.push(values)
      open.push({ values })
    } else if (token === ')' || token === '}') {
      endField(inner)
      open.pop()
    } else if (inner.node?.tag === '') {
      inner.node.tag = token
    } else if (
      inner.node !== undefined &&
      token.startsWith(':') &&
      (inner.field === undefined || inner.values.length > 0)
    ) {
      // A name may begin with a colon, too, but stands first in its field.
      endField(inner)
      Object.assign(inner, { field: token.slice(1), values: [] })
    } else {
      // Strings in lists are quoted, names in fields are not.
      const word = token.replace(/^"(.*)"$/s, '$1').replaceAll(/\\(.)/gs, '$1')
      inner.values.push(token === '<>' ? null : word)
    }
  }
  return open[0]!.values[0] ?? null
}

export const isNode = (tree: Tree | undefined): tree is TreeNode =>
  typeof tree === 'object' && tree !== null && !Array.isArray(tree)

/** A field that holds one node; null: nothing. */
export function nodeIn({ fields }: TreeNode, field: string): TreeNode | null {
  const tree = fields[field]
  return isNode(tree) ? tree : null
}

/** A field that holds a list of nodes. */
export function nodesIn({ fields }: TreeNode, field: string): TreeNode[] {
  const tree = fields[field]
  return Array.isArray(tree) ? tree.filter(isNode) : []
}

/** A field that holds a number or a list of numbers: `(o 25 1082)`. */
export function numbersIn({ fields }: TreeNode, field: string): number[] {
  const tree = fields[field]
  return (Array.isArray(tree) ? tree.slice(1) : [tree]).map(Number)
}

export const numberIn = (node: TreeNode, field: string): number => Number(node.fields[field])

export const isTrue = ({ fields }: TreeNode, field: string): boolean => fields[field] === 'true'

export const textIn = ({ fields }: TreeNode, field: string): string => String(fields[field] ?? '')

/** The nodes right below this one, in its fields and in their lists; of what a join offers, not the columns of tables: the query may use none of them. */
export function childrenOf({ fields }: TreeNode): TreeNode[] {
  const below = (tree: Tree): TreeNode[] =>
    Array.isArray(tree) ? tree.flatMap(below) : isNode(tree) ? [tree] : []
  return Object.entries(fields).flatMap(([field, tree]) =>
    below(tree).filter(({ tag }) => field !== 'joinaliasvars' || tag !== 'VAR'),
  )
}

/** All nodes in trees, outer ones before inner ones. `within`: whether to go into a node. */
export function allNodes(trees: Tree, within: (node: TreeNode) => boolean = () => true): TreeNode[] {
  const found = [trees].flat().filter(isNode)
  // What is found meanwhile is looked at, too.
  for (const node of found) if (within(node)) for (const child of childrenOf(node)) found.push(child)
  return found
}

/** The numbers in fields of that name, wherever they stand. */
export const mentioned = (tree: Tree, field: RegExp): number[] =>
  [
    ...new Set(
      allNodes(tree).flatMap((node) =>
        Object.keys(node.fields).flatMap((each) => (field.test(each) ? numbersIn(node, each) : [])),
      ),
    ),
  ].filter(Number.isSafeInteger)
