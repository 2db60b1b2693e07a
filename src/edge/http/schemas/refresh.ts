import * as z from 'zod/mini'
import { strategies } from '../../../catalog/plan/definition.ts'
import { described, named } from './fields.ts'
import { rowCountStrategy, timeoutSeconds, withoutChecks } from './operation.ts'

/** The options of refresh: the body of its route, and part of a schedule's event. */
export const refreshOptions = named(
  'RefreshOptions',
  z.strictObject({
    strategy: described(z.optional(z.enum(strategies)), {
      description:
        "How to refresh; by default the view's own strategy, which is `auto` unless it was authored.",
    }),
    rowCountStrategy,
    timeoutSeconds,
    force: described(z.optional(z.boolean()), {
      description:
        'Whether to refresh a view that is paused or was refreshed within its minimum interval; by default false.',
    }),
    withoutChecks,
  }),
)
