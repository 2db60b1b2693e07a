// Made by `npm run docs` from view-schema.ts: change a field there.

import type { Checks } from '../catalog/plan/checks.ts'
import type { RowCountStrategy, Strategy } from '../catalog/plan/definition.ts'
import type { GrantInput, IndexInput, QueryInput } from './inputs.ts'

/** A view as its author writes it. */
export interface ViewInput {
  /**
   * The view's schema, which must exist.
   * @default 'public'
   */
  schema?: string
  /** The view's name, exactly as written; with a dot only if `schema` stands beside it. */
  name: string
  /**
   * What the view holds, one `select`: a text, an imported `.sql` file, or a Kysely or Drizzle query without bound
   * values.
   */
  query: QueryInput
  /**
   * The columns that identify a row; Viewkeeper makes the unique index `<name>_key` on them.
   * @default - none
   */
  uniqueKey?: readonly string[]
  /**
   * Further indexes: `{ columns, name, unique, using, where, include }`, or in SQL `{ on: '(lower(name))', name, unique
   * }`.
   * @default - none
   */
  indexes?: readonly IndexInput[]
  /**
   * The strategy of a refresh: `auto`, `swap`, `concurrent` or `regular`.
   * @default 'auto'
   */
  strategy?: Strategy
  /**
   * How rows are counted before and after: `none`, `estimated` or `exact`.
   * @default 'none'
   */
  rowCountStrategy?: RowCountStrategy
  /**
   * When the view is refreshed: five-field cron. Views with the same `schedule` and `timeZone` are one batch. `none`:
   * something else owns the clock, and `inAll` is `false` unless said.
   * @default - never
   */
  schedule?: string
  /**
   * The time zone of `schedule`, such as `Europe/Berlin`; required with it.
   * @default - none
   */
  timeZone?: string
  /**
   * How old the data may become, at least 60: each refresh begins in time. Instead of a `schedule`.
   * @default - none
   */
  targetLagSeconds?: number
  /**
   * Session settings for this view's operations, such as `{ work_mem: '256MB' }`.
   * @default - the server's
   */
  settings?: Readonly<Record<string, string | number | boolean>>
  /**
   * The time after which the server cancels an operation, 1 to 86400.
   * @default 3600
   */
  timeoutSeconds?: number
  /**
   * How often a batch retries a failed refresh.
   * @default 1
   */
  retries?: number
  /**
   * The wait before each retry.
   * @default 300
   */
  retryDelaySeconds?: number
  /**
   * Whether the target lag refreshes only what has changed.
   * @default - `false`
   */
  onChange?: boolean
  /**
   * After so many failed scheduled refreshes in a row, the view is suspended. At most 20; 0: never.
   * @default 5
   */
  suspendAfterFailures?: number
  /**
   * The age above which the data is stale, at least 1.
   * @default - from `targetLagSeconds` or `schedule`, else never
   */
  maxStalenessSeconds?: number
  /**
   * A direct request within this time after a refresh starts no run and is answered with that refresh.
   * @default - 0: every request starts a run
   */
  minIntervalSeconds?: number
  /**
   * Whether a batch of all views includes this view.
   * @default true
   */
  inAll?: boolean
  /**
   * Whether programs read the view on replicas. It then needs a `uniqueKey`.
   * @default - as the environment's `readOnReplicas`
   */
  readOnReplicas?: boolean
  /**
   * Whether a scheduled refresh is left out if no table that the query reads has changed.
   * @default - as the environment's `skipUnchanged`
   */
  skipUnchanged?: boolean
  /**
   * Views and tables that the query reads inside functions with a text as body. It vouches that your code reads nothing
   * else.
   * @default - none
   */
  dependsOn?: readonly string[]
  /**
   * What has to hold for new data before readers see them: `{ notEmpty: true, 'no future': 'select …' }`.
   * @default - none
   */
  checks?: Checks
  /**
   * Comment on the view.
   * @default - none
   */
  comment?: string
  /**
   * Privileges on the view: `{ privileges: ['select'], to: 'reporting', columns, grantOption }`; `public` means every
   * role.
   * @default - those of the owner and of default privileges
   */
  grants?: readonly GrantInput[]
  /**
   * The role that owns the view, by its exact name: its query and indexes are executed as this role.
   * @default - the environment's `viewOwner`; a view that exists keeps its owner
   */
  owner?: string
}
