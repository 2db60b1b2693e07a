import * as z from 'zod/mini'
import { type BatchRequest, startBatch, startDueBatch } from '../../batch/start.ts'
import type { StartedBatch } from '../../record/batches/batches.ts'
import { isOpenBatch } from '../../words/run.ts'
import type { HttpAnswer } from '../http.ts'
import { scheduleFields, scheduleKey, text, validate } from '../request-fields.ts'
import type { Caller, Served } from '../route.ts'
import { batchOptions, startBatch as route } from '../routes/start-batch.ts'
import type { Configuration } from './configuration.ts'
import { answerEvent, type HttpEvent } from './function.ts'

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

const unattended = z.omit(batchOptions, { retryOf: true, failed: true, withoutChecks: true }).shape

/** A schedule's event for a batch. `scheduled` selects the views whose definitions have this schedule. */
export const scheduledBatch = z.extend(z.omit(scheduleFields, { view: true }), {
  ...unattended,
  scheduled: z.optional(z.strictObject({ schedule: text(1000), timeZone: text(100) })),
})

/** What `send` asks for: a batch of all that is due by target lags. */
const dueBatch = z.strictObject({ trigger: z.literal('schedule'), due: z.literal(true) })

/** A deploy's event. The key is a hash of what was deployed: the same deploy starts one batch. */
export const deployedBatch = z.strictObject({
  trigger: z.literal('deploy'),
  key: text(1000),
  ...unattended,
})

type Opening = Served & Partial<Pick<Configuration, 'deployConcurrency' | 'looks'>>

/**
 * Records the batch that an HTTP request, a schedule or a deploy requests. A refusal answers an HTTP request, and is thrown
 * otherwise: the state machine tells by the name of the error whether to try again. Without an Idempotency-Key, the request's id is
 * the key: a request that is forwarded twice is one batch, and so is an event that is delivered twice.
 */
export async function openBatch({ event, requestId }: ForwardedEvent, served: Opening): Promise<OpenedBatch> {
  if ('routeKey' in event) {
    const opened: string[] = []
    const advance = (batchId: string) => opened.push(batchId)
    const answer = await answerEvent([route], event as HttpEvent, () => ({ ...served, advance }), requestId)
    return { answer, batchId: opened[0] ?? null }
  }
  const batch = await ('due' in event ? openDue : openUnattended)(event, requestId, served)
  return { answer: null, batchId: batch !== null && isOpenBatch(batch) ? batch.batchId : null }
}

async function openDue(
  event: object,
  requestId: string,
  { database, looks = { everySeconds: null }, batchDefaults }: Opening,
): Promise<StartedBatch | null> {
  validate(dueBatch, event, 'event')
  return startDueBatch({ database, idempotencyKey: requestId }, looks, batchDefaults)
}

async function openUnattended(
  event: object,
  requestId: string,
  { database, batchDefaults, deployConcurrency }: Opening,
): Promise<StartedBatch> {
  const isDeploy = 'trigger' in event && event.trigger === 'deploy'
  const { request, ...call } = isDeploy ? ofDeploy(event) : ofSchedule(event, requestId)
  const defaults = isDeploy ? { ...batchDefaults, concurrency: deployConcurrency } : (batchDefaults ?? {})
  return startBatch(request, { ...call, database }, defaults)
}

type BatchCall = Omit<Caller, 'waitUntil'> & { request: BatchRequest }

function ofDeploy(event: object): BatchCall {
  const { key, trigger, ...request } = validate(deployedBatch, event, 'event')
  return { trigger, requestedBy: 'deploy', caller: 'deploy', idempotencyKey: key, request }
}

function ofSchedule(event: object, requestId: string): BatchCall {
  const { schedule, scheduledTime, trigger, ...request } = validate(scheduledBatch, event, 'event')
  const idempotencyKey = scheduleKey(schedule, scheduledTime, requestId)
  return { trigger, requestedBy: schedule, caller: schedule, idempotencyKey, request }
}
