import * as z from 'zod/mini'
import { mostConcurrent } from '../../batch/plan/plan.ts'
import { strategies } from '../../catalog/plan/definition.ts'
import { exchanges } from '../../catalog/plan/run.ts'
import { described, integer, named, text, view } from './fields.ts'
import { batchId } from './ids.ts'
import { scheduleFields, withoutChecks } from './operations.ts'

const mostViews = 10_000
const someViews = `must be a list of 1 to ${mostViews} views`

/**
 * The views of a batch and how to refresh them: the body of `POST /batches`, and part of a schedule's event.
 */
export const batchOptions = named(
  'BatchOptions',
  z.strictObject({
    all: described(z.optional(z.boolean()), {
      description: 'Every view except those whose definition says `inAll: false`; the default.',
    }),
    views: described(
      z.optional(
        z.array(view, someViews).check(z.minLength(1, someViews), z.maxLength(mostViews, someViews)),
      ),
      { description: 'These views.' },
    ),
    pattern: described(z.optional(text(200)), {
      description: 'A glob on `schema.name`; a quoted part is a name.',
      example: 'sales.*',
    }),
    retryOf: described(z.optional(batchId), {
      description:
        'The views that this batch did not refresh: they failed, were canceled, or were skipped because of others.',
      example: '20261120-090000-1f3c9a2b',
    }),
    failed: described(z.optional(z.boolean()), {
      description: 'The views that fail, or were skipped because another view failed.',
    }),
    ancestors: described(z.optional(z.boolean()), {
      description: 'Also everything that these views read.',
    }),
    descendants: described(z.optional(z.boolean()), {
      description: 'Also everything that reads these views.',
    }),
    onlyIfStale: described(z.optional(z.boolean()), {
      description:
        'Only the views that are older than their target lag, or than their limit if they have none, with what these read among the selected. A view without either is always refreshed.',
    }),
    strategy: described(z.optional(z.enum(strategies)), {
      description: 'The strategy for every view; by default each view has its own.',
    }),
    concurrency: described(z.optional(integer(1, mostConcurrent)), {
      description: 'The number of views at once; by default 2.',
    }),
    retries: described(z.optional(integer(0, 100)), {
      description: 'How often a view that fails is tried again; by default each view has its own number.',
    }),
    exchange: described(z.optional(z.enum(exchanges)), {
      description:
        '`together`: views that read each other are built aside and exchanged at one moment. `each`: readers see each view when it is ready. By default the environment decides.',
    }),
    withoutChecks,
  }),
)

/** A schedule's event for a batch. `scheduled` selects the views whose definitions have this schedule. */
export const scheduledBatch = z.extend(z.omit(scheduleFields, { view: true }), {
  ...z.omit(batchOptions, { retryOf: true, failed: true, withoutChecks: true }).shape,
  scheduled: z.optional(z.strictObject({ schedule: text(1000), timeZone: text(100) })),
})

/** What the log line of the monitor becomes: a batch of all that is due by target lags. */
export const dueBatch = z.strictObject({ trigger: z.literal('schedule'), due: z.literal(true) })

/** A deploy's event. The key is a hash of what was deployed: the same deploy starts one batch. */
export const deployedBatch = z.strictObject({
  trigger: z.literal('deploy'),
  key: text(1000),
  ...z.omit(batchOptions, { retryOf: true, failed: true, withoutChecks: true }).shape,
})
