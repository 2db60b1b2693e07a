import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { expect, onTestFinished, test } from 'vitest'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { migrate } from '../../src/own-schema/apply.ts'
import { connectTo } from '../../src/server/connect.ts'
import { deep } from '../support/deep.ts'
import { insertRow } from '../support/record/rows.ts'
import { schemaFolder } from '../support/servers/database.ts'
import { startTestServer } from '../support/servers/test-server.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../support/views/slow-view.ts'
import { until } from '../support/waiting/until.ts'
import { npmStart, temporaryFolder } from './support/viewkeeper.ts'

test('on another Postgres only schema viewkeeper appears, and only requests refresh views', async () => {
  const { url, sql } = await anotherPostgres()
  await sql.unsafe('create materialized view sales as select 1 as id with no data')
  const started = await npmStart({ DATABASE_URL: url, DATA_DIR: join(temporaryFolder(), 'none') })
  await started.sees(/Ctrl-C stops everything/)

  expect(started.printed()).toContain('only your requests refresh views')
  expect(started.printed()).toContain('warning: this login is a superuser')
  expect(started.printed()).not.toContain(new URL(url).password)
  const schemas = await sql`select nspname from pg_namespace where nspname !~ '^pg_' order by nspname`
  expect(schemas.map(({ nspname }) => nspname)).toEqual(['information_schema', 'public', 'viewkeeper'])
  expect(await relations(sql)).toEqual(['sales'])
  expect(await sql`select ispopulated from pg_matviews`).toEqual([{ ispopulated: false }])
  expect(await sql`select * from viewkeeper.runs`).toEqual([])
  expect(existsSync(started.folder)).toBe(false)

  const answer = await fetch(`http://127.0.0.1:${started.port}/views/sales/refresh`, {
    method: 'POST',
    headers: { prefer: 'wait=20' },
  })
  expect(await answer.json()).toMatchObject({ status: 'updated' })
  // The events may be those of an environment, whose bus is to have them.
  expect((await fetch(`http://127.0.0.1:${started.port}/events`)).status).toBe(404)
  expect(await sql`select announced_at from viewkeeper.runs`).toEqual([{ announced_at: null }])

  started.interrupt()
  expect(await started.exitCode).toBe(0)
  expect(await sql`select ispopulated from pg_matviews`).toEqual([{ ispopulated: true }])
})

test(
  'with --keep-fresh the schedules, target lags and the monitor of another Postgres run here',
  deep,
  async () => {
    const { url, sql } = await anotherPostgres()
    await migrate(connectTo(fromUrl(url)), schemaFolder)
    await sql.unsafe(`
    create materialized view sales as select 1 as id;
    create materialized view totals as select 1 as id`)
    await insertRow(sql, 'definitions', { view: 'sales', targetLagSeconds: 3600 })
    const started = await npmStart({ DATABASE_URL: url }, ['--', '--keep-fresh'])
    await started.sees(/schedules, target lags and the monitor run here/)
    await until('the view whose age nobody knows is refreshed for its target lag', async () => {
      const runs =
        await sql`select status from viewkeeper.runs where trigger = 'batch' and view_name = 'sales'`
      return runs[0]?.status === 'success'
    })
    const [, printed] = await started.sees(/ (npx viewkeeper ls\b.*)/)
    const { stdout } = await promisify(execFile)('sh', ['-c', printed!])
    expect(stdout).toMatch(/^sales +fresh +.* success .* in \d+ min .* within 60 min$/m)
    expect(stdout).toMatch(/^totals +unknown .* in \d+ \w+ .* nightly/m)
  },
)

test('a batch whose gateway was killed goes on with the next start, on another Postgres', deep, async () => {
  const { url, sql } = await anotherPostgres()
  await makeGatedView(sql as never, 'low')
  await sql
    .unsafe('create materialized view high as select id from low; refresh materialized view low with no data')
    .simple()
  const first = await npmStart({ DATABASE_URL: url })
  await first.sees(/Ctrl-C stops everything/)
  const post = async (port: number) => {
    const response = await fetch(`http://127.0.0.1:${port}/batches`, { method: 'POST' })
    return { code: response.status, ...((await response.json()) as { batchId: string }) }
  }
  const second = await withGateClosed(sql as never, 'low', async (open) => {
    const { batchId } = await post(first.port)
    await untilAtGate(sql as never, 'low')
    first.kill()
    await first.exitCode
    const next = await npmStart({ DATABASE_URL: url })
    await next.sees(/1 open batch: another process seems to advance it;/)
    await open()
    await next.sees(new RegExp(`batch ${batchId} goes on here`))
    await until('the batch has succeeded', async () => {
      const [batch] = await sql`select status from viewkeeper.batches where id = ${batchId}`
      return batch?.status === 'success'
    })
    return next
  })
  expect(await sql`select status from viewkeeper.runs`).toEqual([
    { status: 'success' },
    { status: 'success' },
  ])
  expect(await post(second.port)).toMatchObject({ code: 202 })
})

async function anotherPostgres() {
  const server = await startTestServer()
  const sql = postgres(server.url, { max: 1, onnotice() {} })
  onTestFinished(async () => {
    await sql.end()
    await server.stop()
  })
  return { url: server.url, sql }
}

async function relations(sql: postgres.Sql) {
  const found = await sql`
    select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'm') order by relname`
  return found.map(({ relname }) => relname)
}
