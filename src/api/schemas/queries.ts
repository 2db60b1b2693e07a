import * as z from 'zod/mini'
import { batchStatuses, operations, type RunStatus, runStatuses } from '../../catalog/plan/run.ts'
import { filterNames } from '../../catalog/plan/state.ts'
import { actionNames } from '../../watch/plan/actions.ts'
import { described, mostInteger, text, view, whole } from './fields.ts'
import { runId } from './ids.ts'

const limit = z._default(whole(200), 50)

export const batchesQuery = z.strictObject({
  status: z.optional(z.enum(batchStatuses)),
  limit,
  cursor: described(z.optional(whole(mostInteger)), { description: 'The `next` of the page before.' }),
})

const nameCursor = described(z.optional(text(1000)), {
  description: 'The `next` of the page before. A list has pages only if it is too large for one answer.',
})

export const batchQuery = z.strictObject({ cursor: nameCursor })

export const viewsQuery = z.strictObject({
  state: described(z.optional(z.enum(filterNames)), {
    description:
      'Only views that are in this state. `failed`: a refresh failed, and none has succeeded since. `running`: the last run is running.',
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

const moment = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-11-20T09:00:00Z' })
  .check(z.refine((text) => !text.startsWith('0000'), 'there is no year 0'))

const someStatuses = `must be one or more of ${runStatuses.join(', ')}, with commas between them`
const statuses = z.pipe(
  z
    .string()
    .check(
      z.refine(
        (text) => text.split(',').every((each) => (runStatuses as readonly string[]).includes(each)),
        someStatuses,
      ),
    ),
  z.transform((text) => text.split(',') as RunStatus[]),
)

export const daysQuery = z.strictObject({
  days: described(z._default(whole(31), 14), { description: 'How many days, today among them.' }),
  cursor: nameCursor,
})

export const planQuery = z.strictObject({})

export const actionsQuery = z.strictObject({
  view: described(z.optional(view), {
    description: 'Only what concerns this view: also what was done to a batch with it, or to everything.',
  }),
  action: z.optional(z.enum(actionNames)),
  since: described(z.optional(moment), { description: 'Only actions at or after this moment.' }),
  until: described(z.optional(moment), { description: 'Only actions before this moment.' }),
  limit,
  cursor: described(z.optional(whole(mostInteger)), { description: 'The `next` of the page before.' }),
})

export const runsQuery = z.strictObject({
  view: z.optional(view),
  pattern: described(z.optional(text(200)), {
    description: 'Only runs of the views whose `schema.name` matches this glob, also of views that are gone.',
    example: 'sales.*',
  }),
  operation: z.optional(z.enum(operations)),
  status: described(z.optional(statuses), {
    description: 'Only runs with one of these statuses.',
    example: 'failed,canceled',
  }),
  since: described(z.optional(moment), { description: 'Only runs requested at or after this moment.' }),
  until: described(z.optional(moment), { description: 'Only runs requested before this moment.' }),
  limit,
  cursor: described(z.optional(runId), { description: 'The `next` of the page before.' }),
})
