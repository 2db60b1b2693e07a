import type { Context } from 'aws-lambda'
import * as z from 'zod/mini'
import type { Call, Result } from '../../run/call.ts'
import { mayRetry, Problem } from '../../words/problem.ts'
import { logged } from '../operation.ts'
import { scheduleFields, scheduleKey, validate } from '../request-fields.ts'
import type { AnyRoute } from '../route.ts'
import { type Configuration, readConfiguration } from './configuration.ts'
import { answerEvent, eventFunction, type HttpEvent } from './function.ts'
import { endOfWork } from './lifetime.ts'

/**
 * The wait for a run ends this long before Lambda ends the function, so that the function can still read the
 * record.
 */
const reserveMs = 10_000

/** The route of an operation, and what performs it. */
interface RoutedOperation extends AnyRoute {
  // biome-ignore lint/suspicious/noExplicitAny: what it takes is checked by the schema of its body
  perform(request: any, call: Call): Promise<Result>
}

/** The function of an operation. Its HTTP route and a schedule may make the same requests. */
export const operationFunction = (route: RoutedOperation) =>
  eventFunction<object, unknown>((event, context) =>
    'routeKey' in event
      ? answerEvent([route], event as HttpEvent, readConfiguration)
      : onSchedule(route, event, context, readConfiguration()),
  )

/**
 * Serves the event of an EventBridge schedule. A run that failed for good is on record, so the function does
 * not fail. It throws if a retry may help or the run could not be recorded: Lambda then retries, and at last
 * puts the event into the dead-letter queue. Events with the same scheduled time are one run.
 */
async function onSchedule(
  { takes, perform }: RoutedOperation,
  event: unknown,
  context: Context,
  served: Pick<Configuration, 'database' | 'logger'>,
): Promise<Result> {
  // What leaves checks out is on record with a person's name, and a schedule has none.
  const { withoutChecks: _, ...shape }: z.core.$ZodShape = takes?.body?.shape ?? {}
  const fields = validate(z.extend(scheduleFields, shape), event, 'event')
  const { schedule, scheduledTime, trigger, ...request } = fields as z.output<typeof scheduleFields>
  const result = await perform(request, {
    database: served.database,
    trigger,
    requestedBy: schedule,
    caller: schedule,
    idempotencyKey: scheduleKey(schedule, scheduledTime, context.awsRequestId),
    waitUntil: endOfWork(context, reserveMs),
  })
  logged(result, trigger, served)
  if (result.error !== undefined && mayRetry(result.error.class)) {
    throw new Problem(result.error.class, result.error.message, { runId: result.runId })
  }
  return result
}
