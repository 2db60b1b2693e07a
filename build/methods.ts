import { openapi } from '../src/api/openapi.ts'
import type { AnyRoute } from '../src/api/route.ts'
import { routes } from '../src/api/routes.ts'
import { comment, objectOf, type Schema, typeOf } from './schema-types.ts'

interface Operation {
  operationId: string
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[]
  requestBody?: { content: { 'application/json': { schema: Schema } } }
  responses: { 200: { content: { 'application/json': { schema: Schema } } } }
}

const inOrder = <Value>(fields: Record<string, Value>) =>
  Object.entries(fields).toSorted(([one], [other]) => (one < other ? -1 : 1))

/** What a method takes: the path, the query and the body as one object. */
function inputOf({ parameters = [], requestBody }: Operation): string {
  const fields = parameters.filter((parameter) => parameter.in !== 'header')
  const properties = Object.fromEntries(fields.map(({ name, schema }) => [name, schema]))
  const required = fields.flatMap(({ name, required }) => (required ? [name] : []))
  const body = requestBody && typeOf(requestBody.content['application/json'].schema, '  ')
  const own = fields.length === 0 ? [] : [objectOf({ properties, required }, '  ')]
  const type = [...own, ...(body ? [body] : [])].join(' & ') || 'Record<string, never>'
  return `input${required.length === 0 ? '?' : ''}: ${type}`
}

/** `src/methods.ts`: the engine's methods and their answers in plain TypeScript, so that the package's types need no library. */
export async function methodTypes(): Promise<string> {
  const { paths, components } = (await openapi('none')) as {
    paths: Record<string, Record<string, Operation>>
    components: { schemas: Record<string, Schema> }
  }
  const { Problem: _, ...schemas } = components.schemas
  const operations = new Map(
    Object.values(paths)
      .flatMap(Object.values)
      .map((operation: Operation) => [operation.operationId, operation]),
  )
  // Node and other loaders give what a module exports in different orders.
  const methods = inOrder(routes as Record<string, AnyRoute>).flatMap(([name, { says }]) => {
    const operation = operations.get(name)
    const input = operation === undefined ? 'input?: Record<string, never>' : inputOf(operation)
    const answer =
      operation === undefined
        ? 'Record<string, unknown>'
        : typeOf(operation.responses[200].content['application/json'].schema, '  ')
    return [...comment(says, '  '), `  ${name}(${input}, options?: CallOptions): Promise<${answer}>`]
  })
  return [
    '// biome-ignore-all format: made by `npm run docs` from src/api/routes: change a route there.',
    "import type { CallOptions } from './api/route.ts'\nimport type { ProblemCode } from './words/problem.ts'",
    ...inOrder(schemas).map(([name, schema]) =>
      [
        ...comment(schema.description),
        schema.properties === undefined
          ? `export type ${name} = ${typeOf(schema, '')}`
          : `export interface ${name} ${objectOf(schema)}`,
      ].join('\n'),
    ),
    ['/** Each route of the API as a method. */', 'export interface Methods {', ...methods, '}'].join('\n'),
  ]
    .join('\n\n')
    .concat('\n')
}
