import * as z from 'zod/mini'
import { nearest } from '../words/names.ts'
import { Problem } from '../words/problem.ts'

// Each request has one schema, which stands with its route: it validates, gives the TypeScript type, and goes into the OpenAPI
// file. The schemas of requests are of zod/mini, because the functions load them.

/** Text that PostgreSQL can hold. */
export const text = (most: number) => {
  const error = `must be a text of 1 to ${most} characters`
  return z.string(error).check(
    z.minLength(1, error),
    z.maxLength(most, error),
    z.refine((value) => !value.includes('\0'), 'must not contain the character NUL'),
    z.refine((value) => value.isWellFormed(), 'must not contain half of a surrogate pair'),
  )
}

const wholeNumber = (least: number, most: number) => `must be a whole number from ${least} to ${most}`

/** A whole number in JSON. */
export const integer = (least: number, most: number) => {
  const error = wholeNumber(least, most)
  return z.int(error).check(z.minimum(least, error), z.maximum(most, error))
}

/** A whole number in a path or a query, where it stands as text. Ids and limits begin at 1. */
export const whole = (most: number) => {
  const error = wholeNumber(1, most)
  return z.pipe(z.transform(numberOf), z.int(error).check(z.minimum(1, error), z.maximum(most, error)))
}

/** Digits as a number. `Number` would also read `1e2`, `0x1f` and ` 7`. */
const numberOf = (given: unknown): unknown =>
  typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : given

/** The schema, with what the OpenAPI file says of the field. */
export function described<Schema extends z.ZodMiniType>(
  schema: Schema,
  description: { description: string; example?: string | number; pattern?: string },
): Schema {
  z.globalRegistry.add(schema, description)
  return schema
}

/** The schema of an object, with its name in the OpenAPI file. */
export function named<Schema extends z.ZodMiniObject>(id: string, schema: Schema): Schema {
  z.globalRegistry.add(schema, { id })
  return schema
}

/** For the OpenAPI file only: of a text that is no name, `parseName` says what is wrong with it. */
const identifier =
  '(?:(?:[A-Za-z_]|[^\\u0000-\\u007f])(?:[A-Za-z0-9_$]|[^\\u0000-\\u007f]){0,62}|"(?:[^"]|""){1,63}")'

export const view = described(text(1000), {
  description: 'A view: its name as SQL reads it (`sales`, `app.sales`, `"Odd.Name"`), or its id.',
  example: 'public.sales',
  pattern: `^(?:[0-9]{1,10}|${identifier}(?:\\.${identifier})?)$`,
})

/** The largest `integer` of PostgreSQL. */
export const mostInteger = 2147483647

export const viewPath = z.strictObject({ view })

export const runId = described(whole(mostInteger), { description: "The run's id.", example: 812 })

const likeBatchId = "must be a batch's id, such as 20261120-090000-1f3c9a2b"
export const batchId = described(z.string(likeBatchId).check(z.regex(/^[0-9A-Za-z_-]{1,80}$/, likeBatchId)), {
  description: "The batch's id.",
  example: '20261120-090000-1f3c9a2b',
})

export const runPath = z.strictObject({ id: runId })
export const batchPath = z.strictObject({ id: batchId })

export const withoutChecks = described(z.optional(z.boolean()), {
  description:
    'Whether to show the new data without the checks of the definition; by default false. `GET /actions` tells who asked for it.',
})

/**
 * The most faults that a refusal lists. It only counts the others, so that no answer grows with its request.
 */
const mostFaults = 5
const longestField = 100

/**
 * Parses input from outside. A refusal names the first fields that are wrong, and what each must be. For a
 * field that does not exist, it names the field that was probably meant, or all that there are.
 */
export function validate<T extends z.ZodMiniType>(schema: T, value: unknown, what: string): z.output<T> {
  const parsed = schema.safeParse(value, { error: wording, reportInput: true })
  if (parsed.success) return parsed.data
  const known = schema instanceof z.ZodMiniObject ? Object.keys(schema.shape) : []
  const faults = withoutRepeats(parsed.error.issues.flatMap(faultsOf))
  const listed = faults.slice(0, mostFaults).map((fault) => ({ ...fault, meant: meantBy(fault, known) }))
  const rest = faults.length - listed.length
  const isLost = listed.some(({ unknown, meant }) => unknown && meant === undefined)
  throw new Problem(
    'InvalidRequest',
    listed.map((fault) => sentenceOf(fault, what)).join('. ') +
      (rest > 0 ? `. And ${rest} more` : '') +
      (isLost && known.length > 0 ? `. The fields are ${known.join(', ')}` : ''),
    { field: listed[0]?.field || what },
  )
}

/** What is wrong with a field. The field is empty if the whole input is wrong. */
interface Fault {
  field: string
  message: string
  /** Whether there is no such field. */
  unknown: boolean
}

function faultsOf(issue: z.core.$ZodIssue): Fault[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: fieldOf([...issue.path, key]),
      message: 'there is no such field',
      unknown: true,
    }))
  }
  const missing = issue.input === undefined && issue.path.length > 0
  const message = missing ? `is missing: it ${issue.message}` : issue.message
  return [{ field: fieldOf(issue.path), message, unknown: false }]
}

/** A number like 0.5 breaks two rules of its field, which have one message. */
const withoutRepeats = (faults: Fault[]): Fault[] => [
  ...new Map(faults.map((fault) => [`${fault.field}: ${fault.message}`, fault])).values(),
]

const meantBy = ({ field, unknown }: Fault, known: string[]): string | undefined =>
  unknown ? nearest(field, known) : undefined

const sentenceOf = ({ field, message, meant }: Fault & { meant: string | undefined }, what: string): string =>
  `${field || what}: ${message}${meant === undefined ? '' : ` (did you mean ${meant}?)`}`

/** The path of a field, cut short: a key of JSON can have any length and any characters. */
function fieldOf(path: PropertyKey[]): string {
  const field = path.join('.').toWellFormed()
  return field.length > longestField ? `${field.slice(0, longestField).toWellFormed()}...` : field
}

/** What a field must be, unless its schema says that itself. */
const wording: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String)
    return values.length === 1 ? `must be ${values[0]}` : `must be one of ${values.join(', ')}`
  }
  return issue.code === 'invalid_type' ? mustBe[issue.expected] : undefined
}

const mustBe: Partial<Record<string, string>> = {
  boolean: 'must be true or false',
  object: 'must be a JSON object, such as {}',
  string: 'must be a text',
}

/** The fields of EventBridge Scheduler's event besides the options of the operation. */
export const scheduleFields = z.strictObject({
  trigger: z.literal('schedule'),
  schedule: text(1000),
  scheduledTime: z.string(),
  view,
})

/**
 * What makes events of one turn one request. If `scheduledTime` is not a valid time, Lambda's request id is used instead; Lambda
 * keeps it across retries.
 */
export function scheduleKey(schedule: string, scheduledTime: string, requestId: string): string {
  const at = Date.parse(scheduledTime)
  return `${schedule} ${Number.isNaN(at) ? requestId : new Date(at).toISOString()}`
}
