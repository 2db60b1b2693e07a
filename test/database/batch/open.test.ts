import { expect, test } from 'vitest'
import { listOpenBatches } from '../../../src/batch/read-batches.ts'
import { whileWorkedOn } from '../../support/processes/worker.ts'
import { deleteRows, insertRow, updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin, makeGraph } from '../../support/views/batches.ts'

const { database, sql } = useDatabase()

const isAttended = async (batchId: string) =>
  (await listOpenBatches(database)).find(({ id }) => id === batchId)?.attended

test('an open batch is attended while somebody advances it, or the server works on a run of it', async () => {
  await makeGraph(sql, 'attended', { a: [] })
  const batchId = await begin(database, { pattern: 'attended.*' })
  expect(await isAttended(batchId)).toBe(true)
  const ago = (time: string) => sql`clock_timestamp() - ${time}::interval`
  const batch = { id: batchId }
  await updateRows(sql, 'batches', batch, { requestedAt: ago('1 hour'), advancedAt: ago('5 seconds') })
  expect(await isAttended(batchId)).toBe(true)
  await updateRows(sql, 'batches', batch, { advancedAt: ago('16 seconds') })
  expect(await isAttended(batchId)).toBe(false)

  const now = new Date()
  const work = { status: 'running', startedAt: now, backendPid: 1, backendStart: now }
  const { id } = await insertRow(sql, 'runs', { view: 'attended.a', trigger: 'batch', batchId, ...work })
  expect(await isAttended(batchId)).toBe(false)
  await whileWorkedOn(sql, `r.id = ${id}`, async () => expect(await isAttended(batchId)).toBe(true))
  expect(await isAttended(batchId)).toBe(false)
  await deleteRows(sql, 'runs', { id })

  await advanceToEnd(database, batchId)
  expect(await isAttended(batchId)).toBeUndefined()
})
