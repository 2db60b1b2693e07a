import { describe, expect, test } from 'vitest'
import { getBatch } from '../../../src/batch/read.ts'
import { unscheduled } from '../../../src/batch/schedules.ts'
import { startBatch } from '../../../src/batch/start.ts'
import { openBatch } from '../../../src/edge/handlers/open-batch.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { functionsOn } from '../../support/api/served.ts'
import { httpEvent, lambdaContext, parsed, quietFunctionsOn } from '../../support/aws/lambda.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin, define } from '../../support/views/batches.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()
const context = lambdaContext()

quietFunctionsOn(url)

const ended = (batchId: string) =>
  until('the batch has ended', async () => {
    const batch = await getBatch(database, batchId)
    return batch.finishedAt !== null && batch
  })

describe('in a database without views', () => {
  test.each([
    ['of all views', { all: true }],
    ['without a selection', {}],
    ['of a pattern', { pattern: 'sales.*', descendants: true }],
  ])('a batch %s succeeds, with nothing in it', async (_, request) => {
    const batchId = await begin(database, request)
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success', error: null })
    expect(await getBatch(database, batchId)).toMatchObject({ views: [], status: 'success' })
  })

  test('POST /batches answers 202, and the batch is advanced to its end', async () => {
    const startFunction = await functionsOn(database)('start-batch')
    const answer = parsed((await startFunction(httpEvent('POST /batches'), context)) as never)
    expect(answer).toMatchObject({ statusCode: 202, body: { status: 'pending' } })
    expect(await ended(answer.body.batchId)).toMatchObject({ status: 'success', trigger: 'http' })
  })

  test('the events of a schedule and of a deploy start a batch that succeeds', async () => {
    const scheduledTime = '2026-11-20T09:00:00Z'
    const events = [
      { trigger: 'schedule', schedule: 'nightly', scheduledTime, all: true },
      { trigger: 'deploy', key: 'version-1', all: true },
    ]
    for (const event of events) {
      const { batchId } = await openBatch({ event, requestId: 'here' }, { database })
      expect(await advanceToEnd(database, batchId as string)).toMatchObject({ status: 'success' })
      expect(await ended(batchId as string)).toMatchObject({ status: 'success', trigger: event.trigger })
    }
  })

  test('the monitor publishes such a batch as a success', async () => {
    const batches: { status: string }[] = []
    const publish = { ...unheard, batches: (ended: { status: string }[]) => void batches.push(...ended) }
    await advanceToEnd(database, await begin(database, {}))
    await monitor(database, { schedules: unscheduled, publish })
    expect(new Set(batches.map(({ status }) => status))).toEqual(new Set(['success']))
  })
})

test('a batch of all succeeds if every definition says `inAll: false`; a pattern that fits no view is refused', async () => {
  await sql`create schema apart`
  await sql`create materialized view apart.only as select 1 as id`
  await define(sql, 'apart.only', { in_all: false })
  expect(await advanceToEnd(database, await begin(database, { all: true }))).toMatchObject({
    status: 'success',
  })
  await expect(startBatch({ pattern: 'apard.*' }, callOn(database))).rejects.toMatchObject({
    code: 'InvalidRequest',
    details: { field: 'pattern' },
  })
})

test('of all views fails if an authored view is missing, but for one that is paused, left out of all, or set aside', async () => {
  const there = { source: 'authored', schema_name: 'public' }
  await sql`insert into viewkeeper.definitions ${sql([
    { ...there, name: 'dropped', paused_at: null, in_all: true },
    { ...there, name: 'paused_one', paused_at: new Date(), in_all: true },
    { ...there, name: 'not_in_all', paused_at: null, in_all: false },
  ])}`
  const end = await advanceToEnd(database, await begin(database, { all: true }))
  expect(end).toMatchObject({
    status: 'failed',
    error: {
      class: 'ViewsFailed',
      views: ['public.dropped'],
      message: expect.stringContaining('migrate up --repair'),
    },
  })
  await sql`delete from viewkeeper.definitions where name = 'dropped'`
  expect(await advanceToEnd(database, await begin(database, { all: true }))).toMatchObject({
    status: 'success',
  })
})
