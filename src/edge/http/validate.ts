import type * as z from 'zod'
import { Problem } from '../../problem.ts'

/** Enough to see what is wrong; the rest is counted, so that no answer grows with its request. */
const mostFaults = 5
const longestField = 100

/** Parses what came in from outside, or refuses it with the first fields that are wrong and why. */
export function validate<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: [...issue.path, key], message: 'there is no such field' }))
      : [{ path: issue.path, message: issue.message }],
  )
  const told = faults
    .slice(0, mostFaults)
    .map(({ path, message }) => ({ field: fieldOf(path) || what, message }))
  const rest = faults.length - told.length
  throw new Problem(
    'InvalidRequest',
    told.map(({ field, message }) => `${field}: ${message}`).join('. ') +
      (rest > 0 ? `. And ${rest} more` : ''),
    { field: told[0]?.field ?? what },
  )
}

/** A key may be anything that JSON can write, of any length. */
function fieldOf(path: PropertyKey[]): string {
  const field = path.join('.').toWellFormed()
  return field.length > longestField ? `${field.slice(0, longestField).toWellFormed()}…` : field
}
