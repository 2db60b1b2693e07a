import { Logger } from '@aws-lambda-powertools/logger'
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import type { Context } from 'aws-lambda'
import { problemOf } from '../../db/server/failures.ts'
import { Problem, statusOf } from '../../problem.ts'
import { type HttpAnswer, type HttpEvent, problemAnswer } from '../http/http.ts'

/** JSON lines in the function's log group; secrets and row data never go in. */
export const logger = new Logger({ serviceName: 'viewkeeper' })

/** A function that anything may invoke. What it throws is logged as we log, and Lambda sees it as a failure. */
export const eventFunction = <Event, Answer>(handle: (event: Event, context: Context) => Promise<Answer>) =>
  middy<Event, Answer>()
    .use(injectLambdaContext(logger))
    .handler(async (event, context) => {
      try {
        return await handle(event, context)
      } catch (thrown) {
        throw knownProblem(thrown, asked(event))
      }
    })

/** What an event says that helps to find whose failure it was. */
const asked = (event: unknown): object => {
  const { view, schedule, trigger } = (event ?? {}) as Record<string, unknown>
  return { view, schedule, trigger }
}

/** What answers each route of a function. */
export type Routes = Record<string, (event: HttpEvent, context: Context) => Promise<HttpAnswer>>

/** Answers the routes given, by API Gateway's route key; whatever goes wrong becomes a problem. */
export async function answerRoute(routes: Routes, event: HttpEvent, context: Context): Promise<HttpAnswer> {
  try {
    const answer = routes[event.routeKey]
    if (answer === undefined) throw new Problem('UnknownRoute', `There is no route ${event.routeKey}.`)
    return await answer(event, context)
  } catch (thrown) {
    return problemAnswer(knownProblem(thrown))
  }
}

/**
 * A Problem as it is; anything else is a defect of ours, whose details stay in the log. What is no mistake of the caller's
 * is logged as an error, and whatever fails an event: `failed` is what that says of itself.
 */
export function knownProblem(thrown: unknown, failed?: object): Problem {
  const problem = problemOf(thrown)
  if (problem instanceof Problem) {
    const isError = failed !== undefined || statusOf(problem.code) >= 500
    logger[isError ? 'error' : 'info']('refused', {
      code: problem.code,
      problem: problem.message,
      ...problem.details,
      ...failed,
    })
    return problem
  }
  logger.error('unexpected error', { ...safeError(thrown), ...failed })
  return new Problem(
    'InternalError',
    'Something went wrong inside Viewkeeper; the details are in the log of the function.',
  )
}

/** A function that only HTTP invokes. */
export const httpFunction = (routes: Routes) =>
  eventFunction<HttpEvent, HttpAnswer>((event, context) => answerRoute(routes, event, context))

/** A server's message may quote row data, and its error object the query's parameters: only names and places go out. */
const safeError = (thrown: unknown) =>
  thrown instanceof Error
    ? { errorName: thrown.name, errorCode: (thrown as { code?: string }).code, stack: placesOf(thrown) }
    : { errorName: typeof thrown }

const placesOf = ({ stack = '' }: Error) => stack.split('\n').filter((line) => /^\s+at /.test(line))
