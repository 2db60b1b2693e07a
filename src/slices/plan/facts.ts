import type { TreeNode } from './node-tree.ts'

/** What the catalog says of the objects in some queries, by OID. */
export interface SliceFacts {
  relations: Map<number, RelationFacts>
  /** Functions and operators whose result depends on their arguments alone. */
  immutable: Set<number>
  /** Aggregates of the server that make the same of the same values in any order, if equal values are the same. */
  unordered: Set<number>
  /** Types of which two equal values are the same bytes, with their operators of equality. */
  exact: Set<number>
  equalities: Set<number>
  /** Collations that take different texts for equal. */
  loose: Set<number>
}

interface RelationFacts {
  name: string
  kind: string
  columns: Map<number, string>
  /** The columns of which no two rows have the same value. */
  unique: number[]
  /** Itself and what inherits from it, partitions among them: a row of these is a row of it. */
  heirs: number[]
  /** The query of a plain view. */
  query: TreeNode | null
}
