import type { WantedLock } from '../../sql/holders.ts'
import type { ViewName } from '../../words/names.ts'
import type { Checks } from './checks.ts'

/** The strategies that a request or a definition may name; `auto` leaves the choice to Viewkeeper. */
export type Strategy = 'auto' | 'regular' | 'concurrent' | 'swap'
export const strategies = ['auto', 'regular', 'concurrent', 'swap'] as const satisfies Strategy[]

/** Of each strategy, and of `difference` of incremental tables: whether it works without a shadow, and its lock on the view. */
const traits: Record<string, { isInPlace: boolean; lock: WantedLock }> = {
  auto: { isInPlace: false, lock: 'AccessExclusiveLock' },
  regular: { isInPlace: true, lock: 'AccessExclusiveLock' },
  concurrent: { isInPlace: true, lock: 'ExclusiveLock' },
  swap: { isInPlace: false, lock: 'AccessExclusiveLock' },
  difference: { isInPlace: true, lock: 'RowExclusiveLock' },
}

/** The traits of a strategy. Null, and a strategy that only a newer version knows, have those of `auto`. */
export const traitsOf = (strategy: string | null) => (traits[strategy ?? 'auto'] ?? traits.auto)!

/** One index of a definition, in the words of `create index`. */
export interface IndexDefinition {
  name: string
  unique?: boolean | undefined
  /** The text after the view's name: `(day)`, `using gin (tags)`, `(id) include (total) where total > 0`. */
  on: string
}

/** The part of a definition that creates the view; the rest is about its refreshes. */
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

/** The column `by` whose values divide the rows of a view into slices. A refresh computes only the slices that changed. */
export interface SlicesDefinition {
  by: string
  /** How long after a refresh of all slices the next one computes all again: an interval as the server reads it. Default: a day. */
  wholeEvery?: string | undefined
}

/** What a live view shows where nobody knows which slices have changed: what the query gives, the stored rows, or an error. */
export type LiveOtherwise = 'query' | 'stored' | 'error'
export type LiveDefinition = true | { otherwise: LiveOtherwise }
export const otherwises = ['query', 'stored', 'error'] as const satisfies LiveOtherwise[]

/** The kind of relation that has the rows of a view. */
export type ViewStorage = 'materialized view' | 'table'
export const storages = ['materialized view', 'table'] as const satisfies ViewStorage[]

/**
 * A view's whole definition: the fields that its author wrote in `views/`, and defaults for the others. Each field is a
 * column of `viewkeeper.definitions`.
 */
export interface Definition extends ViewDefinition {
  /** The exact name of the role that has to own the view; null: any role may, and the environment's default role owns a new view. */
  owner: string | null
  strategy: Strategy
  /** Five-field cron, in `timeZone`; null: the view has no schedule of its own. */
  schedule: string | null
  /** IANA name; null if and only if `schedule` is null or `none`. */
  timeZone: string | null
  /** Target lag, instead of a schedule: refreshes begin in time to keep the data younger than this; null: no target lag. */
  targetLagSeconds: number | null
  /** After this many failed scheduled refreshes in a row, the next ones come at growing intervals. 0: at each turn of the schedule. */
  suspendAfterFailures: number
  /** Session settings for its operations, from the allow-list in `settings.ts`. */
  settings: Record<string, string>
  timeoutSeconds: number
  retries: number
  retryDelaySeconds: number
  maxStalenessSeconds: number | null
  minIntervalSeconds: number
  /** Whether a batch of all views includes it. */
  inAll: boolean
  /**
   * Whether a scheduled refresh is left out if the server's counters of the relations that the view reads have not moved; null:
   * the environment decides.
   */
  skipUnchanged: boolean | null
  /** Views and tables, each `schema.name`, that the query reads unknown to the catalog: in functions whose body is a text. */
  dependsOn: string[]
  /** Checks of new data, made before any reader sees the data. */
  checks: Checks
  /** Null: a refresh computes all rows. `live`: there is a live view beside it. */
  slices: (SlicesDefinition & { live?: LiveOtherwise | undefined }) | null
  /** `table`: an incremental table, in which a refresh writes only the rows that differ. */
  storage: ViewStorage
}

/** The `schedule` of a view that something outside Viewkeeper refreshes, such as an orchestrator. */
export const outsideClock = 'none'

/** The value of each field that the author leaves out. */
export const definitionDefaults = {
  schema: 'public',
  indexes: [],
  comment: null,
  grants: [],
  owner: null,
  strategy: 'auto',
  schedule: null,
  timeZone: null,
  targetLagSeconds: null,
  suspendAfterFailures: 5,
  settings: {},
  timeoutSeconds: 3600,
  retries: 1,
  retryDelaySeconds: 300,
  maxStalenessSeconds: null,
  minIntervalSeconds: 0,
  inAll: true,
  skipUnchanged: null,
  dependsOn: [],
  checks: {},
  slices: null,
  storage: 'materialized view',
} as const satisfies Omit<Definition, 'name' | 'sql'>
