import * as z from 'zod/mini'
import { mostConcurrent } from '../../batch/plan/plan-batch.ts'
import { strategies } from '../../catalog/plan/definition.ts'
import { Problem } from '../../words/problem.ts'
import { exchanges, isOpenBatch } from '../../words/run.ts'
import { batchId, described, integer, named, text, view, withoutChecks } from '../request-fields.ts'
import { route } from '../route.ts'

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

export const startBatch = route({
  method: 'POST',
  path: '/batches',
  policy: 'refresh',
  function: 'start-batch',
  says: 'Refreshes several views in dependency order',
  does: 'Refreshes several views in dependency order: [batches.md](batches.md)',
  takes: { body: batchOptions },
  key: 'batch',
  gives: async () => (await import('../answers.ts')).startedBatch,
  location: (batch) => (isOpenBatch(batch) ? `/batches/${batch.batchId}` : null),
  async answer({ database, batchDefaults, advance }, request, caller) {
    const { startBatch } = await import('../../batch/start.ts')
    const batch = await startBatch(request, { ...caller, database }, batchDefaults)
    const { batchId, status, error } = batch
    if (isOpenBatch(batch)) {
      advance(batchId)
      return { batchId, status }
    }
    if (status !== 'skipped' || error === null) return { batchId, status, error }
    throw new Problem(error.class, error.message, { batchId, openBatchId: error.openBatchId })
  },
})
