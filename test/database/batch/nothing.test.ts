import { describe, expect, test } from 'vitest'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { startBatch } from '../../../src/batch/start.ts'
import { define, deleteRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'

const { database, sql } = useDatabase()

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
  await define(sql, 'public.dropped', { in_all: true })
  await define(sql, 'public.paused_one', { paused_at: new Date() })
  await define(sql, 'public.not_in_all', { in_all: false })
  const end = await advanceToEnd(database, await begin(database, { all: true }))
  expect(end).toMatchObject({
    status: 'failed',
    error: {
      class: 'ViewsFailed',
      views: ['public.dropped'],
      message: expect.stringContaining('migrate up --repair'),
    },
  })
  await deleteRows(sql, 'definitions', { name: 'dropped' })
  expect(await advanceToEnd(database, await begin(database, { all: true }))).toMatchObject({
    status: 'success',
  })
})
