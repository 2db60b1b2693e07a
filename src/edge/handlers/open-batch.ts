import { type BatchRequest, type StartedBatch, startBatch } from '../../operations/batches/start.ts'
import type { Trigger } from '../../plan/run.ts'
import { Problem } from '../../problem.ts'
import {
  bodyOf,
  callerOf,
  type HttpAnswer,
  type HttpEvent,
  idempotencyKeyOf,
  json,
  problemAnswer,
  withoutSession,
} from '../http/http.ts'
import { batchOptions, deployedBatch, scheduledBatch } from '../http/schemas.ts'
import { validate } from '../http/validate.ts'
import { databaseFromEnvironment } from '../server/configuration.ts'
import { knownProblem, logger } from '../server/function.ts'
import { scheduleKey } from './operation.ts'

/** What the function outside the network is told: what to answer, and the batch that has to be advanced. */
export interface OpenedBatch {
  /** Null where nobody waits for an answer. */
  answer: HttpAnswer | null
  /** Null where there is nothing to advance: the batch has ended, was skipped or was refused. */
  batchId: string | null
}

/** An event as the function outside passes it on, with the id that Lambda keeps over its retries. */
export interface ForwardedEvent {
  event: object
  requestId: string
}

/** Writes down the batch that a request, a schedule or a deploy asks for. */
export async function openBatch({ event, requestId }: ForwardedEvent): Promise<OpenedBatch> {
  if (!('routeKey' in event)) {
    const batch = await open(unattended(event, requestId))
    return { answer: null, batchId: toAdvance(batch) }
  }
  try {
    const batch = await open(overHttp(event as HttpEvent, requestId))
    return { answer: answerOf(batch), batchId: toAdvance(batch) }
  } catch (thrown) {
    return { answer: problemAnswer(knownProblem(thrown)), batchId: null }
  }
}

interface Asked {
  trigger: Trigger
  requestedBy: string
  caller: string
  idempotencyKey: string | null
  request: BatchRequest
}

/** A request without a key has that of its forwarding: asked once more, because the answer was lost, it is one batch. */
function overHttp(event: HttpEvent, requestId: string): Asked {
  const requestedBy = callerOf(event)
  return {
    trigger: 'http',
    requestedBy,
    caller: withoutSession(requestedBy),
    idempotencyKey: idempotencyKeyOf(event) ?? requestId,
    request: validate(batchOptions, bodyOf(event), 'body'),
  }
}

/** A schedule's event and a deploy's have keys of their own, so that what is delivered twice is one batch. */
function unattended(event: object, requestId: string): Asked {
  if ('trigger' in event && event.trigger === 'deploy') {
    const { key, trigger, ...request } = validate(deployedBatch, event, 'event')
    return { trigger, requestedBy: 'deploy', caller: 'deploy', idempotencyKey: key, request }
  }
  const { schedule, scheduledTime, trigger, ...request } = validate(scheduledBatch, event, 'event')
  const idempotencyKey = scheduleKey(schedule, scheduledTime, requestId)
  return { trigger, requestedBy: schedule, caller: schedule, idempotencyKey, request }
}

async function open({ request, ...call }: Asked): Promise<StartedBatch> {
  const batch = await startBatch(request, { ...call, database: databaseFromEnvironment() })
  logger.info(`batch ${batch.status}`, { ...batch, trigger: call.trigger })
  return batch
}

const toAdvance = (batch: StartedBatch): string | null => (isOpen(batch) ? batch.batchId : null)

const isOpen = ({ status }: StartedBatch): boolean => status === 'pending' || status === 'running'

function answerOf(batch: StartedBatch): HttpAnswer {
  const { batchId, status, error } = batch
  if (isOpen(batch)) return json(202, { batchId, status }, { location: `/batches/${batchId}` })
  if (status !== 'skipped' || error === null) return json(200, { batchId, status, error })
  return problemAnswer(new Problem(error.class, error.message, { batchId, openBatchId: error.openBatchId }))
}
