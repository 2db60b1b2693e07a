import { setTimeout as pause } from 'node:timers/promises'
import { closeLostRuns } from '../record/runs/life.ts'
import {
  findByKey,
  type Keyed,
  type Made,
  type RunResponse,
  type RunRow,
  readRun,
  readRunStatus,
  withWords,
} from '../record/runs/runs.ts'
import type { Database, Sql } from '../server/database.ts'
import { Problem } from '../words/problem.ts'
import { isEnded, type Operation, type RunError, type Trigger } from '../words/run.ts'
import type { SentEnvelope } from './connections/run-connection.ts'

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
  /** What the view reads has changed, as its log says: nobody tries to prove the contrary. */
  hasChanged?: true
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
export async function resultOf(run: RunRow): Promise<Result> {
  return {
    runId: run.id,
    view: run.view,
    operation: run.operation,
    status: statusOf(run),
    request: run.meta.request,
    response: {
      view: run.view,
      ...(await withWords(run.meta.response)),
      rowCountBefore: run.rowCountBefore,
      rowCountAfter: run.rowCountAfter,
      durationMs: run.durationMs,
    },
    ...(run.error === null ? {} : { error: run.error }),
  }
}

function statusOf({ status, result }: RunRow): Result['status'] {
  if (!isEnded(status)) return 'running'
  if (status === 'success') return result as Result['status']
  return status === 'skipped' ? 'skipped' : 'error'
}

/** The refusals of requests about a run or a batch, which a caller names by its id or by an Idempotency-Key. */

type RunOrBatch = 'run' | 'batch'

const codes = {
  run: { unknown: 'UnknownRun', ended: 'RunEnded' },
  batch: { unknown: 'UnknownBatch', ended: 'BatchEnded' },
} as const

export const unknown = (kind: RunOrBatch, id: number | string, field = 'id'): Problem =>
  new Problem(codes[kind].unknown, `There is no ${kind} ${id} in the history.`, { field })

/** The refusal of a cancel that came too late. */
export const endedBefore = (kind: RunOrBatch, id: number | string, status: string): Problem =>
  new Problem(
    codes[kind].ended,
    `${kind === 'run' ? 'Run' : 'Batch'} ${id} ended before it could be canceled: its status is ${status}.`,
    { [`${kind}Id`]: id },
  )

/** The refusal of a request whose Idempotency-Key belongs to another request. */
const keyReused = (kind: RunOrBatch, id: number | string, key: string): Problem =>
  new Problem(
    'IdempotencyKeyReused',
    `Idempotency-Key ${JSON.stringify(key)} already belongs to another request, which made ${kind} ${id}. ` +
      'Send a new key with a new request.',
    { field: 'Idempotency-Key', [`${kind}Id`]: id },
  )

/** The id of the run or the batch that the same request has made already; null if there is none. */
export async function findEarlier<Kind extends keyof Made>(
  sql: Sql,
  kind: Kind,
  request: Keyed,
): Promise<Made[Kind] | null> {
  const { idempotencyKey: key } = request
  const earlier = key === null ? null : await findByKey(sql, kind, request)
  if (key === null || earlier === null) return null
  if (!earlier.sameRequest) throw keyReused(kind, earlier.id, key)
  return earlier.id
}

/** The answer of the run that the same request has made already; null if there is none. */
export async function replay(sql: Sql, call: Call, request: Keyed): Promise<Result | null> {
  const runId = await findEarlier(sql, 'run', request)
  if (runId === null) return null
  await waitForRun(sql, runId, call.waitUntil)
  return answer(sql, runId)
}

/** What the record says of a run at this moment. */
export async function answer(sql: Sql, runId: number): Promise<Result> {
  const run = await readRun(sql, runId)
  if (run === undefined)
    throw new Problem('UnknownRun', `Run ${runId} is not in the history any more.`, { runId })
  return resultOf(run)
}

/** The deadline for the answer to a caller: soon after the wait ends, but late enough to start a run. */
export const deadlineOf = ({ waitUntil }: Pick<Call, 'waitUntil'>): number =>
  Math.max(waitUntil, Date.now() + 12_000) + 3000

const firstPauseMs = 2

const longestPauseMs = 250

/**
 * Waits for the end of a run until `until` (epoch milliseconds). With an `envelope`, waits at least until the
 * server has claimed the run; false if the server has answered and the run is still pending, so that nobody
 * works on it. What happened is read from the run's record, never concluded from how the connection ended.
 */
export async function waitForRun(
  sql: Sql,
  runId: number,
  until: number,
  envelope?: SentEnvelope,
): Promise<boolean> {
  let answered = envelope === undefined
  const answer = envelope?.answered.then(() => {
    answered = true
  })
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    // Copied before the record is read, so that the record has all that the server wrote before its answer.
    const gone = answered
    const status = await readRunStatus(sql, runId)
    if (status === 'pending' && envelope !== undefined) {
      if (gone) return false
    } else if (Date.now() >= until) return true
    // The record is complete only when the server has answered: counts made aside follow the commit.
    else if (gone && status !== 'pending' && status !== 'running') return true
    if (gone) {
      // If the envelope is answered and the run still running, its session may still hold the run's lock.
      await envelope?.leave()
      await closeLostRuns(sql, { runId })
    }
    await Promise.race([pause(pauseMs), ...(answered || answer === undefined ? [] : [answer])])
  }
}
