// Made by `npm run docs` from view-schema.ts: change a field there.

import type { Checks } from '../catalog/plan/checks.ts'
import type { LiveDefinition, SlicesDefinition, Strategy, ViewStorage } from '../catalog/plan/definition.ts'
import type { GrantInput, IndexInput, QueryInput } from './inputs.ts'

/** A view as its author writes it. */
export interface ViewInput {
  /**
   * The view's schema, which must exist.
   * @default 'public'
   */
  readonly schema?: string
  /** The view's name, exactly as written. */
  readonly name: string
  /** One `select`: a text, an imported `.sql` file, or a Kysely or Drizzle query without bound values. */
  readonly query: QueryInput
  /**
   * The columns that identify a row; they get the unique index `<name>_key`.
   * @default - none
   */
  readonly uniqueKey?: readonly string[]
  /**
   * Further indexes: `{ columns, name, unique, using, where, include }`, or in SQL `{ on: '(lower(name))', name, unique
   * }`.
   * @default - none
   */
  readonly indexes?: readonly IndexInput[]
  /**
   * The strategy of a refresh: `auto`, `swap`, `concurrent` or `regular`.
   * @default 'auto'
   */
  readonly strategy?: Strategy
  /**
   * Five-field cron; views with the same `schedule` and `timeZone` are one batch. `none`: something else owns the clock.
   * @default - never
   */
  readonly schedule?: string
  /**
   * The time zone of `schedule`, required with it.
   * @default - none
   */
  readonly timeZone?: string
  /**
   * How old the data may become (target lag), at least 60; with `slices`, at least 1. Instead of a `schedule`.
   * @default - none
   */
  readonly targetLagSeconds?: number
  /**
   * Session settings of its runs, such as `{ work_mem: '256MB' }`.
   * @default - the server's
   */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  /**
   * The time after which the server cancels an operation, 1 to 86400.
   * @default 3600
   */
  readonly timeoutSeconds?: number
  /**
   * How often a batch retries a failed refresh.
   * @default 1
   */
  readonly retries?: number
  /**
   * The wait before each retry.
   * @default 300
   */
  readonly retryDelaySeconds?: number
  /**
   * Whether the target lag refreshes only after a change.
   * @default - `false`
   */
  readonly onChange?: boolean
  /**
   * After so many failed scheduled refreshes, the view is suspended. 0: never.
   * @default 5
   */
  readonly suspendAfterFailures?: number
  /**
   * The age above which the data is stale, at least 1.
   * @default - from `targetLagSeconds` or `schedule`, else never
   */
  readonly maxStalenessSeconds?: number
  /**
   * A direct request within this time after a refresh is answered with that refresh.
   * @default - 0
   */
  readonly minIntervalSeconds?: number
  /**
   * Whether a batch of all views includes this view.
   * @default true
   */
  readonly inAll?: boolean
  /**
   * Whether a scheduled refresh is left out if no table below has changed.
   * @default - the environment's
   */
  readonly skipUnchanged?: boolean
  /**
   * Views and tables that functions in the query read, for order and age.
   * @default - none
   */
  readonly dependsOn?: readonly string[]
  /**
   * What has to hold for new data before readers see them: `{ notEmpty: true, 'no future': 'select …' }`.
   * @default - none
   */
  readonly checks?: Checks
  /**
   * By which column refreshes compute only the slices that changed, and how often all rows (default: once a day).
   * @default - all rows, each time
   */
  readonly slices?: SlicesDefinition
  /**
   * Also a plain view `<name>_live`, exact at every read; with `slices`.
   * @default - none
   */
  readonly live?: LiveDefinition
  /**
   * `table`: an incremental table, of which a refresh writes only the rows that differ, beside readers.
   * @default 'materialized view'
   */
  readonly storage?: ViewStorage
  /**
   * Comment on the view.
   * @default - none
   */
  readonly comment?: string
  /**
   * Privileges on the view: `{ privileges: ['select'], to: 'reporting', columns, grantOption }`; `public` means every
   * role.
   * @default - default privileges
   */
  readonly grants?: readonly GrantInput[]
  /**
   * The role that owns the view, and as which its query and indexes run.
   * @default - the environment's `viewOwner`, or the present owner
   */
  readonly owner?: string
}
