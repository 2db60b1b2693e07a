import type { FieldHelp } from '../src/config/fields.ts'
import { problemCodes } from '../src/words/problem.ts'

/** A schema of JSON as routes and options have it, with what people are told of it. */
export interface Schema extends FieldHelp {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: false | Schema
  description?: string
  default?: unknown
  isRequired?: boolean
}

const primitives: Record<string, string> = {
  integer: 'number',
  object: 'Record<string, unknown>',
  array: 'unknown[]',
}

/** A value as it stands in TypeScript. */
export const written = (value: unknown): string =>
  String(JSON.stringify(value, null, 2))
    .replace(/"(\w+)":/g, '$1:')
    .replaceAll('"', "'")

const union = (types: string[]) => [...new Set(types)].join(' | ')

/** The type of what has this schema, as it stands in TypeScript. */
export function typeOf(schema: Schema, indent = ''): string {
  const of = (other: Schema) => typeOf(other, indent)
  if (schema.named !== undefined) return schema.named.name
  if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1)!
  if (schema.const !== undefined) return written(schema.const)
  if (String(schema.enum) === String(problemCodes)) return 'ProblemCode'
  if (schema.enum !== undefined) return union(schema.enum.map(written))
  const either = schema.anyOf ?? schema.oneOf
  if (either !== undefined) return union(either.map(of))
  // Beside a type, they are checks of its values.
  if (schema.allOf !== undefined && schema.type === undefined) return schema.allOf.map(of).join(' & ')
  if (Array.isArray(schema.type)) return union(schema.type.map((type) => of({ ...schema, type })))
  if (schema.properties !== undefined) return objectOf(schema, indent)
  if (schema.type === 'array' && schema.items !== undefined) {
    const item = of(schema.items)
    return / [|&] /.test(item) && !item.startsWith('{') ? `(${item})[]` : `${item}[]`
  }
  if (typeof schema.additionalProperties === 'object')
    return `Record<string, ${of(schema.additionalProperties)}>`
  return primitives[schema.type ?? ''] ?? schema.type ?? 'unknown'
}

/** A comment of one line. */
export const comment = (text: string | undefined, indent = '') =>
  text === undefined ? [] : [`${indent}/** ${text} */`]

/** The type of an object, a field to a line. */
export function objectOf({ properties = {}, required = [] }: Schema, indent = ''): string {
  const lines = Object.entries(properties).flatMap(([name, field]) => [
    ...comment(field.description, `${indent}  `),
    `${indent}  ${name}${required.includes(name) ? '' : '?'}: ${typeOf(field, `${indent}  `)}`,
  ])
  return ['{', ...lines, `${indent}}`].join('\n')
}
