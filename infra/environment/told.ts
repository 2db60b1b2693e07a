import * as z from 'zod'

/** What people read of an option besides its check: `npm run docs` writes it into the types and into docs/deploy.md. */
interface Told {
  text: string
  /** What happens if the option is left out, and has no value for that. */
  otherwise?: string
}

/** The texts of options. */
export const texts = z.registry<Told>()

/** An option with its text. Links are relative to docs/. */
export function told<T extends z.ZodType>(option: T, text: string, otherwise?: string): T {
  texts.add(option, { text, otherwise })
  return option
}

/** The objects of options that have a type of their own, by its name. */
export const types = z.registry<{ name: string; text: string }>()

/** An object of options with the name of its type. */
export function named<T extends z.ZodType>(name: string, text: string, options: T): T {
  types.add(options, { name, text })
  return options
}
