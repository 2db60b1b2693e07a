import type { RowCountStrategy, Strategy } from '../plan/views/definition.ts'

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

/** A view as its author writes it. */
export interface ViewInput {
  /** Schema of the view. It must exist. Default `public`. */
  schema?: string
  /** Name, exactly as written: at most 63 bytes, without control characters. */
  name: string
  /** What the view holds: one `select`. */
  query: QueryInput
  /** Columns that identify a row; they get the unique index `<name>_key`. Default: none. */
  uniqueKey?: readonly string[]
  /** Further indexes. Default: none. */
  indexes?: readonly IndexInput[]
  /** How it is refreshed. Default `auto`: the cheapest way that spares readers. */
  strategy?: Strategy
  /** How rows are counted before and after. Default `none`. */
  rowCountStrategy?: RowCountStrategy
  /** When the view is refreshed by schedule: five-field cron, in `timeZone`. Default: never. */
  schedule?: string
  /** IANA name of the schedule's time zone, `Europe/Berlin`. Goes only together with `schedule`. */
  timeZone?: string
  /** Settings of the session that works on the view, `{ work_mem: '256MB' }`. Default: the server's. */
  settings?: Readonly<Record<string, string | number | boolean>>
  /** Time after which the server cancels an operation, seconds: 1 to 86400. Default 3600. */
  timeoutSeconds?: number
  /** How often a failed refresh is tried again. Default 1. */
  retries?: number
  /** Time before a failed refresh is tried again, seconds. Default 300. */
  retryDelaySeconds?: number
  /**
   * Age above which the data are stale and an alarm is due, seconds, at least 1. Default: the longest time
   * between two scheduled refreshes, plus an hour or twice the usual duration, whichever is longer. Without a
   * schedule the data are never stale.
   */
  maxStalenessSeconds?: number
  /**
   * Time after a success, seconds, in which a direct request does not refresh again but is answered with the
   * earlier run. Default 0: every request refreshes.
   */
  minIntervalSeconds?: number
  /** Whether a batch of all views includes it. Default true. */
  inAll?: boolean
  /**
   * Views that this view reads in functions whose body is a text: the catalog does not know them.
   * `schema.name` each, as SQL reads it. Default: none.
   */
  dependsOn?: readonly string[]
  /** Comment on the view. Default: none. */
  comment?: string
  /** Privileges on the view. Default: only the owner's, and those of default privileges. */
  grants?: readonly GrantInput[]
  /**
   * The role that owns the view, by its exact name: its query and indexes are executed as this role. Default:
   * the environment's `viewOwner`, without it `viewkeeper_views`. A view that exists keeps its owner then.
   */
  owner?: string
}

// A registered symbol, so that every copy of this module knows the views of the others.
const brand: unique symbol = Symbol.for('viewkeeper.view')

/** The unchecked argument of `defineView`, and the place of the call. */
export interface AuthoredView {
  readonly [brand]: true
  readonly input: ViewInput
  /** A path or a `file:` URL. */
  readonly file: string
  readonly line: number
  readonly column: number
}

/** Defines a view. Nothing is checked here: the loader reports all problems of all views together. */
export function defineView(input: ViewInput): AuthoredView {
  const caller = callerOf(defineView)
  return {
    [brand]: true,
    input,
    file: caller?.getFileName() ?? '',
    line: caller?.getLineNumber() ?? 1,
    column: caller?.getColumnNumber() ?? 1,
  }
}

/** Where a function was called. Node 20 lacks `util.getCallSites`, so the place is taken from V8. */
function callerOf(called: (input: ViewInput) => unknown): NodeJS.CallSite | undefined {
  const { prepareStackTrace } = Error
  try {
    Error.prepareStackTrace = (_, sites) => sites
    const trace: { stack?: NodeJS.CallSite[] } = {}
    Error.captureStackTrace(trace, called)
    return trace.stack?.[0]
  } finally {
    Error.prepareStackTrace = prepareStackTrace
  }
}

/** Whether a value came from `defineView`. */
export const isAuthoredView = (value: unknown): value is AuthoredView =>
  typeof value === 'object' && value !== null && brand in value
