import * as z from 'zod'

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
