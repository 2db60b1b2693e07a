import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import type { APIGatewayProxyEventV2WithIAMAuthorizer, Context } from 'aws-lambda'
import { Problem } from '../../words/problem.ts'
import { answerHttp, type HttpAnswer, knownProblem, problemAnswer } from '../http.ts'
import { type AnyRoute, routeKey, type Served } from '../route.ts'
import type { Configuration } from './configuration.ts'
import { logger, withinLifetime } from './lifetime.ts'

/** A request, as API Gateway's HTTP API hands it over: it has matched and parsed it. */
export type HttpEvent = APIGatewayProxyEventV2WithIAMAuthorizer

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
        throw knownProblem(thrown, logger, originOf(event))
      }
    })

/** The fields of an event that name what failed. */
const originOf = (event: unknown): object => {
  const { view, schedule, trigger } = (event ?? {}) as Record<string, unknown>
  return { view, schedule, trigger }
}

/** A function that only HTTP invokes. The configuration is read at the start of each call. */
export const httpFunction = (readConfiguration: () => Configuration, routes: object) =>
  eventFunction<HttpEvent, HttpAnswer>((event) => answerEvent(routes, event, readConfiguration))

/**
 * Answers API Gateway's event for one of these routes; every error becomes the answer of a Problem. `key` stands for a missing
 * Idempotency-Key. Hono's adapter would parse anew what API Gateway has parsed, and wrongly: `rawPath` is decoded, so that a `/` in
 * a name ends it. And its `Request` makes Node load what takes longer than its own start.
 */
export async function answerEvent(
  routes: object,
  event: HttpEvent,
  served: () => Served & Partial<Pick<Configuration, 'longestWaitSeconds'>>,
  key?: string,
): Promise<HttpAnswer> {
  try {
    const route = (Object.values(routes) as AnyRoute[]).find((each) => routeKey(each) === event.routeKey)
    if (route === undefined) throw new Problem('UnknownRoute', `There is no route ${event.routeKey}.`)
    const { longestWaitSeconds, ...worksWith } = served()
    const request = {
      path: event.pathParameters ?? {},
      query: event.queryStringParameters ?? {},
      headers: key === undefined ? event.headers : { 'idempotency-key': key, ...event.headers },
      body: event.isBase64Encoded ? Buffer.from(event.body ?? '', 'base64') : (event.body ?? ''),
      requestedBy: event.requestContext.authorizer?.iam?.userArn ?? '',
      at: event.requestContext.timeEpoch,
    }
    return await answerHttp(route, request, worksWith, longestWaitSeconds)
  } catch (thrown) {
    return problemAnswer(knownProblem(thrown, logger))
  }
}
