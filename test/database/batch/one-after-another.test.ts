import { beforeAll, expect, test } from 'vitest'
import { cancelBatch } from '../../../src/batch/end.ts'
import { deep } from '../../support/deep.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceThroughErrors, advanceToEnd, begin, retryAtOnce } from '../../support/views/batches.ts'
import { until } from '../../support/waiting/until.ts'

// Tiny views, whose runs follow one another over the same connections without a look at the batch.

const { database, sql } = useDatabase()
const count = 60

beforeAll(() => retryAtOnce(sql))

async function makeTinyViews(schema: string): Promise<string> {
  await sql.unsafe(`create schema ${schema}`)
  for (let at = 0; at < count; at++)
    await sql.unsafe(`create materialized view ${schema}.v${at} as select ${at} as id with no data`)
  return begin(database, { pattern: `${schema}.*`, concurrency: 2, retries: 3, exchange: 'each' })
}

const runsOf = (batchId: string) => sql<{ status: string; startedAt: Date | null; pid: number | null }[]>`
  select status, started_at as "startedAt", backend_pid as pid from viewkeeper.runs where batch_id = ${batchId}`

const untilSomeAreFresh = (batchId: string) =>
  until(
    'some views are fresh',
    async () => (await runsOf(batchId)).filter(({ status }) => status === 'success').length > 5,
  )

test('each tiny view has a run of its own; a few sessions have them all', async () => {
  const batchId = await makeTinyViews('tiny')
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
  const runs = await runsOf(batchId)
  expect(runs.map(({ status }) => status)).toEqual(Array.from({ length: count }, () => 'success'))
  expect(new Set(runs.map(({ pid }) => pid)).size).toBeLessThanOrEqual(4)
})

test('after a cancel no run of the batch begins', async () => {
  const batchId = await makeTinyViews('stopped')
  // The batch cannot end before the cancel: a view in the middle stands before its gate, and so does one near the end.
  await sql.unsafe(`
    create or replace view stopped.gate as select pg_advisory_xact_lock_shared(61)::text as passed;
    ${['v30', 'v55'].map((view) => `drop materialized view stopped.${view}; create materialized view stopped.${view} as select passed from stopped.gate with no data`).join(';')}`)
  const keeper = await sql.reserve()
  await keeper`select pg_advisory_lock(61)`
  const ended = advanceToEnd(database, batchId)
  await untilSomeAreFresh(batchId)
  expect(await cancelBatch(batchId, callOn(database))).toMatchObject({ status: 'canceled' })
  expect(await ended).toMatchObject({ status: 'canceled' })
  await keeper`select pg_advisory_unlock(61)`
  keeper.release()
  const runs = await runsOf(batchId)
  expect(runs).toHaveLength(count)
  // Those that had begun were canceled on the server: at most as many as have a place.
  const canceled = runs.filter(({ status }) => status === 'canceled')
  expect(canceled.filter(({ startedAt }) => startedAt !== null).length).toBeLessThanOrEqual(2)
  expect(canceled.length).toBeGreaterThan(2)
})

test('sessions that are terminated between two views lose none', deep, async () => {
  const batchId = await makeTinyViews('cut')
  // A session that is ended while it is opened ahead fails its call.
  const ended = advanceThroughErrors(database, batchId)
  await untilSomeAreFresh(batchId)
  await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name ~ '^viewkeeper (run|waiting)'`
  expect(await ended).toMatchObject({ status: 'success' })
  const fresh = (await runsOf(batchId)).filter(({ status }) => status === 'success')
  expect(fresh).toHaveLength(count)
})

test('one that is locked, in the middle, holds up only itself', async () => {
  const batchId = await makeTinyViews('held')
  let ended: Promise<unknown> | undefined
  await sql.begin(async (holder) => {
    await holder`refresh materialized view held.v30`
    ended = advanceToEnd(database, batchId)
    await until(
      'all others are fresh',
      async () => (await runsOf(batchId)).filter(({ status }) => status === 'success').length === count - 1,
    )
  })
  expect(await ended).toMatchObject({ status: 'success' })
})
