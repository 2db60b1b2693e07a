import { expect, test } from 'vitest'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { begin, makeGraph } from '../../support/views/batches.ts'

const { database, sql } = useDatabase()

const look = () => monitor(database, { schedules: unscheduled, publish: unheard })
const setLook = (at: string, resumed: string | null) => sql`
  insert into viewkeeper.switches (key, value)
  values ('looked', jsonb_build_object('at', clock_timestamp() - ${at}::interval, 'resumed', clock_timestamp() - ${resumed}::interval))
  on conflict (key) do update set value = excluded.value`

test('a batch that nobody could advance while the database was away is closed some minutes later only', async () => {
  await makeGraph(sql, 'away', { a: [] })
  const batchId = await begin(database, { pattern: 'away.*' })
  await sql`update viewkeeper.batches set advanced_at = clock_timestamp() - interval '50 minutes' where id = ${batchId}`
  await setLook('50 minutes', null)
  await look()
  expect(await getBatch(database, batchId)).toMatchObject({ finishedAt: null })
  await look()
  expect(await getBatch(database, batchId)).toMatchObject({ finishedAt: null })
  await setLook('1 minute', '4 minutes')
  await look()
  expect(await getBatch(database, batchId)).toMatchObject({ status: 'failed', error: { class: 'BatchLost' } })
})
