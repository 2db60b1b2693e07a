// @module-tag deep

import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { expect, onTestFinished, test } from 'vitest'
import { createToken } from '../../../serve/tokens.ts'
import { revokeToken } from '../../../src/record/tokens/tokens.ts'
import { mountDisk } from '../../faults/support/disk.ts'
import { startNetwork } from '../../faults/support/proxy.ts'
import { startTestServer } from '../../support/servers/test-server.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'
import { asked, serve, stands, useServer, waiting, warnings } from '../support/copies.ts'
import { eachMinute } from '../support/minutes.ts'

const { url: superuser, databaseOf } = useServer()

test('a leader whose packets are lost without a word is followed within 15 s, says so, and begins no turn twice', async () => {
  const { url, sql } = await databaseOf('silent')
  await sql`create materialized view sales as select 1 as id`
  await makeGatedView(sql, 'slow')
  const network = await startNetwork(Number(new URL(url).port))
  onTestFinished(network.close)
  const through = new URL(url)
  through.port = String(network.port)
  const cut = await serve({ DATABASE_URL: through.href })
  await stands(cut, 'leads')
  const minutes = await eachMinute(sql, 'sales')
  const other = await serve({ DATABASE_URL: url })
  await stands(other, 'follows')

  const { running, since } = await withGateClosed(sql, 'slow', async (open) => {
    const running = asked(cut, '/views/slow/refresh', waiting)
    await untilAtGate(sql, 'slow')
    const since = Date.now()
    network.stall()
    await open()
    return { running, since }
  })
  const ready = asked(cut, '/readyz')
  await minutes.missOne()
  await Promise.all([stands(other, 'leads'), stands(cut, 'cannot')])
  // 15 s, and what a busy machine adds.
  expect(Date.now() - since).toBeLessThan(60_000)
  await minutes.expectEachOnce()
  expect(await ready).toBe('503 DatabaseUnavailable')
  expect(await asked(cut, '/healthz')).toBe('200')

  network.mend()
  await stands(cut, 'follows')
  const said = await running
  expect(['200', '503 DatabaseUnavailable']).toContain(said)
  expect(await sql`select status from viewkeeper.runs where view_name = 'slow'`).toEqual([
    { status: 'success' },
  ])
  other.process.kill('SIGTERM')
  expect(await other.exit).toBe(0)
  await stands(cut, 'leads')
  await minutes.expectEachOnce()
  expect(await asked(cut, '/views/sales/refresh', waiting)).toBe('200')
  expect(warnings(cut)).toEqual([
    'cannot reach the database, and tries again',
    ...(said === '200' ? [] : ['refused']),
  ])
  expect(warnings(other)).toEqual([])
  // It is about the process, and not about the request that was answered last.
  expect(cut.lines.find(({ message }) => message.startsWith('cannot'))).not.toHaveProperty('function_name')
})

test('machines whose clocks are wrong by an hour keep time by the clock of the server, also when it jumps', async () => {
  const { url, sql } = await databaseOf('clocks')
  await sql`create materialized view sales as select 1 as id`
  const preload = new URL('../support/wrong-clock.mjs', import.meta.url)
  const wrongBy = (hours: number, ...args: string[]) =>
    serve(
      { DATABASE_URL: url, NODE_OPTIONS: `--import=${preload}`, WRONG_BY_MS: String(hours * 3_600_000) },
      args,
    )
  const ahead = await wrongBy(1)
  await stands(ahead, 'leads')
  const minutes = await eachMinute(sql, 'sales')
  const behind = await wrongBy(-1)
  await stands(behind, 'follows')
  for (const copy of [ahead, behind]) {
    expect(await asked(copy, '/readyz')).toBe('200')
    expect(await asked(copy, '/views/sales/refresh', waiting)).toBe('200')
    const { views } = (await (await fetch(`${copy.url}/views`)).json()) as { views: { staleMs: number }[] }
    expect(views[0]?.staleMs).toBeLessThan(30 * 60_000)
  }
  await minutes.missOne()
  ahead.process.kill('SIGTERM')
  expect(await ahead.exit).toBe(0)
  await stands(behind, 'leads')
  await minutes.expectEachOnce()

  // What was found a moment before the clock is set back two hours is not believed for two hours.
  const jumping = await wrongBy(1, '--host', '0.0.0.0')
  await stands(jumping, 'follows')
  const token = await createToken(sql as never, { name: 'reader', may: 'read', days: 1, by: 'test' })
  const asReader = { headers: { authorization: `Bearer ${token}` } }
  expect(await asked(jumping, '/readyz')).toBe('200')
  expect(await asked(jumping, '/views', asReader)).toBe('200')
  jumping.process.kill('SIGUSR2')
  await revokeToken(sql as never, 'reader')
  await until(
    'a revoked token is refused',
    async () => (await asked(jumping, '/views', asReader)) === '401 Unauthenticated',
  )
  const admin = postgres(superuser(), { max: 1 })
  await admin`alter database clocks allow_connections false`
  await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = 'clocks'`
  await admin.end()
  await until(
    'the copy is not ready',
    async () => (await asked(jumping, '/readyz')) === '503 DatabaseUnavailable',
  )
  expect(warnings(ahead)).toEqual([])
})

test('a full disk of the server is DiskFull in answer, record and log; the copy lives on, and the next refresh works', async () => {
  const disk = mountDisk(32 * 1024 * 1024)
  onTestFinished(() => disk?.unmount())
  const space = disk && mkdtempSync(join(disk.folder, 'space-'))
  const server = await startTestServer({ prepare: (_, user) => (space ? user.own(space) : undefined) })
  onTestFinished(server.stop)
  const sql = postgres(server.url, { max: 1, onnotice() {} })
  onTestFinished(() => sql.end({ timeout: 1 }))
  if (space) await sql.unsafe(`create tablespace small location '${space}'`)
  await sql.unsafe(`
    create materialized view large ${space ? 'tablespace small' : ''} as
      select i, repeat(md5(i::text), 10) as text from generate_series(1, 10000) i`)
  const copy = await serve({ DATABASE_URL: server.url }, ['--allow-superuser'])
  await stands(copy, 'leads')
  // Where nobody may mount a small disk, the server says of each run what it says of a full one.
  const raises = `
    create function raise() returns trigger language plpgsql as $$ begin raise sqlstate '53100'; end $$;
    create trigger raises before update on viewkeeper.runs for each row when (new.status = 'running') execute function raise()`
  const refresh = () => asked(copy, '/views/large/refresh', waiting)
  if (disk) await disk.fill()
  else await sql.unsafe(raises)
  expect(await refresh()).toBe('503 DiskFull')
  expect(await asked(copy, '/healthz')).toBe('200')
  expect(await asked(copy, '/readyz')).toBe('200')
  if (disk) await disk.free()
  else await sql`drop function raise cascade`
  expect(await refresh()).toBe('200')
  expect(await sql`select status, error ->> 'class' as error from viewkeeper.runs order by id`).toEqual([
    { status: 'failed', error: 'DiskFull' },
    { status: 'success', error: null },
  ])
  expect(copy.lines.filter(({ message }) => /^refresh /.test(message))).toMatchObject([
    { message: 'refresh error', view: 'public.large', class: 'DiskFull' },
    { message: 'refresh updated' },
  ])
  // The monitor may look while the view fails.
  expect(warnings(copy).filter((message) => !/^(views are failing|run ended)$/.test(message))).toEqual([])
})
