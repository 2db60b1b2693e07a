import { describe, expect, test } from 'vitest'
import { getBatch, listBatches } from '../../../src/batch/read-batches.ts'
import { type BatchRequest, startBatch } from '../../../src/batch/start.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { batchLostAfterSeconds, requestBatchCancel } from '../../../src/record/batches/batches.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { pauseAll, pauseView } from '../../../src/watch/pause.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { cancelOpenBatches } from '../../support/record/open-batches.ts'
import { define, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { accountOf, advanceToEnd, begin, makeFailing, makeGraph } from '../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()
const start = (request: BatchRequest, call = {}) => startBatch(request, callOn(database, call))

const viewsOf = async (batchId: string) =>
  (await getBatch(database, batchId)).views.map(({ view }) => view).toSorted()

/** After how many seconds the views of a batch are tried again. */
const delaysOf = async (batchId: string) => {
  const rows = await sql<{ seconds: number }[]>`
    select distinct retry_delay_seconds as seconds from viewkeeper.batch_views where batch_id = ${batchId}`
  return rows.map(({ seconds }) => seconds)
}

describe('a selection', () => {
  test('of all takes the views that the catalog has at that moment, except those with `in_all` false', async () => {
    await makeGraph(sql, 'everything', { a: [], b: ['a'], out: [] })
    await define(sql, 'everything.out', { in_all: false })
    const first = await viewsOf(await begin(database, {}))
    expect(first).toEqual(expect.arrayContaining(['everything.a', 'everything.b']))
    expect(first).not.toContain('everything.out')
    await cancelOpenBatches(database)
    await sql`create materialized view everything.late as select 1 as id`
    expect(await viewsOf(await begin(database, { all: true }))).toContain('everything.late')
  })

  test('of what a batch did not refresh is as that batch was, without its successes and without what is gone', async () => {
    await makeGraph(sql, 'again', { fine: [], broken: [], reader: ['broken'], gone: [] })
    await sql`drop materialized view again.reader`
    await sql.unsafe(`
      create table again.divisor as select 0 as by;
      drop materialized view again.broken, again.gone;
      create materialized view again.broken as select 1 / by as id from again.divisor with no data;
      create materialized view again.gone as select 1 / by as id from again.divisor with no data;
      create materialized view again.reader as select id from again.broken with no data`)
    const request = {
      pattern: 'again.*',
      retries: 0,
      concurrency: 7,
      strategy: 'regular',
      exchange: 'each',
    } as const
    const batchId = await begin(database, request)
    expect(await start({ retryOf: batchId }).catch((problem) => problem)).toMatchObject({
      code: 'BatchAlreadyOpen',
      details: { field: 'retryOf', openBatchId: batchId },
    })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'failed' })
    await sql`drop materialized view again.gone`
    await sql`update again.divisor set by = 1`
    const retried = await begin(database, { retryOf: batchId })
    expect(await viewsOf(retried)).toEqual(['again.broken', 'again.reader'])
    // A retry by hand does not wait five minutes for the next attempt.
    expect(await delaysOf(batchId)).toEqual([300])
    expect(await delaysOf(retried)).toEqual([0])
    expect(await getBatch(database, retried)).toMatchObject({
      request: { retryOf: batchId },
      concurrency: 7,
      strategy: 'regular',
      exchange: 'each',
    })
    // The same views are one batch at a time, however they were asked for.
    const refused = await start({ failed: true, strategy: 'swap' })
    expect(refused).toMatchObject({ status: 'skipped', error: { openBatchId: retried } })
    expect(await start({ retryOf: refused.batchId }).catch(({ message }) => message)).toMatch(
      `${refused.batchId} was skipped, and refreshed nothing. Batch ${retried}`,
    )
    expect(await advanceToEnd(database, retried)).toMatchObject({ status: 'success' })
    for (const nothing of [{ failed: true }, { retryOf: retried }] as const)
      expect(await start(nothing).catch((problem) => problem)).toMatchObject({
        code: 'InvalidRequest',
        message: expect.stringContaining('nothing to retry'),
      })
  })

  test('of what failed leaves out a view that was refreshed since, and one whose pause was the reason', async () => {
    await makeGraph(sql, 'lately', { mended: [], paused: [] })
    await sql`create materialized view lately.broken as select 1 / (select count(*) from pg_class where relname = 'fix') as id with no data`
    await pauseView(database, 'lately.paused', true, 'test')
    const all = ['lately.broken', 'lately.paused', 'lately.mended']
    await advanceToEnd(database, await begin(database, { views: all, retries: 0 }))
    const failing = await begin(database, { failed: true })
    expect(await viewsOf(failing)).toEqual(['lately.broken'])
    expect(await delaysOf(failing)).toEqual([0])
    await sql`create table lately.fix ()`
    await advanceToEnd(database, failing)
    expect(await start({ failed: true }).catch(({ details }) => details.field)).toBe('failed')
  })

  test.each([
    ['a batch that nobody knows', { retryOf: 'nowhere' }, 'UnknownBatch', 'retryOf', 'nowhere'],
    ['a batch and views at once', { views: ['a'], retryOf: 'b' }, 'InvalidRequest', 'retryOf', 'views'],
    ['an unknown name', { views: ['nobody', 'no.such'] }, 'UnknownView', 'views', 'no.such, nobody'],
    [
      'an unknown name among others',
      { views: ['selections', 'nobody', 'public.x'] },
      'UnknownView',
      'views',
      'nobody, public.x, selections',
    ],
    ['an unknown id', { views: ['999999'] }, 'UnknownView', 'views', '999999'],
    ['an invalid name', { views: ['a b'] }, 'InvalidName', 'views', 'a b'],
    ['a pattern that matches nothing', { pattern: 'nothing.*' }, 'InvalidRequest', 'pattern', 'nothing.*'],
    ['two things at once', { all: true, pattern: '*' }, 'InvalidRequest', 'pattern', 'all'],
    ['`all: false` and nothing else', { all: false }, 'InvalidRequest', 'all', 'false'],
    ['`failed: false` and nothing else', { failed: false }, 'InvalidRequest', 'failed', 'false'],
  ])(
    'of %s is refused, naming the field, and leaves nothing behind',
    async (_, request, code, field, word) => {
      const before = await sql`select from viewkeeper.batches`
      const refused = await start(request as BatchRequest).catch((problem) => problem)
      expect(refused).toMatchObject({ code, details: { field }, message: expect.stringContaining(word) })
      expect(await sql`select from viewkeeper.batches`).toHaveLength(before.length)
    },
  )
})

