import type * as z from 'zod'
import { Problem } from '../problem.ts'

/** Parses what came in from outside, or refuses it with every field that is wrong and why. */
export function validate<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({
          field: [...issue.path, key].join('.'),
          message: 'there is no such field',
        }))
      : [{ field: issue.path.join('.') || what, message: issue.message }],
  )
  throw new Problem('InvalidRequest', faults.map(({ field, message }) => `${field}: ${message}`).join('. '), {
    field: faults[0]?.field ?? what,
  })
}
