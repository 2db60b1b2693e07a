import type { RowCountStrategy } from './counting.ts'
import type { ViewDefinition } from './create.ts'
import type { Strategy } from './strategy.ts'

/**
 * A view's whole definition, with nothing left open: what an author wrote in `views/`, defaults filled in. Each field is
 * a column of `viewkeeper.definitions`.
 */
export interface Definition extends ViewDefinition {
  strategy: Strategy
  rowCountStrategy: RowCountStrategy
  /** Five-field cron, in `timeZone`; null: the view has no schedule of its own. */
  schedule: string | null
  /** IANA name; there exactly where `schedule` is. */
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
  /** Views it reads that the catalog cannot know, `schema.name` each: those read by functions whose body is a text. */
  dependsOn: string[]
}

/** What a definition says where its author says nothing. */
export const definitionDefaults = {
  schema: 'public',
  indexes: [],
  comment: null,
  grants: [],
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
