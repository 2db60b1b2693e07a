import { expect, test } from 'vitest'
import { cancelBatch } from '../../../src/batch/end.ts'
import { cancel } from '../../../src/run/cancel.ts'
import { deep } from '../../support/deep.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { accountOf, advanceToEnd, advanceToGate, begin, makeGraph } from '../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'

const { database, sql } = useDatabase()
const canceled = { status: 'canceled', error: { class: 'Canceled' } }

/** Starts a batch of a gated view and of a view that reads it. */
async function gatedBatch(name: string): Promise<string> {
  await makeGatedView(sql, name)
  await sql.unsafe(`create materialized view after_${name} as select id from ${name}`)
  return begin(database, { views: [name, `after_${name}`], retries: 3 })
}

test('canceling a batch cancels its running runs on the server, and the views that have not begun', async () => {
  const batchId = await gatedBatch('going')
  await withGateClosed(sql, 'going', async () => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'going')
    expect(await cancelBatch(batchId, callOn(database))).toMatchObject(canceled)
    expect(await ended).toMatchObject(canceled)
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual({ going: ['canceled'], after_going: ['canceled'] })
  expect(await cancelBatch(batchId, callOn(database))).toMatchObject(canceled)
})

test('canceling a batch ends it, even if nobody advances it', async () => {
  const batchId = await gatedBatch('alone')
  await withGateClosed(sql, 'alone', async () => {
    await advanceToGate(database, sql, batchId, 'alone')
    expect(await cancelBatch(batchId, callOn(database))).toMatchObject(canceled)
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual({ alone: ['canceled'], after_alone: ['canceled'] })
})

test('canceling a batch before anything has begun leaves a canceled run for each view', async () => {
  await makeGraph(sql, 'early', { a: [], b: ['a'] })
  const batchId = await begin(database, { pattern: 'early.*' })
  expect(await cancelBatch(batchId, callOn(database))).toMatchObject(canceled)
  expect((await accountOf(sql, batchId)).statuses).toEqual({ a: ['canceled'], b: ['canceled'] })
  expect(await advanceToEnd(database, batchId)).toMatchObject(canceled)
})

test('canceling a batch many times at once, while two calls advance it, cancels it once', deep, async () => {
  const batchId = await gatedBatch('hammered')
  await withGateClosed(sql, 'hammered', async () => {
    const ended = [advanceToEnd(database, batchId), advanceToEnd(database, batchId)]
    await untilAtGate(sql, 'hammered')
    const answers = await Promise.all(Array.from({ length: 5 }, () => cancelBatch(batchId, callOn(database))))
    for (const answer of [...answers, ...(await Promise.all(ended))]) expect(answer).toMatchObject(canceled)
  })
})

test('canceling a batch that has ended is refused, and a batch that never existed is unknown', async () => {
  await makeGraph(sql, 'ended', { a: [] })
  const batchId = await begin(database, { pattern: 'ended.*' })
  await advanceToEnd(database, batchId)
  await expect(cancelBatch(batchId, callOn(database))).rejects.toMatchObject({
    code: 'BatchEnded',
    details: { batchId },
  })
  await expect(cancelBatch('nowhere', callOn(database))).rejects.toMatchObject({ code: 'UnknownBatch' })
})

test('canceling one run of a batch fails the batch, and the views that read its view are skipped', async () => {
  const batchId = await gatedBatch('single')
  await withGateClosed(sql, 'single', async () => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'single')
    const [run] = await sql`select id from viewkeeper.runs where batch_id = ${batchId} and status = 'running'`
    await cancel(run?.id, callOn(database))
    expect(await ended).toMatchObject({
      status: 'failed',
      error: { class: 'ViewsFailed', views: ['public.single'] },
    })
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual({
    single: ['canceled'],
    after_single: ['skipped'],
  })
})
