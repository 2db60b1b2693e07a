import type { ViewName } from '../names.ts'

/** The strategies that a request or a definition may name; `auto` leaves the choice to Viewkeeper. */
export type Strategy = 'auto' | 'regular' | 'concurrent' | 'swap'
export const strategies = ['auto', 'regular', 'concurrent', 'swap'] as const satisfies Strategy[]

/** How rows are counted before and after: not at all, from the planner's statistics, or one by one. */
export type RowCountStrategy = 'none' | 'estimated' | 'exact'
export const rowCountStrategies = ['none', 'estimated', 'exact'] as const satisfies RowCountStrategy[]

/** One index of a definition, in the words of `create index`. */
export interface IndexDefinition {
  name: string
  unique?: boolean | undefined
  /** What follows the view's name: `(day)`, `using gin (tags)`, `(id) include (total) where total > 0`. */
  on: string
}

/** What a definition says about the view itself: all that creating the view needs. */
export interface ViewDefinition extends ViewName {
  schema: string
  sql: string
  indexes: IndexDefinition[]
  comment: string | null
  grants: GrantDefinition[]
}

/** Privileges of a definition: `{ privileges: ['select'], to: 'reporting' }`; `public` is everybody. */
export interface GrantDefinition {
  /** In lower case: `select`, `insert`, …, `maintain`; or `all`. */
  privileges: string[]
  /** Only on these columns. */
  columns?: string[] | undefined
  to: string
  /** Whether the grantee may grant them to others. */
  grantOption?: boolean | undefined
}

/**
 * A view's whole definition: what an author wrote in `views/`, and the defaults for the rest. Each field is a
 * column of `viewkeeper.definitions`.
 */
export interface Definition extends ViewDefinition {
  /** The exact name of the role that is to own the view; null: any owner is right, and the default owns a new view. */
  owner: string | null
  strategy: Strategy
  rowCountStrategy: RowCountStrategy
  /** Five-field cron, in `timeZone`; null: the view has no schedule of its own. */
  schedule: string | null
  /** IANA name; null if and only if `schedule` is null. */
  timeZone: string | null
  /** Session settings for its operations, from the allow-list in `settings.ts`. */
  settings: Record<string, string>
  timeoutSeconds: number
  retries: number
  retryDelaySeconds: number
  maxStalenessSeconds: number | null
  minIntervalSeconds: number
  /** Whether a batch of all views includes it. */
  inAll: boolean
  /** Views that functions with a text body read, unknown to the catalog. `schema.name` each. */
  dependsOn: string[]
}

/** The value of each field that the author leaves out. */
export const definitionDefaults = {
  schema: 'public',
  indexes: [],
  comment: null,
  grants: [],
  owner: null,
  strategy: 'auto',
  rowCountStrategy: 'none',
  schedule: null,
  timeZone: null,
  settings: {},
  timeoutSeconds: 3600,
  retries: 1,
  retryDelaySeconds: 300,
  maxStalenessSeconds: null,
  minIntervalSeconds: 0,
  inAll: true,
  dependsOn: [],
} as const satisfies Omit<Definition, 'name' | 'sql'>
