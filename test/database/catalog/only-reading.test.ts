import { beforeAll, expect, test } from 'vitest'
import { getRun } from '../../../src/run/read-runs.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { type Known, reads } from '../../support/api/reads.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { eachCase } from '../../support/deep.ts'
import { deleteRows, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url, as } = useDatabase()
const [reader, careful] = [`reads_${url.slice(-8)}`, `careful_${url.slice(-8)}`]
let known: Known

beforeAll(async () => {
  await sql.unsafe(`
    create role ${reader} login password 'secret';
    grant usage on schema viewkeeper to ${reader}; grant select on all tables in schema viewkeeper to ${reader};
    create materialized view met as select 1 as id; create materialized view unmet as select 1 as id with no data`)
  const { runId } = await refresh({ view: 'met', strategy: 'regular' }, callOn(database))
  const batchId = await begin(database, { views: ['met'] })
  await advanceToEnd(database, batchId)
  await deleteRows(sql, 'definitions', { view: 'unmet' })
  // The server drops what a session leaves when the session has ended.
  await until('the sessions of the batch have left', async () => {
    const [left] = await sql`select from pg_proc where proname = 'viewkeeper_envelope' limit 1`
    return left === undefined
  })
  known = { view: 'public.met', unmet: 'public.unmet', runId, batchId }
})

eachCase(Object.keys(reads), { quick: 4 })(
  '%s answers who only reads as anybody, and writes nothing',
  async (read) => {
    const before = [await wholeCatalog(sql), await sql`select * from viewkeeper.definitions order by id`]
    const answer = await reads[read]!(as(reader).database, known)
    expect(answer).toEqual(await reads[read]!(database, known))
    expect([await wholeCatalog(sql), await sql`select * from viewkeeper.definitions order by id`]).toEqual(
      before,
    )
  },
)

test('a view has no id until somebody refreshes it', async () => {
  await sql`create materialized view fresh as select 1 as id`
  const idOf = async () => (await listViews(database)).views.find(({ name }) => name === 'fresh')?.id
  expect(await idOf()).toBeNull()
  await refresh({ view: 'fresh' }, callOn(database))
  expect(await idOf()).toEqual(expect.any(Number))
})

test('a role that only reads sees a lost run as it is recorded; who may close it does', async () => {
  await makeGatedView(sql, 'gated')
  await withGateClosed(sql, 'gated', async (open) => {
    const { runId } = await refresh({ view: 'gated' }, callOn(database, { waitUntil: 0 }))
    await untilAtGate(sql, 'gated')
    await updateRows(sql, 'runs', { id: runId }, { backendPid: 1 })
    expect(await getRun(as(reader).database, runId)).toMatchObject({ status: 'running' })
    expect(await getRun(database, runId)).toMatchObject({ status: 'failed' })
    await open()
  })
})

test('default_transaction_read_only of a role or a database stops no refresh', async () => {
  const [owner] = await sql<{ name: string }[]>`select current_database() as name`
  await sql.unsafe(`
    create role ${careful} login superuser password 'secret'; alter role ${careful} set default_transaction_read_only = on;
    alter database ${owner?.name} set default_transaction_read_only = on`)
  try {
    for (const strategy of ['regular', 'swap'] as const)
      expect(await refresh({ view: 'met', strategy }, callOn(as(careful).database))).toMatchObject({
        status: 'updated',
      })
  } finally {
    await sql.unsafe(`
      set default_transaction_read_only = off; drop role ${careful};
      alter database ${owner?.name} reset default_transaction_read_only; reset default_transaction_read_only`)
  }
})
