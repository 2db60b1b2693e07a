import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import type { Context } from 'aws-lambda'
import { Problem, statusOf } from '../../problem.ts'
import { problemOf } from '../../server/failures.ts'
import { type HttpAnswer, type HttpEvent, problemAnswer } from '../http.ts'
import { type HttpFunctionName, type RouteName, type RouteNameOf, routeKey, routes } from '../routes.ts'
import type { Configuration } from './configuration.ts'
import { withinLifetime } from './lifetime.ts'
import { logger } from './logger.ts'
import { placesOf } from './stack.ts'

/**
 * A function that any service may invoke. An error is logged in our format and thrown, so Lambda counts it.
 */
export const eventFunction = <Event, Answer>(handle: (event: Event, context: Context) => Promise<Answer>) =>
  middy<Event, Answer>()
    .use(injectLambdaContext(logger))
    .handler(async (event, context) => {
      try {
        return await withinLifetime(event, context, () => handle(event, context))
      } catch (thrown) {
        throw knownProblem(thrown, originOf(event))
      }
    })

/** The fields of an event that name what failed. */
const originOf = (event: unknown): object => {
  const { view, schedule, trigger } = (event ?? {}) as Record<string, unknown>
  return { view, schedule, trigger }
}

/** Answers a request. A handler names the parts of the configuration that it takes. */
export type HttpHandler = (event: HttpEvent, configuration: Configuration) => Promise<HttpAnswer>

/** A handler for every route of a function: a missing or a superfluous one does not compile. */
export type HandlersOf<Name extends HttpFunctionName> = Record<RouteNameOf<Name>, HttpHandler>

/** A function that only HTTP invokes. The configuration is read at the start of each call. */
export const httpFunction = <Name extends HttpFunctionName>(
  readConfiguration: () => Configuration,
  handlers: HandlersOf<Name>,
) => eventFunction<HttpEvent, HttpAnswer>((event) => answerHttp(handlers, readConfiguration, event))

/** Calls the handler of the event's route; every error becomes the answer of a Problem. */
export async function answerHttp(
  handlers: { [Route in RouteName]?: HttpHandler },
  readConfiguration: () => Configuration,
  event: HttpEvent,
): Promise<HttpAnswer> {
  try {
    const name = (Object.keys(handlers) as RouteName[]).find(
      (each) => routeKey(routes[each]) === event.routeKey,
    )
    const handler = name && handlers[name]
    if (handler === undefined) throw new Problem('UnknownRoute', `There is no route ${event.routeKey}.`)
    return await handler(event, readConfiguration())
  } catch (thrown) {
    return problemAnswer(knownProblem(thrown))
  }
}

/**
 * Returns a Problem as it is. Anything else is a defect of ours: its details stay in the log, and
 * InternalError is returned. A mistake of the caller is logged as `info`. A Problem with status 500 or more
 * is logged as `error`, and so is every Problem that fails an event; `failedEvent` then holds the fields that
 * name the event.
 */
export function knownProblem(thrown: unknown, failedEvent?: object): Problem {
  const problem = problemOf(thrown)
  if (problem instanceof Problem) {
    const isError = failedEvent !== undefined || statusOf(problem.code) >= 500
    logger[isError ? 'error' : 'info']('refused', {
      code: problem.code,
      problem: problem.message,
      ...problem.details,
      ...failedEvent,
    })
    return problem
  }
  logger.error('unexpected error', { ...safeError(thrown), ...failedEvent })
  return new Problem(
    'InternalError',
    'Something went wrong inside Viewkeeper; the details are in the log of the function.',
  )
}

/**
 * The name, the code and the stack of an error, and nothing else: a server's message may quote row data, and
 * its error object holds the parameters of the query.
 */
const safeError = (thrown: unknown) =>
  thrown instanceof Error
    ? { errorName: thrown.name, errorCode: (thrown as { code?: string }).code, stack: placesOf(thrown) }
    : { errorName: typeof thrown }
