import type { WantedLock } from '../../sql/holders.ts'
import type { ViewName } from '../../words/names.ts'
import type { Checks } from './checks.ts'

/** The strategies that a request or a definition may name; `auto` leaves the choice to Viewkeeper. */
export type Strategy = 'auto' | 'regular' | 'concurrent' | 'swap'
export const strategies = ['auto', 'regular', 'concurrent', 'swap'] as const satisfies Strategy[]

/** What others than its plan know of a strategy, and of that of kept tables: whether it makes no shadow, and which lock it takes on the view. */
const traits: Record<string, { isInPlace: boolean; lock: WantedLock }> = {
  auto: { isInPlace: false, lock: 'AccessExclusiveLock' },
  regular: { isInPlace: true, lock: 'AccessExclusiveLock' },
  concurrent: { isInPlace: true, lock: 'ExclusiveLock' },
  swap: { isInPlace: false, lock: 'AccessExclusiveLock' },
  difference: { isInPlace: true, lock: 'RowExclusiveLock' },
}

/** The traits of a strategy, also of one that a newer version has recorded. */
export const traitsOf = (strategy: string | null) => (traits[strategy ?? 'auto'] ?? traits.auto)!

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

/** By which column the rows of a view fall into slices, of which a refresh computes only those that changed. */
export interface SlicesDefinition {
  by: string
  /** How long after the last whole refresh the next one is whole: an interval of the server. Default: a day. */
  wholeEvery?: string | undefined
}

/** What has the rows of a view. */
export type ViewStorage = 'materialized view' | 'table'
export const storages = ['materialized view', 'table'] as const satisfies ViewStorage[]

/**
 * A view's whole definition: what an author wrote in `views/`, and the defaults for the rest. Each field is a
 * column of `viewkeeper.definitions`.
 */
export interface Definition extends ViewDefinition {
  /** The exact name of the role that is to own the view; null: any owner is right, and the default owns a new view. */
  owner: string | null
  strategy: Strategy
  /** Five-field cron, in `timeZone`; null: the view has no schedule of its own. */
  schedule: string | null
  /** IANA name; null if and only if `schedule` is null or `none`. */
  timeZone: string | null
  /** How old its data may become: the refreshes are planned by this instead of a schedule; null: by nothing of the kind. */
  targetLagSeconds: number | null
  /** After so many scheduled failures in a row, scheduled refreshes are tried at growing distances. 0: at every turn. */
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
   * Whether a scheduled refresh is left out if the counters of what the view reads have not moved; null: as the environment
   * says.
   */
  skipUnchanged: boolean | null
  /** Views and tables that functions with a text body read, unknown to the catalog. `schema.name` each. */
  dependsOn: string[]
  /** What has to hold for new data before anybody sees them. */
  checks: Checks
  /** Null: a refresh computes all rows. */
  slices: SlicesDefinition | null
  /** `table`: a kept table, of which a refresh writes the rows that differ. */
  storage: ViewStorage
}

/** The schedule of a view that something else refreshes, such as an orchestrator. */
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
