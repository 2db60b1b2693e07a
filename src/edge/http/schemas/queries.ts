import * as z from 'zod/mini'
import { batchStatuses, operations, runStatuses } from '../../../plan/run.ts'
import { filterNames } from '../../../plan/views/state.ts'
import { described, mostInteger, view, whole } from './fields.ts'
import { runId } from './ids.ts'

const limit = z._default(whole(200), 50)

export const batchesQuery = z.strictObject({
  status: z.optional(z.enum(batchStatuses)),
  limit,
  cursor: described(z.optional(whole(mostInteger)), { description: 'The `next` of the page before.' }),
})

const nameCursor = described(z.optional(view), {
  description: 'The `next` of the page before. A list has pages only if it is too large for one answer.',
})

export const batchQuery = z.strictObject({ cursor: nameCursor })

export const viewsQuery = z.strictObject({
  state: described(z.optional(z.enum(filterNames)), {
    description: 'Only views that are in this state. `failed` and `running` are states of the last run.',
  }),
  cursor: nameCursor,
})

const unitSeconds = { m: 60, h: 3600, d: 86_400 }

const likeWindow = z
  .string()
  .check(z.regex(/^[1-9]\d{0,4}[mhd]$/, 'must be a number of minutes, hours or days, such as 90m, 24h or 7d'))

export const metricsQuery = z.strictObject({
  view: z.optional(view),
  window: described(
    z.pipe(
      z._default(likeWindow, '24h'),
      z.transform((text) => Number.parseInt(text, 10) * unitSeconds[text.at(-1) as keyof typeof unitSeconds]),
    ),
    { description: 'How far back: `90m`, `24h`, `7d`.', example: '24h' },
  ),
  cursor: nameCursor,
})

export const runsQuery = z.strictObject({
  view: z.optional(view),
  operation: z.optional(z.enum(operations)),
  status: z.optional(z.enum(runStatuses)),
  since: described(
    z.optional(
      z.iso
        .datetime({ offset: true, error: 'must be a time such as 2026-11-20T09:00:00Z' })
        .check(z.refine((moment) => !moment.startsWith('0000'), 'there is no year 0')),
    ),
    { description: 'Only runs requested at or after this moment.' },
  ),
  limit,
  cursor: described(z.optional(runId), { description: 'The `next` of the page before.' }),
})
