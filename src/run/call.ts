import type { Operation, RunError, Trigger } from '../catalog/plan/run.ts'
import { Problem } from '../problem.ts'
import type { Database } from '../server/connect.ts'
import type { Run, RunResponse } from './db/runs.ts'

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

/** The answer of an operation, the same for every caller and however long the caller waited. */
export interface Result {
  runId: number
  view: string
  operation: Operation
  status: 'created' | 'updated' | 'deleted' | 'skipped' | 'running' | 'error'
  request: Record<string, unknown>
  response: RunResponse & {
    view: string
    rowCountBefore: number | null
    rowCountAfter: number | null
    durationMs: number | null
  }
  /** The answer is the run of an earlier request: one that goes on, or ended within the view's minimum interval. */
  coalesced?: true
  error?: RunError
}

/** The answer that a run's record gives at this moment. */
export function resultOf(run: Run): Result {
  return {
    runId: run.id,
    view: run.view,
    operation: run.operation,
    status: statusOf(run),
    request: run.meta.request,
    response: {
      view: run.view,
      ...run.meta.response,
      rowCountBefore: run.rowCountBefore,
      rowCountAfter: run.rowCountAfter,
      durationMs: run.durationMs,
    },
    ...(run.error === null ? {} : { error: run.error }),
  }
}

function statusOf(run: Run): Result['status'] {
  switch (run.status) {
    case 'pending':
    case 'running':
    case 'built':
      return 'running'
    case 'success':
      return run.result as Result['status']
    case 'skipped':
      return 'skipped'
    default:
      return 'error'
  }
}

/** The refusals of requests about a run or a batch, which a caller names by its id or by an Idempotency-Key. */

type Kind = 'run' | 'batch'

const codes = {
  run: { unknown: 'UnknownRun', ended: 'RunEnded' },
  batch: { unknown: 'UnknownBatch', ended: 'BatchEnded' },
} as const

export const unknown = (kind: Kind, id: number | string, field = 'id'): Problem =>
  new Problem(codes[kind].unknown, `There is no ${kind} ${id} in the history.`, { field })

/** The refusal of a cancel that came too late. */
export const endedBefore = (kind: Kind, id: number | string, status: string): Problem =>
  new Problem(
    codes[kind].ended,
    `${kind === 'run' ? 'Run' : 'Batch'} ${id} ended before it could be canceled: its status is ${status}.`,
    { [`${kind}Id`]: id },
  )

/** The refusal of a request whose Idempotency-Key belongs to another request. */
export const keyReused = (kind: Kind, id: number | string, key: string): Problem =>
  new Problem(
    'IdempotencyKeyReused',
    `Idempotency-Key ${JSON.stringify(key)} already belongs to another request, which made ${kind} ${id}. ` +
      'Send a new key with a new request.',
    { field: 'Idempotency-Key', [`${kind}Id`]: id },
  )
