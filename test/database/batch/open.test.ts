import { expect, test } from 'vitest'
import { listOpenBatches } from '../../../src/batch/read-batches.ts'
import { whileWorkedOn } from '../../support/processes/worker.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin, makeGraph } from '../../support/views/batches.ts'

const { database, sql } = useDatabase()

const isAttended = async (batchId: string) =>
  (await listOpenBatches(database)).find(({ id }) => id === batchId)?.attended

test('an open batch is attended while somebody advances it, or the server works on a run of it', async () => {
  await makeGraph(sql, 'attended', { a: [] })
  const batchId = await begin(database, { pattern: 'attended.*' })
  expect(await isAttended(batchId)).toBe(true)
  await sql`
    update viewkeeper.batches set requested_at = clock_timestamp() - interval '1 hour',
           advanced_at = clock_timestamp() - interval '5 seconds' where id = ${batchId}`
  expect(await isAttended(batchId)).toBe(true)
  await sql`
    update viewkeeper.batches set advanced_at = clock_timestamp() - interval '16 seconds' where id = ${batchId}`
  expect(await isAttended(batchId)).toBe(false)

  const [run] = await sql`
    insert into viewkeeper.runs (schema_name, view_name, operation, trigger, status, started_at, batch_id, definition_id,
                                 backend_pid, backend_start)
    select 'attended', 'other', 'refresh', 'batch', 'running', clock_timestamp(), ${batchId}, definition_id, 1, clock_timestamp()
      from viewkeeper.batch_views where batch_id = ${batchId} returning id`
  expect(await isAttended(batchId)).toBe(false)
  await whileWorkedOn(sql, `r.id = ${run?.id}`, async () => expect(await isAttended(batchId)).toBe(true))
  expect(await isAttended(batchId)).toBe(false)
  await sql`delete from viewkeeper.runs where id = ${run?.id}`

  await advanceToEnd(database, batchId)
  expect(await isAttended(batchId)).toBeUndefined()
})
