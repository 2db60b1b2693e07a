import type * as z from 'zod'
import { routeAt } from '../../src/api/routes.ts'
import type { Asked } from './api.ts'

/**
 * An answer of another version of Viewkeeper, with what it does not say as unknown: null, no text, no element, false. What was missing is
 * said on standard error, in one line when the process ends.
 */
export async function completed(
  body: unknown,
  version: string | null,
  { method, path, api }: Asked,
): Promise<unknown> {
  const route = routeAt(method, path.split('?')[0] as string)
  if (route === undefined) return body
  const absent = new Set<string>()
  const whole = complete((await route.gives()) as z.ZodType, body, absent)
  if (absent.size > 0) tell(api.name, version, absent)
  return whole
}

const missing = new Map<string, Set<string>>()

function tell(api: string, version: string | null, absent: Set<string>): void {
  const who = `${api} runs ${version === null ? 'an older version of Viewkeeper' : `Viewkeeper ${version}`}`
  if (missing.size === 0) process.once('exit', () => process.stderr.write(missingLines().join('')))
  missing.set(who, new Set([...(missing.get(who) ?? []), ...absent]))
}

/** What the answers so far did not say, a line for each API. */
export const missingLines = (): string[] =>
  [...missing].map(([who, fields]) => `${who}, which does not say ${[...fields].join(', ')}: unknown here.\n`)

type Schema = z.ZodType | z.core.$ZodType

function complete(schema: Schema, value: unknown, absent: Set<string>): unknown {
  const { def } = schema as z.ZodType
  if (value === null || typeof value !== 'object') return value
  if (isWrapped(def)) return complete(def.innerType, value, absent)
  if (isList(def) && Array.isArray(value)) return value.map((each) => complete(def.element, each, absent))
  if (!isObject(def)) return value
  const given = value as Record<string, unknown>
  const fields = Object.entries(def.shape).flatMap(([field, of]): [string, unknown][] => {
    if (given[field] !== undefined) return [[field, complete(of, given[field], absent)]]
    if (of._zod.def.type === 'optional') return []
    absent.add(field)
    return [[field, unknownOf(of, absent)]]
  })
  return { ...given, ...Object.fromEntries(fields) }
}

function unknownOf(schema: Schema, absent: Set<string>): unknown {
  const { type } = (schema as z.ZodType).def
  if (type === 'array') return []
  if (type === 'boolean') return false
  if (type === 'enum') return ''
  if (type === 'string') return 'format' in schema._zod.def ? null : ''
  if (type === 'record') return {}
  return type === 'object' ? complete(schema, {}, absent) : null
}

type Def = z.core.$ZodTypeDef
const isWrapped = (def: Def): def is z.core.$ZodNullableDef =>
  def.type === 'nullable' || def.type === 'optional'
const isList = (def: Def): def is z.core.$ZodArrayDef => def.type === 'array'
const isObject = (def: Def): def is z.core.$ZodObjectDef => def.type === 'object'
