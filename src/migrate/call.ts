import type { Trigger } from '../catalog/plan/run.ts'
import type { Database } from '../server/connect.ts'
import type { Change } from './plan.ts'

/** Who migrates the views of a database, how, and how long they wait. */
export interface MigrateCall {
  database: Database
  trigger: Extract<Trigger, 'deploy' | 'cli'>
  requestedBy: string
  /** The caller waits until then (epoch milliseconds). What takes longer goes on in the server. */
  waitUntil: number
  /** Whether new views are filled. */
  withData: boolean
  /** Called after each migration. */
  onDone?: (done: MigrationDone) => void
}

/** The result of one migration, or of the repair of one view. */
export interface MigrationDone {
  /** The migration's name; the view's, if `way` is `repair`. */
  name: string
  way: 'up' | 'down' | 'repair'
  /** `sql` for own SQL; null if the database had that state already, or a later migration drops a view that cannot be made. */
  does: Change | 'sql' | null
  runId: number | null
  durationMs: number | null
}
