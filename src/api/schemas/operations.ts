import * as z from 'zod/mini'
import { rowCountStrategies, strategies } from '../../catalog/plan/definition.ts'
import { described, integer, named, text, view } from './fields.ts'

/** Options of every operation. */
const rowCountStrategy = described(z.optional(z.enum(rowCountStrategies)), {
  description: 'How to count rows before and after; counting never blocks readers.',
})
const timeoutSeconds = described(z.optional(integer(1, 86_400)), {
  description: 'The longest time of the operation on the server, with the wait for locks.',
})

export const withoutChecks = described(z.optional(z.boolean()), {
  description:
    'Whether to show the new data without the checks of the definition; by default false. `GET /actions` tells who asked for it.',
})

/** The fields of EventBridge Scheduler's event besides the options of the operation. */
export const scheduleFields = z.strictObject({
  trigger: z.literal('schedule'),
  schedule: text(1000),
  scheduledTime: z.string(),
  view,
})

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
