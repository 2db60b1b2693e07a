import { expect, test } from 'vitest'
import { handler as monitor } from '../../../functions/monitor.ts'
import { refresh } from '../../../src/operations/runs/refresh.ts'
import { callOn, useDatabase } from '../../support/database.ts'
import { lambdaContext } from '../../support/lambda.ts'
import { usePublished } from './past.ts'

const { url, database, sql } = useDatabase()
const { lines, published } = usePublished(url)
const context = lambdaContext()

test("the monitor's first look publishes no failure of the time before, and each later look does", async () => {
  await sql`create materialized view broken as select 1 / (count(*) - count(*)) as x from pg_class with no data`
  await refresh({ view: 'broken' }, callOn(database))
  await sql`
    insert into viewkeeper.batches (trigger, selection, status, finished_at, error)
    values ('http', '{"all":true}', 'failed', now(), '{"class":"BatchLost","message":"gone"}')`
  expect(await monitor({}, context)).toMatchObject({ publishedRuns: 0, publishedBatches: 0 })
  expect([published('RunsFailed'), published('BatchesLost')]).toEqual([[0], [0]])
  expect(await sql`select from viewkeeper.runs where published_at is null`).toHaveLength(0)

  lines.length = 0
  await refresh({ view: 'broken' }, callOn(database))
  expect(await monitor({}, context)).toMatchObject({ publishedRuns: 1 })
  expect(published('RunsFailed')).toEqual([1])
})
