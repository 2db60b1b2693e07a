import { type BatchDefaults, type BatchRequest, type StartedBatch, startBatch } from '../../batch/start.ts'
import { startDueBatch } from '../../batch/start-due.ts'
import type { Trigger } from '../../catalog/plan/run.ts'
import { Problem } from '../../problem.ts'
import type { Database } from '../../server/connect.ts'
import {
  bodyOf,
  callerOf,
  type HttpAnswer,
  type HttpEvent,
  idempotencyKeyOf,
  json,
  problemAnswer,
  withoutSession,
} from '../http.ts'
import type { StartedBatch as StartedAnswer } from '../schemas/answers.ts'
import { batchOptions, deployedBatch, dueBatch, scheduledBatch } from '../schemas/batches.ts'
import { validate } from '../validate.ts'
import type { Configuration } from './configuration.ts'
import { knownProblem } from './function.ts'
import { logger } from './logger.ts'
import { scheduleKey } from './operation.ts'

/** What the function `batch` answers if it has recorded one: the answer for the caller over HTTP, and the batch that has to be advanced. */
export interface OpenedBatch {
  /** Null if the event did not come by HTTP. */
  answer: HttpAnswer | null
  /** Null if nothing has to be advanced: the batch has ended, was skipped or was refused. */
  batchId: string | null
}

/**
 * An event as `start-batch` or the state machine forwards it. Every retry has the same `requestId`: the id of the HTTP
 * request's invocation, or the name of the execution.
 */
export interface ForwardedEvent {
  event: object
  requestId: string
}

/**
 * Records the batch that an HTTP request, a schedule or a deploy requests. A refusal answers an HTTP request, and is thrown
 * otherwise: the state machine tells by the name of the error whether to try again.
 */
export async function openBatch(
  { event, requestId }: ForwardedEvent,
  {
    database,
    batchDefaults,
    deployConcurrency,
    looks,
    wakeAnnounce,
  }: Pick<Configuration, 'database'> &
    Partial<Pick<Configuration, 'batchDefaults' | 'deployConcurrency' | 'looks' | 'wakeAnnounce'>>,
): Promise<OpenedBatch> {
  if ('due' in event) {
    const { trigger } = validate(dueBatch, event, 'event')
    const idempotencyKey = requestId
    const call = { database, trigger, requestedBy: 'target lag', caller: 'target lag', idempotencyKey }
    const batch = await startDueBatch(call, looks ?? { everySeconds: null }, batchDefaults)
    if (batch !== null) logger.info(`batch ${batch.status}`, { ...batch, trigger })
    return { answer: null, batchId: batch && toAdvance(batch) }
  }
  if (!('routeKey' in event)) {
    const call = unattended(event, requestId)
    const defaults =
      call.trigger === 'deploy' ? { ...batchDefaults, concurrency: deployConcurrency } : batchDefaults
    const batch = await open(database, call, defaults)
    if (!isOpen(batch)) wakeAnnounce?.()
    return { answer: null, batchId: toAdvance(batch) }
  }
  try {
    const batch = await open(database, overHttp(event as HttpEvent, requestId), batchDefaults)
    if (!isOpen(batch)) wakeAnnounce?.()
    return { answer: answerOf(batch), batchId: toAdvance(batch) }
  } catch (thrown) {
    return { answer: problemAnswer(knownProblem(thrown)), batchId: null }
  }
}

interface BatchCall {
  trigger: Trigger
  requestedBy: string
  caller: string
  idempotencyKey: string | null
  request: BatchRequest
}

/**
 * Without an Idempotency-Key, the request's id is the key: a request that is forwarded twice is one batch.
 */
function overHttp(event: HttpEvent, requestId: string): BatchCall {
  const requestedBy = callerOf(event)
  return {
    trigger: 'http',
    requestedBy,
    caller: withoutSession(requestedBy),
    idempotencyKey: idempotencyKeyOf(event) ?? requestId,
    request: validate(batchOptions, bodyOf(event), 'body'),
  }
}

/**
 * The events of schedules and deploys bring their own keys: an event that is delivered twice is one batch.
 */
function unattended(event: object, requestId: string): BatchCall {
  if ('trigger' in event && event.trigger === 'deploy') {
    const { key, trigger, ...request } = validate(deployedBatch, event, 'event')
    return { trigger, requestedBy: 'deploy', caller: 'deploy', idempotencyKey: key, request }
  }
  const { schedule, scheduledTime, trigger, ...request } = validate(scheduledBatch, event, 'event')
  const idempotencyKey = scheduleKey(schedule, scheduledTime, requestId)
  return { trigger, requestedBy: schedule, caller: schedule, idempotencyKey, request }
}

async function open(
  database: Database,
  { request, ...call }: BatchCall,
  defaults: BatchDefaults = {},
): Promise<StartedBatch> {
  const batch = await startBatch(request, { ...call, database }, defaults)
  logger.info(`batch ${batch.status}`, { ...batch, trigger: call.trigger })
  return batch
}

const toAdvance = (batch: StartedBatch): string | null => (isOpen(batch) ? batch.batchId : null)

const isOpen = ({ status }: StartedBatch): boolean => status === 'pending' || status === 'running'

function answerOf(batch: StartedBatch): HttpAnswer {
  const { batchId, status, error } = batch
  if (isOpen(batch)) return json<StartedAnswer>(202, { batchId, status }, { location: `/batches/${batchId}` })
  if (status !== 'skipped' || error === null) return json<StartedAnswer>(200, { batchId, status, error })
  return problemAnswer(new Problem(error.class, error.message, { batchId, openBatchId: error.openBatchId }))
}
