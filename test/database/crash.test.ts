import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../local/embedded.ts'
import { connectTo, type Database } from '../../src/db/connect.ts'
import { fromUrl } from '../../src/edge/settings.ts'
import { migrate } from '../../src/operations/migrate.ts'
import { refresh } from '../../src/operations/refresh.ts'
import { getRun } from '../../src/operations/runs.ts'
import { administrator, callOn, schemaFolder } from '../support/database.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../support/slow-view.ts'
import { until } from '../support/until.ts'

// A server of its own: a killed server process takes every connection of its server down with it.
let server: EmbeddedPostgres
let folder: string
let database: Database

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'viewkeeper-crash-'))
  server = await startEmbeddedPostgres({ folder, version: Number(process.env.POSTGRES ?? 18) as 18 })
  database = connectTo(fromUrl(server.url))
  await migrate(database, schemaFolder)
})

afterAll(async () => {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

test('a run whose server process is killed (-9) is found lost, its work undone, and the view can be refreshed again', async () => {
  const sql = administrator(server.url)
  await makeGatedView(sql, 'crashed', 'select 1 as id')
  const caller = callOn(database)
  let answer: Promise<unknown> = Promise.resolve()
  await withGateClosed(sql, 'crashed', async () => {
    answer = refresh({ view: 'crashed' }, caller).catch((error) => error)
    process.kill(await untilAtGate(sql, 'crashed'), 'SIGKILL')
    await answer
  })
  await sql.end({ timeout: 0 })
  // Every connection broke: the caller is told what the record says on a new one, or at least learns the run's id.
  expect(await answer).toSatisfy(
    (told: { runId?: number; details?: { runId: number } }) => (told.runId ?? told.details?.runId) === 1,
  )

  const run = await until('the server is back and the run closed', async () => {
    const found = await getRun(database, 1).catch(() => null)
    return found?.finishedAt ? found : null
  })
  expect(run).toMatchObject({ status: 'failed', error: { class: 'RunLost' } })
  expect(await refresh({ view: 'crashed' }, callOn(database))).toMatchObject({ status: 'updated' })
})
