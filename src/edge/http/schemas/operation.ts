import * as z from 'zod/mini'
import { rowCountStrategies } from '../../../catalog/plan/definition.ts'
import { described, integer, text, view } from './fields.ts'

/** Options of every operation. */
export const rowCountStrategy = described(z.optional(z.enum(rowCountStrategies)), {
  description: 'How to count rows before and after; counting never blocks readers.',
})
export const timeoutSeconds = described(z.optional(integer(1, 86_400)), {
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
