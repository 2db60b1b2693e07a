import type { Context } from 'aws-lambda'
import type * as z from 'zod'
import { refresh } from '../operations/refresh.ts'
import type { Result } from '../operations/result.ts'
import { resultAnswer } from './answers.ts'
import { logger } from './function.ts'
import { bodyOf, callerOf, type HttpAnswer, type HttpEvent, idempotencyKeyOf, waitUntilOf } from './http.ts'
import { refreshOptions, scheduleEvent, viewPath } from './schemas.ts'
import { databaseFromEnvironment } from './settings.ts'
import { validate } from './validate.ts'

/** Time kept back of the function's own limit, to read the record and leave in good order. */
const leaveBeforeEndMs = 10_000

/** `POST /views/{view}/refresh` */
export async function refreshOverHttp(event: HttpEvent): Promise<HttpAnswer> {
  const { view } = validate(viewPath, event.pathParameters, 'path')
  const options = validate(refreshOptions, bodyOf(event), 'body')
  const result = await refresh(
    { view, ...options },
    {
      database: databaseFromEnvironment(),
      trigger: 'http',
      requestedBy: callerOf(event),
      idempotencyKey: idempotencyKeyOf(event),
      waitUntil: waitUntilOf(event),
    },
  )
  return resultAnswer(logged(result, 'http'))
}

/**
 * The event of an EventBridge schedule. A run that fails is on record and is no failure of the function; what keeps
 * the run from being recorded is thrown, so that Lambda tries again and at last puts the event into the dead-letter
 * queue. The scheduled time makes deliveries of one event one run.
 */
export async function refreshOnSchedule(event: unknown, context: Context): Promise<Result> {
  const { schedule, scheduledTime, trigger, ...request } = validate(scheduleEvent, event, 'event')
  const result = await refresh(request, {
    database: databaseFromEnvironment(),
    trigger,
    requestedBy: schedule,
    idempotencyKey: scheduleKey(schedule, scheduledTime, context),
    waitUntil: Date.now() + context.getRemainingTimeInMillis() - leaveBeforeEndMs,
  })
  return logged(result, trigger)
}

/** Where the scheduler leaves its placeholder as it is, the request's id, which Lambda keeps over its retries. */
function scheduleKey(schedule: string, scheduledTime: string, context: Context): string {
  const at = Date.parse(scheduledTime)
  return `${schedule} ${Number.isNaN(at) ? context.awsRequestId : new Date(at).toISOString()}`
}

function logged(result: Result, trigger: z.infer<typeof scheduleEvent>['trigger'] | 'http'): Result {
  const { runId, view, operation, status, response, error } = result
  logger.info(`${operation} ${status}`, {
    runId,
    view,
    operation,
    trigger,
    status,
    strategy: response.strategy,
    durationMs: response.durationMs,
    ...(error === undefined ? {} : { class: error.class, sqlstate: error.sqlstate }),
  })
  return result
}
