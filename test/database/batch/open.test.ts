import { expect, test } from 'vitest'
import { listOpenBatches } from '../../../src/batch/read.ts'
import { runLockClass } from '../../../src/server/lock-keys.ts'
import { administrator, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin, makeGraph } from '../../support/views/batches.ts'

const { database, sql, url } = useDatabase()

const isAttended = async (batchId: string) =>
  (await listOpenBatches(database)).find(({ id }) => id === batchId)?.attended

const pidOf = async (session: typeof sql) =>
  (await session<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]?.pid ?? 0

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
  const server = administrator(url)
  const session = await server.reserve()
  await session`select pg_advisory_lock(${runLockClass}, ${run?.id})`
  expect(await isAttended(batchId)).toBe(false) // anybody can hold the lock: only the run's own process counts
  await sql`update viewkeeper.runs set backend_pid = ${await pidOf(session)} where id = ${run?.id}`
  expect(await isAttended(batchId)).toBe(true)
  await server.end({ timeout: 0 })
  await sql`delete from viewkeeper.runs where id = ${run?.id}`

  await advanceToEnd(database, batchId)
  expect(await isAttended(batchId)).toBeUndefined()
})
