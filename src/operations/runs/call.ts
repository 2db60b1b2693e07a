import type { Database } from '../../db/server/connect.ts'
import type { Trigger } from '../../plan/run.ts'

/** Who asks for an operation, by which way, and how long they wait for its end. */
export interface Call {
  database: Database
  trigger: Trigger
  /** The caller: an IAM ARN, or the schedule's name. */
  requestedBy: string
  /** Whose idempotency keys these are: the caller without what differs between sessions of one role. */
  caller: string
  /** The same key from the same caller for the same operation is the same request; null where it has none. */
  idempotencyKey: string | null
  /** Epoch milliseconds until when the caller waits; in the past: until the server is seen to have taken the run on. */
  waitUntil: number
}
