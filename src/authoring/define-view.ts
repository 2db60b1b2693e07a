import { getCallSites } from 'node:util'
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
      /** Columns that are stored in it without being searched by. Default: none. */
      include?: readonly string[]
      on?: never
    }
  | {
      /** What follows the view's name: `(day)`, `using gin (tags)`, `(lower(name)) where total > 0`. */
      on: string
      /** Needed, for nothing else says it. */
      name: string
      /** Default false. */
      unique?: boolean
      columns?: never
      using?: never
      where?: never
      include?: never
    }

/** Privileges that somebody is to have on the view. */
export interface GrantInput {
  /** `select`, `insert`, `update`, `delete`, `truncate`, `references`, `trigger`, `maintain` or `all`, in any case. */
  privileges: readonly string[]
  /** Only on these columns. Default: on the whole view. */
  columns?: readonly string[]
  /** A role's exact name; `public` is everybody. */
  to: string
  /** Whether the role may grant them on. Default false. */
  grantOption?: boolean
}

/** A view as its author writes it. */
export interface ViewInput {
  /** Schema that the view is in, which has to be there. Default `public`. */
  schema?: string
  /** Name, exactly as written: letters, digits and `_`, at most 63. */
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
  /** When it is refreshed by itself: five-field cron, in `timeZone`. Default: never. */
  schedule?: string
  /** IANA name of the schedule's time zone, `Europe/Berlin`. There exactly where `schedule` is. */
  timeZone?: string
  /** Settings of the session that works on it, `{ work_mem: '256MB' }`. Default: the server's. */
  settings?: Readonly<Record<string, string | number | boolean>>
  /** Time after which the server gives up an operation, seconds: 1 to 86400. Default 3600. */
  timeoutSeconds?: number
  /** How often a failed refresh is tried again. Default 1. */
  retries?: number
  /** Time before it is tried again, seconds. Default 300. */
  retryDelaySeconds?: number
  /**
   * Age of the data from which on an alarm is due, seconds, at least 1. Default: the longest time between two scheduled refreshes,
   * and the larger of an hour and twice the time a refresh takes; never where nothing refreshes it by the clock.
   */
  maxStalenessSeconds?: number
  /** Within this time after a refresh, seconds, one that is asked for directly is answered with that. Default 0: none is. */
  minIntervalSeconds?: number
  /** Whether a batch of all views includes it. Default true. */
  inAll?: boolean
  /**
   * Views, `schema.name` each as SQL reads it, that this one reads where the catalog cannot tell: in functions whose body
   * is a text. Default: none.
   */
  dependsOn?: readonly string[]
  /** Comment on the view. Default: none. */
  comment?: string
  /** Privileges on the view. Default: its owner's only, and what default privileges say. */
  grants?: readonly GrantInput[]
}

// Registered, so that a view is known by whatever copy of this module reads it.
const brand: unique symbol = Symbol.for('viewkeeper.view')

/** What `defineView` was given, unread, and where it was called. */
export interface AuthoredView {
  readonly [brand]: true
  readonly input: ViewInput
  /** A path or a `file:` URL. */
  readonly file: string
  readonly line: number
  readonly column: number
}

/** Defines a view. Nothing is checked here: the loader tells all problems of all views together. */
export function defineView(input: ViewInput): AuthoredView {
  const caller = getCallSites(2)[1]
  return {
    [brand]: true,
    input,
    file: caller?.scriptName ?? '',
    line: caller?.lineNumber ?? 1,
    column: caller?.columnNumber ?? 1,
  }
}

/** Whether a value came from `defineView`. */
export const isAuthoredView = (value: unknown): value is AuthoredView =>
  typeof value === 'object' && value !== null && brand in value
