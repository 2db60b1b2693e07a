import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { handler as api } from '../../../functions/api.ts'
import { handler as batch } from '../../../functions/batch.ts'
import { handler as refresh } from '../../../functions/refresh.ts'
import type { OpenedBatch } from '../../../src/api/lambda/open-batch.ts'
import type { Advanced } from '../../../src/batch/advance.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/aws/lambda.ts'
import { muteConsole } from '../../support/console.ts'
import { deep } from '../../support/deep.ts'
import { age } from '../../support/record/past.ts'
import { updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'

const { url, sql } = useDatabase()
const context = lambdaContext({ getRemainingTimeInMillis: () => 90_000 })

beforeAll(async () => {
  process.env.DATABASE_URL = url
  await sql`create table base as select generate_series(1, 3) as id`
  await sql`create materialized view first_view as select * from base`
  await sql`create materialized view second_view as select max(id) as id from first_view`
  await sql`create materialized view other_view as select min(id) as id from base`
})
afterAll(() => {
  delete process.env.DATABASE_URL
})
beforeEach(() => {
  muteConsole()
  return () => vi.restoreAllMocks()
})

const http = (routeKey: string, options: Parameters<typeof httpEvent>[1] = {}) => httpEvent(routeKey, options)
const open = async (event: object, requestId: string = randomUUID()) =>
  (await batch({ event, requestId }, context)) as OpenedBatch
const post = (body: object, key?: string) =>
  open(http('POST /batches', { body, headers: key === undefined ? {} : { 'idempotency-key': key } }))
const advanceFunction = async (batchId: string | null) => (await batch({ batchId }, context)) as Advanced
const get = async (routeKey: string, options: Parameters<typeof httpEvent>[1] = {}) =>
  parsed((await api(http(routeKey, options), context)) as never)
const control = async (routeKey: string, options: Parameters<typeof httpEvent>[1] = {}) =>
  parsed((await api(http(routeKey, options), context)) as never)
const refreshed = async (view: string, body: object = {}) =>
  parsed(
    (await refresh(
      http('POST /views/{view}/refresh', { path: { view }, headers: { prefer: 'wait=20' }, body }),
      context,
    )) as never,
  )
const scheduled = (fields: object = {}) => ({
  trigger: 'schedule',
  schedule: 'nightly',
  scheduledTime: '2026-11-20T09:00:00Z',
  all: true,
  ...fields,
})

describe('POST /batches', () => {
  test('answers 202 with a Location; the batch is advanced, ends, and shows its graph', async () => {
    const { answer, batchId } = await post({ views: ['second_view', 'first_view'] })
    expect(parsed(answer as never)).toMatchObject({
      statusCode: 202,
      headers: { location: `/batches/${batchId}` },
      body: { batchId, status: 'pending' },
    })
    expect(await advanceFunction(batchId)).toEqual({ batchId, done: true, status: 'success', error: null })
    const shown = await get('GET /batches/{id}', { path: { id: batchId as string } })
    expect(shown.body).toMatchObject({
      id: batchId,
      status: 'success',
      trigger: 'http',
      selection: { views: ['public.first_view', 'public.second_view'] },
      views: [
        {
          view: 'public.first_view',
          status: 'success',
          dependsOn: [],
          runs: [{ attempt: 1, status: 'success' }],
        },
        { view: 'public.second_view', status: 'success', dependsOn: ['public.first_view'] },
      ],
    })
    expect(shown.body).not.toHaveProperty('serial')
    const { runId } = shown.body.views[0].runs[0]
    expect((await get('GET /runs/{id}', { path: { id: String(runId) } })).body).toMatchObject({
      batchId,
      trigger: 'batch',
    })
    expect((await get('GET /batches', { query: { limit: '1' } })).body).toMatchObject({
      batches: [{ id: batchId }],
    })
  })

  test('answers 409 if the views have an open batch that does something else, and names that batch; it can be canceled', async () => {
    const { batchId } = await post({ views: ['other_view'] })
    const second = parsed((await post({ views: ['other_view'], strategy: 'concurrent' })).answer as never)
    expect(second).toMatchObject({
      statusCode: 409,
      body: { code: 'BatchAlreadyOpen', openBatchId: batchId },
    })
    const id = batchId as string
    const canceled = await api(http('POST /batches/{id}/cancel', { path: { id } }), context)
    expect(parsed(canceled as never)).toMatchObject({
      statusCode: 200,
      body: { batchId, status: 'canceled' },
    })
    expect(await advanceFunction(id)).toMatchObject({ done: true, status: 'canceled' })
  })
})

describe('a schedule', () => {
  test(
    'that is delivered twice gives one batch; if its time is a placeholder, the request id counts',
    deep,
    async () => {
      const { batchId } = await open(scheduled())
      expect(await open(scheduled(), 'request-2')).toEqual({ answer: null, batchId })
      await advanceFunction(batchId)
      expect(await open(scheduled(), 'request-3')).toEqual({ answer: null, batchId: null })
      const placeholder = scheduled({ scheduledTime: '<aws.scheduler.scheduled-time>' })
      const one = await open(placeholder, 'request-4')
      expect(await open(placeholder, 'request-4')).toEqual(one)
      await advanceFunction(one.batchId)
      const other = await open(placeholder, 'request-5')
      expect(other.batchId).not.toBe(one.batchId)
      await advanceFunction(other.batchId)
    },
  )

  test('refreshes the views that have it at that moment in one batch, parents first', deep, async () => {
    const times = { schedule: '0 6 * * *', timeZone: 'Europe/Berlin' }
    const fields = { all: undefined, schedule: 'at-six', scheduled: times }
    const viewsOf = async (id: string | null) =>
      (await get('GET /batches/{id}', { path: { id: id as string } })).body
    const none = await open(scheduled({ ...fields, scheduledTime: '2026-11-23T05:00:00Z' }))
    expect((await viewsOf(none.batchId)).views).toEqual([])
    await advanceFunction(none.batchId)
    await updateRows(sql, 'definitions', { name: ['first_view', 'second_view'] }, times)
    await updateRows(sql, 'definitions', { name: 'other_view' }, { ...times, timeZone: 'Etc/UTC' })
    const { batchId } = await open(scheduled({ ...fields, scheduledTime: '2026-11-24T05:00:00Z' }))
    const { views, selection, requestedBy } = await viewsOf(batchId)
    expect(views.map(({ view }: { view: string }) => view)).toEqual([
      'public.first_view',
      'public.second_view',
    ])
    expect(views[1].dependsOn).toEqual(['public.first_view'])
    expect({ selection, requestedBy }).toEqual({ selection: { scheduled: times }, requestedBy: 'at-six' })
    expect(await advanceFunction(batchId)).toMatchObject({ status: 'success' })
    await updateRows(sql, 'definitions', {}, { schedule: null, timeZone: null })
  })

  test('a deploy starts one batch for each version', async () => {
    const event = { trigger: 'deploy', key: 'version-1', all: true }
    const { batchId } = await open(event)
    expect((await open(event)).batchId).toBe(batchId)
    expect(await advanceFunction(batchId)).toMatchObject({ status: 'success' })
    const shown = await get('GET /batches/{id}', { path: { id: batchId as string } })
    expect(shown.body).toMatchObject({ trigger: 'deploy', requestedBy: 'deploy' })
  })
})

describe('a paused view', () => {
  test('is skipped, with the reason, until it is resumed or the request has `force`', async () => {
    expect((await control('POST /views/{view}/pause', { path: { view: 'other_view' } })).body).toEqual({
      view: 'public.other_view',
      paused: true,
    })
    expect((await refreshed('other_view')).body).toMatchObject({
      status: 'skipped',
      response: { because: expect.stringMatching(/^the view is paused; --force .* resume ends/) },
    })
    expect((await refreshed('other_view', { force: true })).body).toMatchObject({ status: 'updated' })
    await control('POST /views/{view}/resume', { path: { view: 'other_view' } })
    expect((await refreshed('other_view')).body).toMatchObject({ status: 'updated' })
  })
})

describe('a minimum interval', () => {
  test('answers with the last run, until the interval is over or the request has `force`', deep, async () => {
    await updateRows(sql, 'definitions', { name: 'first_view' }, { minIntervalSeconds: 3600 })
    const first = (await refreshed('first_view', { force: true })).body
    const second = (await refreshed('first_view')).body
    expect(second).toEqual({ ...first, coalesced: true })
    expect((await refreshed('first_view', { force: true })).body.runId).toBeGreaterThan(first.runId)
    await age(sql, '2 hours', 'first_view')
    const third = (await refreshed('first_view')).body
    expect(third.runId).toBeGreaterThan(first.runId + 1)
    expect(third).not.toHaveProperty('coalesced')
    await updateRows(sql, 'definitions', { name: 'first_view' }, { minIntervalSeconds: 0 })
  })
})
