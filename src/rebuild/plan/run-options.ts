import type { RowCountStrategy } from '../../catalog/plan/definition.ts'
import type { Plan } from '../../sql/plan.ts'
import type { Checking } from './check-data.ts'

/** What every plan of a refresh goes by. */
export interface RunOptions {
  rowCountStrategy: RowCountStrategy
  /** The run's whole time, waiting for locks included. */
  timeoutSeconds: number
  ifRunning: Plan['ifRunning']
  /** Session settings for this run only. */
  settings: Record<string, string>
  /** Refuses the refresh if the view was given away: the session has executed code of the owner, and of nobody else. */
  insistsOnOwner?: boolean
  /** The checks of the new data; null: none. */
  checking?: Checking | null | undefined
  /** Whether the run goes on with another plan if a backup keeps the view from being exchanged. */
  otherwise?: boolean
}
