import * as z from 'zod'
import { nearest } from '../sql/nearest.ts'

/** How options are parsed: what a person has left out is required, and not "undefined". */
export const inWords: z.core.ParseContext<z.core.$ZodIssue> = {
  error: ({ code, input, inst, ...issue }) =>
    code === 'unrecognized_keys' && inst instanceof z.ZodObject
      ? unknownField(issue.keys as string[], Object.keys(inst.shape))
      : input === undefined
        ? 'is required'
        : undefined,
}

/** That there is no such field, and which was probably meant, or all that there are. */
function unknownField(keys: string[], known: string[]): string {
  const meant = keys.length === 1 ? nearest(keys[0]!, known) : undefined
  return `unknown field: ${meant === undefined ? `the fields are ${known.join(', ')}` : `did you mean ${meant}?`}`
}

/** One line for each mistake, with the name of its field. */
export const problemsOf = (error: z.ZodError): string[] => error.issues.flatMap(describe)

function describe(issue: z.core.$ZodIssue): string[] {
  const field = (...more: PropertyKey[]) => [...issue.path, ...more].map(String).join('.')
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${field(key)}: ${issue.message}`)
  // Of what is an object or false: what is wrong inside the object.
  const inside =
    issue.code === 'invalid_union' ? issue.errors.flat().filter(({ path }) => path.length > 0) : []
  if (inside.length > 0)
    return inside.flatMap((each) => describe({ ...each, path: [...issue.path, ...each.path] }))
  if (issue.code === 'invalid_key') return [`${field()}: the name ${issue.issues[0]?.message}`]
  return [`${field()}: ${issue.message}`]
}
