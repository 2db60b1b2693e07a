import { expect, test } from 'vitest'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { updateRows, writeSwitch } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { begin, makeGraph } from '../../support/views/batches.ts'

const { database, sql } = useDatabase()

const look = () => monitor(database, { schedules: unscheduled, publish: unheard })
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000)

test('a batch that nobody could advance while the database was away is closed some minutes later only', async () => {
  await makeGraph(sql, 'away', { a: [] })
  const batchId = await begin(database, { pattern: 'away.*' })
  await updateRows(sql, 'batches', { id: batchId }, { advancedAt: minutesAgo(50) })
  await writeSwitch(sql, 'looked', { at: minutesAgo(50), resumed: null })
  await look()
  expect(await getBatch(database, batchId)).toMatchObject({ finishedAt: null })
  await look()
  expect(await getBatch(database, batchId)).toMatchObject({ finishedAt: null })
  await writeSwitch(sql, 'looked', { at: minutesAgo(1), resumed: minutesAgo(4) })
  await look()
  expect(await getBatch(database, batchId)).toMatchObject({ status: 'failed', error: { class: 'BatchLost' } })
})
