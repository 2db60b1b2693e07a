/** SQL as text, or a query of Kysely (`compile`) or Drizzle (`toSQL`) that binds no values. */
export type QueryInput =
  | string
  | { compile(): { sql: string; parameters: readonly unknown[] } }
  | { toSQL(): { sql: string; params: unknown[] } }

/** An index: by its columns, or in the words of `create index`. */
export type IndexInput =
  | {
      /** Names of columns, in order. */
      columns: readonly string[]
      /** Default: the one PostgreSQL would choose, `<view>_<columns>_idx`. */
      name?: string
      /** Default false. */
      unique?: boolean
      /** Access method: `gin`, `brin`, … Default: the server's, which is `btree`. */
      using?: string
      /** Condition of a partial index. Default: none. */
      where?: string
      /** Columns that are stored in the index but not searched by. Default: none. */
      include?: readonly string[]
      on?: never
    }
  | {
      /** What follows the view's name: `(day)`, `using gin (tags)`, `(lower(name)) where total > 0`. */
      on: string
      /** Required, because no name can be made from `on`. */
      name: string
      /** Default false. */
      unique?: boolean
      columns?: never
      using?: never
      where?: never
      include?: never
    }

/** Privileges of a role on the view. */
export interface GrantInput {
  /**
   * `select`, `insert`, `update`, `delete`, `truncate`, `references`, `trigger`, `maintain`, `all`; any case.
   */
  privileges: readonly string[]
  /** Only on these columns. Default: on the whole view. */
  columns?: readonly string[]
  /** A role's exact name; `public` is everybody. */
  to: string
  /** Whether the role may grant them to others. Default false. */
  grantOption?: boolean
}
