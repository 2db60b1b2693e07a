import * as z from 'zod/mini'
import { Problem } from '../problem.ts'
import { nearest } from '../sql/nearest.ts'

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
