import * as z from 'zod/mini'
import type { Batch } from '../../batch/db/batches.ts'
import { batchStatuses } from '../../catalog/plan/run.ts'
import { batchPath } from '../fields.ts'
import { limit, nameCursor, numberCursor, pageByKey, pageInOrder } from '../pages.ts'
import { route } from '../route.ts'
import { fitting, mostBytes } from '../size.ts'

/** A batch as the API shows it: without the number that only the database uses. */
function batchBody<Shown extends Batch>({ serial: _serial, ...shown }: Shown): Omit<Shown, 'serial'> {
  return shown
}

export const listBatches = route({
  method: 'GET',
  path: '/batches',
  policy: 'read',
  function: 'api',
  says: 'Lists batches, newest first',
  does: 'Batches, newest first: `status`, `limit`, `cursor`',
  takes: {
    query: z.strictObject({ status: z.optional(z.enum(batchStatuses)), limit, cursor: numberCursor }),
  },
  gives: async () => (await import('../answers.ts')).batchList,
  async answer({ database }, { cursor, ...filter }) {
    const { listBatches } = await import('../../batch/read.ts')
    const { batches, next: last } = await listBatches(database, { ...filter, before: cursor })
    const { page, next } = pageByKey(batches, last, ({ serial }) => serial)
    return { batches: page.map(batchBody), next }
  },
})

export const getBatch = route({
  method: 'GET',
  path: '/batches/{id}',
  policy: 'read',
  function: 'api',
  says: 'Shows one batch with its graph',
  does:
    "One batch with its graph: each view's state, attempts, phase, why the batch includes it (`includedBecause`), what it `waitsFor` (none: a free slot); time " +
    'elapsed and estimated',
  takes: { path: batchPath, query: z.strictObject({ cursor: nameCursor }) },
  gives: async () => (await import('../answers.ts')).batchDetails,
  async answer({ database }, { id, cursor }) {
    const { getBatch } = await import('../../batch/read.ts')
    const { views, ...batch } = await getBatch(database, id)
    const { page, next } = pageInOrder(views, cursor, mostBytes / 2)
    return { ...fitting(batchBody(batch), mostBytes / 2), views: page, next }
  },
})

export const cancelBatch = route({
  method: 'POST',
  path: '/batches/{id}/cancel',
  policy: 'operate',
  function: 'api',
  says: 'Cancels a batch with its runs',
  takes: { path: batchPath },
  waits: 'for the cancel',
  gives: async () => (await import('../answers.ts')).startedBatch,
  location: ({ status, batchId }) => (status === 'running' ? `/batches/${batchId}` : null),
  async answer({ database, onEnd }, { id }, caller) {
    const { cancelBatch } = await import('../../batch/end.ts')
    const batch = await cancelBatch(id, { ...caller, database })
    if (batch.status !== 'running') onEnd?.()
    return batch
  },
})

export const getPlan = route({
  method: 'GET',
  path: '/plan',
  policy: 'read',
  function: 'api',
  says: 'Says what runs in the coming 24 hours',
  does: 'What runs in the coming 24 hours: each schedule with its turns, views and usual duration; and what a target lag refreshes',
  takes: { query: z.strictObject({}) },
  gives: async () => (await import('../answers.ts')).plan,
  async answer({ database, schedules }) {
    const { getPlan } = await import('../../watch/plan.ts')
    const { lags, ...plan } = await getPlan(database, schedules)
    return { ...plan, lags: lags.map(({ view, lagMs, of }) => ({ view, lagMs, for: of })) }
  },
})
