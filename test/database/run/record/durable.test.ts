import { beforeAll, expect, test } from 'vitest'
import { fromUrl } from '../../../../src/keeper/database-url.ts'
import { refresh } from '../../../../src/run/refresh.ts'
import { connectTo } from '../../../../src/server/connect.ts'
import { callOn } from '../../../support/servers/database.ts'
import { startOwnServer } from '../../../support/servers/own-server.ts'
import { advanceToEnd, begin } from '../../../support/views/batches.ts'
import { until } from '../../../support/waiting/until.ts'

// A server whose databases do not wait for the disk, and which crashes after each answer.

const { server, sql } = await startOwnServer({ synchronous_commit: 'off' })

beforeAll(() =>
  sql.unsafe(`
    create table base as select 0 as n;
    create materialized view good as select n from base; create materialized view failing as select 1 / n as id from base with no data`),
)

/** The process that writes to the disk what no commit has waited for. */
const findWriter = async () => {
  const [row] = await sql<
    { pid: number }[]
  >`select pid from pg_stat_activity where backend_type = 'walwriter'`
  return row?.pid
}

/** Does `work` while nothing but commits writes to the disk, then crashes the server. */
async function beforeCrash<T>(work: () => Promise<T>): Promise<T> {
  const writer = (await until('the server writes', findWriter))!
  process.kill(writer, 'SIGSTOP')
  try {
    return await work()
  } finally {
    process.kill(writer, 'SIGKILL')
    await until('the server has recovered', async () => {
      const pid = await findWriter().catch(() => writer)
      return pid !== undefined && pid !== writer
    })
  }
}

const database = () => connectTo(fromUrl(server.url))
const runIds = async () =>
  (await sql`select id::int, status from viewkeeper.runs order by id`).map((run) => ({ ...run }))

test('what was answered is there after a crash, and its id is not given again', async () => {
  const answered: unknown[] = []
  for (let at = 0; at < 2; at++) {
    // Writes no new file, which would be waited for by itself.
    const { runId } = await beforeCrash(() => refresh({ view: 'failing' }, callOn(database())))
    answered.push({ id: runId, status: 'failed' })
    expect(await runIds()).toEqual(answered)
  }
  const { runId } = await beforeCrash(() => refresh({ view: 'good' }, callOn(database())))
  expect(await runIds()).toEqual([...answered, { id: runId, status: 'success' }])
})

test('also the beginning and the end of a batch, on connections that several runs share', async () => {
  const batchId = await beforeCrash(() => begin(database(), { all: true, retries: 0 }))
  expect(await sql`select status from viewkeeper.batches`).toEqual([{ status: 'pending' }])
  expect(await beforeCrash(() => advanceToEnd(database(), batchId))).toMatchObject({ status: 'failed' })
  expect(await sql`select status from viewkeeper.batches`).toEqual([{ status: 'failed' }])
})
