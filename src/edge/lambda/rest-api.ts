import type { MiddlewareObj } from '@middy/core'
import type { APIGatewayProxyEvent, Context } from 'aws-lambda'
import type { HttpAnswer } from '../http/http.ts'

/** The stage of the REST API that sent the event; undefined if none did. */
interface Internal extends Record<string, unknown> {
  stage?: string
}

/**
 * Lets a function serve a private API, too. AWS has private APIs only as REST APIs, whose events have an older
 * format. The event becomes the one that an HTTP API would send, and `Location` in the answer gets the stage, which
 * is part of the address of a REST API. Other events stay as they are.
 */
export const restApi = <Event, Answer>(): MiddlewareObj<Event, Answer, Error, Context, Internal> => ({
  before: (request) => {
    const { event, internal } = request
    if (!isRestEvent(event)) return
    internal.stage = event.requestContext.stage
    request.event = httpEventOf(event) as Event
  },
  after: ({ internal, response }) => {
    const headers = (response as HttpAnswer | null)?.headers
    if (internal.stage !== undefined && headers?.location !== undefined)
      headers.location = `/${internal.stage}${headers.location}`
  },
})

const isRestEvent = (event: unknown): event is APIGatewayProxyEvent =>
  typeof event === 'object' && event !== null && 'httpMethod' in event && 'resource' in event

function httpEventOf(event: APIGatewayProxyEvent): object {
  const { httpMethod, resource, headers, pathParameters, requestContext } = event
  return {
    routeKey: `${httpMethod} ${resource}`,
    headers: Object.fromEntries(entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    // A REST API passes a path on as the caller encoded it; an HTTP API decodes it.
    pathParameters: Object.fromEntries(
      entries(pathParameters).map(([name, value]) => [name, decoded(value)]),
    ),
    queryStringParameters: Object.fromEntries(
      entries(event.multiValueQueryStringParameters).map(([name, values]) => [name, values.join(',')]),
    ),
    body: event.body ?? undefined,
    isBase64Encoded: event.isBase64Encoded,
    requestContext: {
      timeEpoch: requestContext.requestTimeEpoch,
      authorizer: { iam: { userArn: requestContext.identity.userArn } },
    },
  }
}

const entries = <Value>(from: Record<string, Value | undefined> | null): [string, Value][] =>
  Object.entries(from ?? {}).filter((entry): entry is [string, Value] => entry[1] !== undefined)

/** A text that is not encoded correctly stays as it is: no view has such a name. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
