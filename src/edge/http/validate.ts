import type * as z from 'zod'
import { Problem } from '../../problem.ts'

/**
 * The most faults that a refusal lists. It only counts the others, so that no answer grows with its request.
 */
const mostFaults = 5
const longestField = 100

/** Parses input from outside. A refusal names the first fields that are wrong, and why. */
export function validate<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: [...issue.path, key], message: 'there is no such field' }))
      : [{ path: issue.path, message: issue.message }],
  )
  const listed = faults
    .slice(0, mostFaults)
    .map(({ path, message }) => ({ field: fieldOf(path) || what, message }))
  const rest = faults.length - listed.length
  throw new Problem(
    'InvalidRequest',
    listed.map(({ field, message }) => `${field}: ${message}`).join('. ') +
      (rest > 0 ? `. And ${rest} more` : ''),
    { field: listed[0]?.field ?? what },
  )
}

/** The path of a field, cut short: a key of JSON can have any length and any characters. */
function fieldOf(path: PropertyKey[]): string {
  const field = path.join('.').toWellFormed()
  return field.length > longestField ? `${field.slice(0, longestField).toWellFormed()}...` : field
}