describe('the same selection', () => {
  test('has one open batch at a time, however the selection is written: who asks again gets that batch', async () => {
    await makeGraph(sql, 'twice', { a: [], b: [] })
    const open = await begin(database, { views: ['twice.b', 'twice.a'] })
    const second = await start({
      views: ['TWICE.A', 'twice.b', 'twice.a'],
      concurrency: 7,
      descendants: false,
    })
    expect(second).toEqual({ batchId: open, status: 'pending', error: null })
    expect(await start({ views: ['twice.a'] })).toMatchObject({ status: 'pending' })
    await advanceToEnd(database, open)
    expect(await start({ views: ['twice.a', 'twice.b'] })).toMatchObject({ status: 'pending' })
  })

  test('requested twenty times at once has one batch', async () => {
    await makeGraph(sql, 'many', { a: [] })
    const started = await Promise.all(Array.from({ length: 20 }, () => start({ pattern: 'many.*' })))
    expect(new Set(started.map(({ batchId }) => batchId)).size).toBe(1)
  })

  test('with another strategy or other checks is refused, and so is a schedule, by the name of the open batch', async () => {
    await makeGraph(sql, 'differs', { a: [] })
    const views = ['differs.a']
    const open = await begin(database, { views, strategy: 'regular' })
    const call = callOn(database, { trigger: 'schedule' })
    for (const other of [
      await start({ views, strategy: 'swap' }),
      await start({ views, withoutChecks: true }),
      await startBatch({ views }, call),
    ]) {
      expect(other).toMatchObject({
        status: 'skipped',
        error: { class: 'BatchAlreadyOpen', openBatchId: open },
      })
      expect(other.error?.message).toContain(`viewkeeper cancel ${open}`)
      expect(await advanceToEnd(database, other.batchId)).toMatchObject({ status: 'skipped' })
    }
    for (const same of [{ views }, { views, strategy: 'regular' as const }])
      expect(await start(same)).toMatchObject({ batchId: open, status: 'pending' })
  })
})

