import * as z from 'zod/mini'
import { described, named } from './fields.ts'
import { rowCountStrategy, timeoutSeconds } from './operation.ts'

/** The options of drop: the body of its route, and part of a schedule's event. */
export const dropOptions = named(
  'DropOptions',
  z.strictObject({
    cascade: described(z.optional(z.boolean()), {
      description: 'Whether to drop what depends on the view, too; by default false.',
    }),
    ifExists: described(z.optional(z.boolean()), {
      description: 'Whether a missing view is skipped instead of refused; by default true.',
    }),
    rowCountStrategy,
    timeoutSeconds,
  }),
)
