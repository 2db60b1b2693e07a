import type { Context } from 'aws-lambda'
import * as z from 'zod/mini'
import type { Trigger } from '../../catalog/plan/run.ts'
import { mayRetry, Problem } from '../../problem.ts'
import type { Call } from '../../run/call.ts'
import type { Result } from '../../run/result.ts'
import { resultAnswer } from '../answers.ts'
import { bodyOf, callerOf, type HttpEvent, idempotencyKeyOf, waitUntilOf, withoutSession } from '../http.ts'
import type { RouteNameOf } from '../routes.ts'
import { viewPath } from '../schemas/fields.ts'
import { scheduleFields } from '../schemas/operations.ts'
import { validate } from '../validate.ts'
import type { Configuration } from './configuration.ts'
import { answerHttp, eventFunction, type HttpHandler } from './function.ts'
import { logger } from './logger.ts'

/**
 * The wait for a run ends this long before Lambda ends the function, so that the function can still read the
 * record.
 */
const reserveMs = 10_000

/** An operation on one view. `options` are the fields of its request besides the name of the view. */
interface ServedOperation<Options extends z.ZodMiniObject> {
  route: RouteNameOf<'create' | 'refresh' | 'drop'>
  options: Options
  perform(request: { view: string } & z.output<Options>, call: Call): Promise<Result>
}

/** The function of an operation. Its HTTP route and a schedule may make the same requests. */
export const operationFunction = <Options extends z.ZodMiniObject>(
  readConfiguration: () => Configuration,
  operation: ServedOperation<Options>,
) =>
  eventFunction<object, unknown>((event, context) =>
    'routeKey' in event
      ? answerHttp({ [operation.route]: overHttp(operation) }, readConfiguration, event as HttpEvent)
      : onSchedule(operation, event, context, readConfiguration()),
  )

const overHttp =
  <Options extends z.ZodMiniObject>({ options, perform }: ServedOperation<Options>): HttpHandler =>
  async (event, { database, longestWaitSeconds, wakeAnnounce }) => {
    const { view } = validate(viewPath, event.pathParameters, 'path')
    const body = validate(options, bodyOf(event), 'body')
    const result = await perform(
      { view, ...body },
      {
        database,
        trigger: 'http',
        requestedBy: callerOf(event),
        caller: withoutSession(callerOf(event)),
        idempotencyKey: idempotencyKeyOf(event),
        waitUntil: waitUntilOf(event, longestWaitSeconds),
      },
    )
    return resultAnswer(logged(result, 'http', wakeAnnounce))
  }

/**
 * Serves the event of an EventBridge schedule. A run that failed for good is on record, so the function does
 * not fail. It throws if a retry may help or the run could not be recorded: Lambda then retries, and at last
 * puts the event into the dead-letter queue. Events with the same scheduled time are one run.
 */
async function onSchedule<Options extends z.ZodMiniObject>(
  { options, perform }: ServedOperation<Options>,
  event: unknown,
  context: Context,
  { database, wakeAnnounce }: Pick<Configuration, 'database'> & Partial<Pick<Configuration, 'wakeAnnounce'>>,
): Promise<Result> {
  // What leaves checks out is on record with a person's name, and a schedule has none.
  const { withoutChecks: _, ...shape } = options.shape as Record<string, z.ZodMiniType>
  const fields = validate(z.extend(scheduleFields, shape), event, 'event')
  const { schedule, scheduledTime, trigger, ...request } = fields as z.output<typeof scheduleFields>
  const result = await perform(request as unknown as { view: string } & z.output<Options>, {
    database,
    trigger,
    requestedBy: schedule,
    caller: schedule,
    idempotencyKey: scheduleKey(schedule, scheduledTime, context.awsRequestId),
    waitUntil: Date.now() + context.getRemainingTimeInMillis() - reserveMs,
  })
  logged(result, trigger, wakeAnnounce)
  if (result.error !== undefined && mayRetry(result.error.class)) {
    throw new Problem(result.error.class, result.error.message, { runId: result.runId })
  }
  return result
}

/**
 * If `scheduledTime` is not a valid time, Lambda's request id is used instead; Lambda keeps it across
 * retries.
 */
export function scheduleKey(schedule: string, scheduledTime: string, requestId: string): string {
  const at = Date.parse(scheduledTime)
  return `${schedule} ${Number.isNaN(at) ? requestId : new Date(at).toISOString()}`
}

/** Logs how the run stands. Has `announce` called if the run has ended. */
function logged(result: Result, trigger: Trigger, wakeAnnounce?: () => void): Result {
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
  if (status !== 'running') wakeAnnounce?.()
  return result
}
