import type { Sandbox } from '../../sql/plan.ts'

/** What the catalog says about one view at one moment: all that planning an operation needs. */
export interface ViewFacts {
  oid: number
  /** Digits for the names of a shadow: see `shadowKey`. Another one at each look. */
  shadowKey: string
  schema: string
  name: string
  /** The name as SQL writes it, quoted only if it must be: `public.sales`. */
  view: string
  /** The owner, as SQL writes the role. */
  owner: string
  populated: boolean
  /** Whether we have the rights of the owner, and so may `alter` the view. `maintain` (17 and later) only lets us refresh. */
  mayAlter: boolean
  /** Whether we may take the owner's role (`set role`). */
  mayActAsOwner: boolean
  /**
   * As whom and where the rows are counted one by one; null if we may not act as the owner, or the owner lacks usage or
   * create on the view's schema.
   */
  counting: Sandbox | null
  /** Whether we may make schemas in the database. */
  mayMakeSchemas: boolean
  uniqueIndexes: UniqueIndex[]
  /** Columns that probably identify a row, quoted and comma-separated: a guess, good for advice only. */
  keyCandidate: string | null
  /** Whether the server counts tuples (`track_counts`), and so how many rows a refresh writes. */
  tuplesAreCounted: boolean
}

interface UniqueIndex {
  /** As SQL writes it. */
  name: string
  /** Its columns, as SQL writes them. */
  columns: string
  /** Why `refresh … concurrently` cannot use the index (`is partial`, …); null if it can. */
  unusableBecause: string | null
}

/** The beginning of the reason of a regular refresh that a unique index would spare. */
export const noUsableIndex = 'there is no usable unique index'