describe('a key', () => {
  test('with the same request gives the same batch, also at once, and is refused with another request', async () => {
    await makeGraph(sql, 'keyed', { a: [], b: [] })
    const request = { pattern: 'keyed.*' }
    const call = { idempotencyKey: 'nightly 2026-11-20', trigger: 'schedule' as const, caller: 'nightly' }
    const started = await Promise.all(Array.from({ length: 10 }, () => start(request, call)))
    expect(new Set(started.map(({ batchId }) => batchId)).size).toBe(1)
    const { batchId } = started[0]!
    await advanceToEnd(database, batchId)
    expect(await start(request, call)).toEqual({ batchId, status: 'success', error: null })
    const reused = await start({ pattern: 'keyed.a' }, call).catch((problem) => problem)
    expect(reused).toMatchObject({ code: 'IdempotencyKeyReused', details: { batchId } })
    expect(await start(request, { ...call, caller: 'somebody else' })).toMatchObject({ status: 'pending' })
  })

  test('also gives a batch that was skipped, and the one that was joined', async () => {
    await makeGraph(sql, 'kept', { a: [] })
    const open = await begin(database, { pattern: 'kept.*' })
    const skipped = await start({ pattern: 'kept.*', strategy: 'swap' }, { idempotencyKey: 'kept' })
    expect(skipped.status).toBe('skipped')
    const joined = await start({ pattern: 'kept.*' }, { idempotencyKey: 'joined' })
    await advanceToEnd(database, open)
    expect(await start({ pattern: 'kept.*', strategy: 'swap' }, { idempotencyKey: 'kept' })).toEqual(skipped)
    expect(await start({ pattern: 'kept.*' }, { idempotencyKey: 'joined' })).toMatchObject({
      batchId: joined.batchId,
      status: 'success',
    })
  })
})

/** Makes the batch look as if nobody had advanced it for long enough to be lost. */
async function forget(id: string): Promise<void> {
  const advancedAt = sql`clock_timestamp() - make_interval(secs => ${batchLostAfterSeconds + 1})`
  await updateRows(sql, 'batches', { id }, { advancedAt })
}

describe('a batch that nobody advances', () => {
  test('is closed with its open runs when the same selection is requested, and never blocks the next batch', async () => {
    await makeGraph(sql, 'lost', { a: [], b: ['a'] })
    await makeFailing(sql)
    await sql`create materialized view lost.bad as select not_yet() with no data`
    await define(sql, 'lost.bad', { retries: 1, retry_delay_seconds: 3600 })
    const request = { pattern: 'lost.*' }
    const batchId = await begin(database, request)
    const ended = advanceToEnd(database, batchId)
    await until(
      'a retry is waiting',
      async () => (await accountOf(sql, batchId)).statuses.bad?.[1] === 'pending',
    )
    expect(await start(request)).toMatchObject({ batchId, status: 'running' }) // it is being advanced
    const next = await until('the next one is let in', async () => {
      await forget(batchId) // again: the call that advances the batch records itself
      const started = await start(request)
      return started.status === 'pending' && started
    })
    // The call that advanced the first batch finds it closed.
    expect(await ended).toMatchObject({ status: 'failed', error: { class: 'BatchLost' } })
    expect((await accountOf(sql, batchId)).statuses.bad).toEqual(['failed', 'failed'])
    const [run] = await sql`select error from viewkeeper.runs where batch_id = ${batchId} and attempt = 2`
    expect(run?.error).toMatchObject({ class: 'BatchLost' })
    expect(next.batchId).not.toBe(batchId)
  })

  test('ends as canceled if its cancel was requested', async () => {
    await makeGraph(sql, 'given_up', { a: [] })
    const batchId = await begin(database, { pattern: 'given_up.*' })
    await forget(batchId)
    await requestBatchCancel(sql, batchId, 'test')
    await monitor(database, { schedules: unscheduled, publish: unheard })
    expect(await getBatch(database, batchId)).toMatchObject({
      status: 'canceled',
      error: { class: 'Canceled' },
    })
  })

  test('is left alone while the server works on one of its runs', async () => {
    await makeGatedView(sql, 'working')
    const request = { views: ['working'] }
    const batchId = await begin(database, request)
    await withGateClosed(sql, 'working', async (open) => {
      const ended = advanceToEnd(database, batchId)
      await untilAtGate(sql, 'working')
      await forget(batchId)
      expect(await start(request)).toMatchObject({ batchId, status: 'running' })
      await open()
      expect(await ended).toMatchObject({ status: 'success' })
    })
  })
})

