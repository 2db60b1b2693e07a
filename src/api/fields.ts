import * as z from 'zod/mini'

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
