import type { Trigger } from '../catalog/plan/run.ts'
import type { Database } from '../server/connect.ts'

/** Who requests an operation, by which trigger, and how long they wait for its end. */
export interface Call {
  database: Database
  trigger: Trigger
  /** The caller: an IAM ARN, or the schedule's name. */
  requestedBy: string
  /** The owner of the idempotency key: the caller without what differs between sessions of one role. */
  caller: string
  /** The same key from the same caller for the same operation is the same request; null for no key. */
  idempotencyKey: string | null
  /** The caller waits until then (epoch milliseconds), and always until the server has claimed the run. */
  waitUntil: number
}
