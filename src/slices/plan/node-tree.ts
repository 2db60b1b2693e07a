/** A node of a stored query, such as a VAR or a QUERY, with its fields. */
export interface TreeNode {
  tag: string
  fields: Record<string, Tree>
}

/** A value in a stored query: a node, a list, or a word; null: nothing. */
export type Tree = TreeNode | Tree[] | string | null

/** What a `pg_node_tree` holds. Pure. */
export function parseTree(text: string): Tree {
  const tokens = text.match(/[(){}]|(?:\\.|[^\s(){}\\])+/gs) ?? []
  let at = 0
  const value = (): Tree => {
    const token = tokens[at++]
    if (token === '{') return node()
    if (token === '(') {
      const list: Tree[] = []
      while (tokens[at] !== ')') list.push(value())
      at++
      return list
    }
    // Strings in lists are quoted, names in fields are not.
    return token === undefined || token === '<>'
      ? null
      : token.replace(/^"(.*)"$/s, '$1').replaceAll(/\\(.)/gs, '$1')
  }
  const node = (): TreeNode => {
    const parsed: TreeNode = { tag: tokens[at++] as string, fields: {} }
    while (tokens[at] !== '}') {
      const field = (tokens[at++] as string).slice(1)
      const values = [value()]
      // A constant has a length and its bytes. A name may begin with a colon, but stands first.
      while (tokens[at] !== '}' && !tokens[at]?.startsWith(':')) values.push(value())
      parsed.fields[field] = values.length === 1 ? (values[0] as Tree) : values
    }
    at++
    return parsed
  }
  return value()
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

/** The nodes right below this one, in its fields and in their lists. */
export function childrenOf({ fields }: TreeNode): TreeNode[] {
  const below = (tree: Tree): TreeNode[] =>
    Array.isArray(tree) ? tree.flatMap(below) : isNode(tree) ? [tree] : []
  return Object.values(fields).flatMap(below)
}

/** All nodes in a tree. */
export const allNodes = (tree: Tree): TreeNode[] =>
  Array.isArray(tree)
    ? tree.flatMap(allNodes)
    : isNode(tree)
      ? [tree, ...childrenOf(tree).flatMap(allNodes)]
      : []

/** The numbers in fields of that name, wherever they stand. */
export const mentioned = (tree: Tree, field: RegExp): number[] => [
  ...new Set(
    allNodes(tree).flatMap((node) =>
      Object.keys(node.fields).flatMap((each) =>
        field.test(each) ? numbersIn(node, each).filter(Number.isSafeInteger) : [],
      ),
    ),
  ),
]
