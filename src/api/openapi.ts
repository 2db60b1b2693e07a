import type * as z from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import * as answers from './answers.ts'
import { describedRoutes } from './described-routes.ts'
import type { AnyRoute, Security } from './route.ts'

const inWords = {
  'for the end':
    'How many seconds to wait for the end, at most 25; by default until the server has claimed the run.',
  'for the cancel': 'How many seconds to wait for the end: 3 to 25, by default 3.',
}

/** The headers that a route reads. */
const headersOf = ({ waits, key }: AnyRoute) => [
  ...(waits
    ? [
        {
          name: 'Prefer',
          in: 'header' as const,
          schema: { type: 'string' as const },
          example: 'wait=20',
          description: inWords[waits],
        },
      ]
    : []),
  ...(key
    ? [
        {
          name: 'Idempotency-Key',
          in: 'header' as const,
          schema: { type: 'string' as const, minLength: 1, maxLength: 255 },
          description: `Requests of one caller with the same key and body are one ${key}; another body is refused.`,
        },
      ]
    : []),
]

/** How a door knows its callers. */
const schemes = {
  iam: {
    says: ' Every call is signed with AWS Signature Version 4.',
    scheme: {
      type: 'apiKey',
      in: 'header',
      name: 'Authorization',
      description: 'AWS Signature Version 4, service execute-api.',
    },
  },
  token: {
    says: ' Every call brings a token.',
    scheme: {
      type: 'http',
      scheme: 'bearer',
      description: 'A token that `viewkeeper token create` has made.',
    },
  },
} as const

/** The OpenAPI 3.1 description of the API, from its routes. */
export async function openapi(security: Security = 'iam'): Promise<object> {
  const paths: ZodOpenApiPathsObject = {}
  for (const [name, route] of Object.entries(describedRoutes) as [string, AnyRoute][])
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: await operation(name, route),
    }
  const known = security === 'none' ? undefined : schemes[security]
  return createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Viewkeeper',
      version: '1',
      description: `Keeps PostgreSQL materialized views fresh.${known?.says ?? ''}`,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    ...(known && {
      components: { securitySchemes: { [security]: known.scheme } },
      security: [{ [security]: [] }],
    }),
  })
}

async function operation(name: string, route: AnyRoute): Promise<ZodOpenApiOperationObject> {
  const { says, does, takes, gives, location } = route
  const schema = (await gives()) as z.ZodType
  const content = { 'application/json': { schema } }
  return {
    operationId: name,
    summary: says,
    ...(does && { description: does.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1') }),
    requestParams: { ...(takes?.path && { path: takes.path }), ...(takes?.query && { query: takes.query }) },
    parameters: headersOf(route),
    ...(takes?.body && {
      requestBody: { required: false, content: { 'application/json': { schema: takes.body } } },
    }),
    responses: {
      200: { description: location ? 'It has ended.' : (schema.meta()?.description ?? says), content },
      ...(location && { 202: { description: 'It goes on; `Location` is its route.', content } }),
      default: {
        description: 'What went wrong, and what to do about it.',
        content: { 'application/problem+json': { schema: answers.problem } },
      },
    },
  }
}
