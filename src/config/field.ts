import * as z from 'zod'
import { nearest } from '../sql/nearest.ts'

/** What people read of a field besides its check: `npm run docs` writes it into the types and into docs/. */
export interface Told {
  text?: string
  /** What happens if the field is left out, and has no value for that. */
  otherwise?: string | undefined
  /** The type, if it has a name of its own. Of an object of options, `npm run docs` makes the type with its text. */
  named?: { name: string; text: string | undefined }
}

/** The texts of fields: of options, and of definitions. */
export const texts = z.registry<Told>()

/** A field with its text, the only one: what several fields share is made anew for each. Links are relative to docs/. */
export function told<T extends z.ZodType>(field: T, text: string, otherwise?: string): T {
  const before = texts.get(field)
  if (before?.text) throw new Error(`The field that says "${before.text}" may not also say "${text}".`)
  texts.add(field, { ...before, text, otherwise })
  return field
}

/** A schema with the name of its type. */
export function named<T extends z.ZodType>(name: string, text: string | undefined, schema: T): T {
  texts.add(schema, { named: { name, text } })
  return schema
}

/** `false`, or a whole number. */
export const falseOr = (from: number, to: number) => {
  const message = `must be false, or a number from ${from} to ${to}`
  return z.union([z.int(message).min(from, message).max(to, message), z.literal(false)], message)
}

/** A text of this form, or one that only a deploy knows. */
export const textLike = (form: RegExp, message: string, isLater: IsLater = () => false) =>
  z.string().refine((text) => isLater(text) || form.test(text), message)

/** Whether a text stands for what only a deploy knows, such as the id of something that an app makes. */
export type IsLater = (text: string) => boolean

export const webAddress = (example: string, isLater?: IsLater) =>
  textLike(/^https?:\/\/[\x21-\x7e]+$/, `must be an address such as "${example}"`, isLater).optional()

const nameRule =
  'must have at most 20 lower-case letters, digits and hyphens, begin with a letter, not end with a hyphen, and not have two hyphens in a row'

/**
 * The name of an environment is part of the name of every resource. CloudFormation makes the identifier of a database
 * server from the stack's name, and RDS refuses two hyphens in a row and a hyphen at the end.
 */
export const shortName = textLike(/^(?!.{21})[a-z](-?[a-z0-9])*$/, nameRule)

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