describe('a paused view', () => {
  test('is skipped, with the reason; the views that read it are refreshed from its old data', async () => {
    await makeGraph(sql, 'paused', { a: [], b: ['a'], c: ['b'] })
    await sql`create unique index on paused.a (id)` // else b would be rebuilt along to spare the readers of a
    await advanceToEnd(database, await begin(database, { pattern: 'paused.*' }))
    await pauseView(database, 'paused.b', true, 'test')
    const batchId = await begin(database, { pattern: 'paused.*' })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    expect((await accountOf(sql, batchId)).statuses).toEqual({
      a: ['success'],
      b: ['skipped'],
      c: ['success'],
    })
    const { views } = await getBatch(database, batchId)
    expect(views.find(({ view }) => view === 'paused.b')?.runs).toMatchObject([
      { message: expect.stringMatching(/^the view is paused; --force .* resume ends the pause$/) },
    ])
    await pauseView(database, 'paused.b', false, 'test')
    const resumed = await begin(database, { pattern: 'paused.*' })
    await advanceToEnd(database, resumed)
    expect((await accountOf(sql, resumed)).statuses.b).toEqual(['success'])
  })

  test('makes the batch skipped if it is the only view', async () => {
    await makeGraph(sql, 'still', { a: [] })
    await pauseView(database, 'still.a', true, 'test')
    const batchId = await begin(database, { pattern: 'still.*' })
    expect(await advanceToEnd(database, batchId)).toMatchObject({
      status: 'skipped',
      error: { class: 'Paused', message: expect.stringMatching(/"force": true .*\/resume/) },
    })
  })
})

describe('a pause of everything', () => {
  test('keeps scheduled batches from starting, but not what people request', async () => {
    await makeGraph(sql, 'silence', { a: [] })
    await pauseAll(database, true, 'test')
    await pauseAll(database, true, 'test')
    for (const trigger of ['schedule', 'deploy'] as const) {
      expect(await start({ pattern: 'silence.*' }, { trigger })).toMatchObject({
        status: 'skipped',
        error: {
          class: 'Paused',
          message: expect.stringContaining('everything scheduled is paused until somebody resumes it'),
        },
      })
    }
    expect(await advanceToEnd(database, await begin(database, { pattern: 'silence.*' }))).toMatchObject({
      status: 'success',
    })
    await pauseAll(database, false, 'test')
    expect(await start({ pattern: 'silence.*' }, { trigger: 'schedule' })).toMatchObject({
      status: 'pending',
    })
  })

  test('is in force at once: a scheduled batch skips the views that it has not begun', async () => {
    await makeGatedView(sql, 'begun')
    await sql`create materialized view not_begun as select id from begun`
    const request = { views: ['begun', 'not_begun'], exchange: 'each' as const }
    const { batchId } = await start(request, { trigger: 'schedule' })
    await withGateClosed(sql, 'begun', async (open) => {
      const ended = advanceToEnd(database, batchId)
      await untilAtGate(sql, 'begun')
      await pauseAll(database, true, 'test')
      await open()
      expect(await ended).toMatchObject({ status: 'success' })
    })
    await pauseAll(database, false, 'test')
    expect((await accountOf(sql, batchId)).statuses).toEqual({ begun: ['success'], not_begun: ['skipped'] })
  })
})

describe('batches', () => {
  test('are listed page by page, newest first', async () => {
    await makeGraph(sql, 'listed', { a: [], b: [], c: [] })
    const ids: string[] = []
    for (const name of ['a', 'b', 'c']) ids.unshift(await begin(database, { pattern: `listed.${name}` }))
    const first = await listBatches(database, { limit: 2 })
    expect(first.batches.map(({ id }) => id)).toEqual(ids.slice(0, 2))
    const second = await listBatches(database, {
      limit: 2,
      before: first.next ?? undefined,
      status: 'pending',
    })
    expect(second.batches[0]?.id).toBe(ids[2])
    await expect(getBatch(database, 'nowhere')).rejects.toMatchObject({ code: 'UnknownBatch' })
  })

  test('have ids that are valid names of an execution', async () => {
    expect((await listBatches(database, { limit: 1 })).batches[0]?.id).toMatch(/^[0-9A-Za-z_-]{1,80}$/)
  })
})
