import * as z from 'zod/mini'
import { described, named } from './fields.ts'
import { rowCountStrategy, timeoutSeconds } from './operation.ts'

/** The options of create: the body of its route, and part of a schedule's event. */
export const createOptions = named(
  'CreateOptions',
  z.strictObject({
    force: described(z.optional(z.boolean()), {
      description:
        'Replaces an existing view if nothing depends on it; by default an existing view is left as it is.',
    }),
    withData: described(z.optional(z.boolean()), {
      description: 'Whether the view is filled; by default true.',
    }),
    rowCountStrategy,
    timeoutSeconds,
  }),
)
