import postgres from 'postgres'
import { expect, test } from 'vitest'
import { advance } from '../../../../src/batch/advance.ts'
import { startBatch } from '../../../../src/batch/start.ts'
import { getRun } from '../../../../src/run/read-runs.ts'
import { refresh } from '../../../../src/run/refresh.ts'
import type { Sql } from '../../../../src/server/database.ts'
import { mayRetry } from '../../../../src/words/problem.ts'
import { describeInCatalog } from '../../../support/catalog/catalog.ts'
import { deep, eachCase } from '../../../support/deep.ts'
import { administrator, callOn } from '../../../support/servers/database.ts'
import { startOwnServer } from '../../../support/servers/own-server.ts'
import { accountOf, retryAtOnce } from '../../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../../support/views/slow-view.ts'
import { muchLater, until } from '../../../support/waiting/until.ts'

// A server of its own: a killed server process takes every connection of its server down with it.
const { server, database } = await startOwnServer()

eachCase(
  [
    ['regular', 'building'],
    ['swap', 'building'],
    ['swap', 'locking'],
  ] as const,
  { quick: 1 },
)(
  'a %s refresh whose server process is killed (-9) while %s is lost and leaves nothing; the next refresh works',
  async (strategy, phase) => {
    const sql = administrator(server.url)
    const name = `crashed_${strategy}_${phase}`
    await makeGatedView(sql, name)
    const before = await describeInCatalog(sql, name)
    const caller = callOn(database)
    let answer: Promise<unknown> = Promise.resolve()
    if (phase === 'building') {
      await withGateClosed(sql, name, async () => {
        answer = refresh({ view: name, strategy }, caller).catch((error) => error)
        process.kill(await untilAtGate(sql, name), 'SIGKILL')
        await answer
      })
    } else {
      const reader = postgres(server.url, { max: 1 })
      await reader
        .unsafe(`begin; select * from ${name}`)
        .simple()
        .catch(() => {})
      answer = refresh({ view: name, strategy }, caller).catch((error) => error)
      process.kill(await until('it hunts for the lock', async () => (await hunting(sql))[0]?.pid), 'SIGKILL')
      await answer
      await reader.end({ timeout: 0 })
    }
    await sql.end({ timeout: 0 })
    // Every connection broke: the caller gets the record over a new connection, or at least the run's id.
    const told = (await answer) as { runId?: number; details?: { runId: number } }
    const runId = (told.runId ?? told.details?.runId) as number
    expect(runId).toBeTypeOf('number')

    const run = await until('the server is back and the run closed', async () => {
      const found = await getRun(database, runId).catch(() => null)
      return found?.finishedAt ? found : null
    })
    expect(run).toMatchObject({ status: 'failed', error: { class: 'RunLost' } })
    const again = administrator(server.url)
    expect(await describeInCatalog(again, name)).toEqual(before)
    await again.end()
    expect(await refresh({ view: name, strategy }, callOn(database))).toMatchObject({ status: 'updated' })
  },
)

test(
  'advancing a batch while its server crashes throws an error that may pass, and works when the server is back',
  deep,
  async () => {
    const sql = administrator(server.url)
    await retryAtOnce(sql)
    await makeGatedView(sql, 'batch_crashed')
    await sql.unsafe(`
    create materialized view batch_before as select 1 as id;
    create materialized view batch_after as select id from batch_crashed`)
    const views = ['batch_before', 'batch_crashed', 'batch_after']
    const { batchId } = await startBatch({ views, retries: 1, concurrency: 1 }, callOn(database))
    await withGateClosed(sql, 'batch_crashed', async () => {
      const advanced = advance(batchId, { database, until: muchLater() }).catch((error) => error)
      process.kill(await untilAtGate(sql, 'batch_crashed'), 'SIGKILL')
      const { code } = await advanced
      expect(mayRetry(code)).toBe(true)
    })
    await sql.end({ timeout: 0 })
    const ended = await until('the batch has ended', async () => {
      const advanced = await advance(batchId, { database, until: muchLater() }).catch(() => null)
      return advanced?.done && advanced
    })
    expect(ended).toMatchObject({ status: 'success' })
    const again = administrator(server.url)
    expect((await accountOf(again, batchId)).statuses).toEqual({
      batch_before: ['success'],
      batch_crashed: ['failed', 'success'],
      batch_after: ['success'],
    })
    await again.end()
  },
)

const hunting = (sql: Sql) => sql<{ pid: number }[]>`
  select pid from pg_stat_activity where application_name like 'viewkeeper run % locking%' and wait_event = 'PgSleep'`
