import type { Context } from 'aws-lambda'
import type * as z from 'zod'
import type { Call } from '../../operations/runs/call.ts'
import type { Result } from '../../operations/runs/result.ts'
import type { Trigger } from '../../plan/run.ts'
import { mayRetry, Problem } from '../../problem.ts'
import { resultAnswer } from '../http/answers.ts'
import {
  bodyOf,
  callerOf,
  type HttpAnswer,
  type HttpEvent,
  idempotencyKeyOf,
  waitUntilOf,
  withoutSession,
} from '../http/http.ts'
import { type Route, routeKey } from '../http/routes.ts'
import { scheduleFields, viewPath } from '../http/schemas.ts'
import { validate } from '../http/validate.ts'
import { databaseFromEnvironment } from '../server/configuration.ts'
import { answerRoute, eventFunction, logger } from '../server/function.ts'

/** Time kept back of the function's own limit, to read the record and leave in good order. */
const leaveBeforeEndMs = 10_000

/** An operation on one view: `options` is what its request may say besides the view's name. */
interface ServedOperation<Options extends z.ZodObject> {
  route: Route
  options: Options
  perform(request: { view: string } & z.output<Options>, call: Call): Promise<Result>
}

/** The function of an operation: the same request by its HTTP route and from a schedule. */
export const operationFunction = <Options extends z.ZodObject>(operation: ServedOperation<Options>) =>
  eventFunction<object, unknown>((event, context) =>
    'routeKey' in event
      ? answerRoute({ [routeKey(operation.route)]: overHttp(operation) }, event as HttpEvent, context)
      : onSchedule(operation, event, context),
  )

const overHttp =
  <Options extends z.ZodObject>({ options, perform }: ServedOperation<Options>) =>
  async (event: HttpEvent): Promise<HttpAnswer> => {
    const { view } = validate(viewPath, event.pathParameters, 'path')
    const asked = validate(options, bodyOf(event), 'body')
    const result = await perform(
      { view, ...asked },
      {
        database: databaseFromEnvironment(),
        trigger: 'http',
        requestedBy: callerOf(event),
        caller: withoutSession(callerOf(event)),
        idempotencyKey: idempotencyKeyOf(event),
        waitUntil: waitUntilOf(event),
      },
    )
    return resultAnswer(logged(result, 'http'))
  }

/**
 * The event of an EventBridge schedule. A run that fails for good is on record and is no failure of the function; what
 * trying again may help, and what kept the run from being recorded, is thrown, so that Lambda tries again and at last puts
 * the event into the dead-letter queue. The scheduled time makes deliveries of one event one run.
 */
async function onSchedule<Options extends z.ZodObject>(
  { options, perform }: ServedOperation<Options>,
  event: unknown,
  context: Context,
): Promise<Result> {
  const fields = validate(scheduleFields.extend(options.shape), event, 'event')
  const { schedule, scheduledTime, trigger, ...request } = fields as z.output<typeof scheduleFields>
  const result = await perform(request as { view: string } & z.output<Options>, {
    database: databaseFromEnvironment(),
    trigger,
    requestedBy: schedule,
    caller: schedule,
    idempotencyKey: scheduleKey(schedule, scheduledTime, context.awsRequestId),
    waitUntil: Date.now() + context.getRemainingTimeInMillis() - leaveBeforeEndMs,
  })
  logged(result, trigger)
  if (result.error !== undefined && mayRetry(result.error.class)) {
    throw new Problem(result.error.class, result.error.message, { runId: result.runId })
  }
  return result
}

/** Where the scheduler leaves its placeholder as it is, the request's id, which Lambda keeps over its retries. */
export function scheduleKey(schedule: string, scheduledTime: string, requestId: string): string {
  const at = Date.parse(scheduledTime)
  return `${schedule} ${Number.isNaN(at) ? requestId : new Date(at).toISOString()}`
}

function logged(result: Result, trigger: Trigger): Result {
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
