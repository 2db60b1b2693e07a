import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { expect, onTestFinished, test } from 'vitest'
import { readLock } from '../../local/embedded/lock.ts'
import { readFrozenMigrations } from '../../src/migrate/frozen-migrations.ts'
import { frozenState } from '../../src/migrate/plan/frozen.ts'
import { deep } from '../support/deep.ts'
import { listenTo } from '../support/waiting/listener.ts'
import { until } from '../support/waiting/until.ts'
import { isAlive, npmStart, serverPid, temporaryFolder } from './support/viewkeeper.ts'

const demo = new URL('../../local/demo/migrations/', import.meta.url)
const demoViews = [...frozenState(await readFrozenMigrations(demo)).values()].map(({ name }) => name)
const ready = /Ctrl-C stops everything/

test('the first start refreshes every view, and the lines it prints work when copied', deep, async () => {
  const started = await npmStart()
  await started.sees(ready)
  const views = demoViews
  const order = [...started.printed().matchAll(/✓ (\w+) +(\w+) +[\d.]+ s +([\d,]+) rows?/g)]
  expect(order.map(([, name]) => name).sort()).toEqual([...views].sort())
  expect(started.printed()).toContain(`${views.length} of ${views.length} fresh`)
  const places = order.map(([, name]) => name)
  expect(places.indexOf('worst_routes')).toBeGreaterThan(places.indexOf('route_delays'))
  expect(places.indexOf('late_airports')).toBeGreaterThan(places.indexOf('airport_traffic'))
  expect(places.indexOf('state_traffic')).toBeGreaterThan(places.indexOf('nearest_airports'))

  const [refresh, why, ls, all] = [...started.printed().matchAll(/npx viewkeeper .*$/gm)].map(
    ([line]) => line,
  )
  expect(await shell(refresh!)).toContain('✓ route_delays')
  expect(await shell(why!)).toMatch(/^route_delays +fresh/m)
  const listed = await shell(ls!)
  for (const view of views) expect(listed).toContain(view)
  expect(all).toContain('refresh --all')

  const api = `http://127.0.0.1:${started.port}`
  const { runs } = (await (await fetch(`${api}/runs?limit=2`)).json()) as { runs: object[] }
  expect(runs).toContainEqual(
    expect.objectContaining({ view: 'public.route_delays', status: 'success', trigger: 'http' }),
  )

  // What docs/checks.md says of the demo's checks.
  const [breaks, mends] = [...readFileSync('docs/checks.md', 'utf8').matchAll(/^update .*$/gm)].map(
    ([line]) => line,
  )
  const heldBack = async () => {
    const body = (await (await fetch(`${api}/views`)).json()) as {
      views: { name: string; checkFailedSince: string | null }[]
    }
    return body.views.flatMap(({ name, checkFailedSince }) => (checkFailedSince ? [name] : [])).sort()
  }
  expect(readFileSync('local/demo/views/route_delays.ts', 'utf8')).toContain(breaks)
  await inDatabase(started.folder, breaks!)
  await expect(shell(refresh!)).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringContaining('check "references(origin)" holds the new data'),
  })
  expect(await heldBack()).toEqual(['route_delays'])
  const along = (await (await fetch(`${api}/runs?limit=10`)).json()) as { runs: object[] }
  expect(along.runs).toContainEqual(
    expect.objectContaining({ view: 'public.worst_routes', status: 'skipped' }),
  )
  await inDatabase(started.folder, mends!)
  expect(await shell(refresh!)).toContain('✓ route_delays')
  expect(await heldBack()).toEqual([])

  const page = await fetch(/^ *page +(\S+)$/m.exec(started.printed())![1]!)
  expect({ url: page.url, type: page.headers.get('content-type') }).toEqual({
    url: `${api}/`,
    type: 'text/html; charset=UTF-8',
  })

  // What was told since the start, and a stream that Ctrl-C ends whole.
  const listener = await listenTo(api, '0')
  const told = listener.heard
  await until('each refresh is told', async () => told.filter(({ data }) => data.view).length > views.length)
  for (const view of views)
    expect(told).toContainEqual(
      expect.objectContaining({
        event: 'ViewRefreshed',
        data: expect.objectContaining({ view: `public.${view}` }),
      }),
    )
  expect(started.printed()).not.toContain('events wait')

  const server = serverPid(started.folder)!
  expect(isAlive(server)).toBe(true)
  started.interrupt()
  expect(await started.exitCode).toBe(0)
  await listener.ended
  expect(isAlive(server)).toBe(false)
  await expect(fetch(api)).rejects.toThrow()
})

test('the next start keeps the data and refreshes nothing, after Ctrl-C as after kill -9', deep, async () => {
  const first = await npmStart()
  await first.sees(ready)
  const before = await newestRun(first.port)
  first.interrupt()
  await first.exitCode

  const second = await npmStart({ DATA_DIR: first.folder })
  await second.sees(ready)
  expect(second.printed()).toContain('(kept)')
  expect(second.printed()).toContain('7 views, not refreshed now')
  expect(await newestRun(second.port)).toEqual(before)
  const server = serverPid(first.folder)!
  second.kill()
  await second.exitCode

  const third = await npmStart({ DATA_DIR: first.folder })
  await third.sees(ready)
  expect(third.printed()).toContain('7 views, not refreshed now')
  expect(isAlive(server)).toBe(false)
})

test('a start that was killed while it loaded the data is made up for by the next one', deep, async () => {
  const first = await npmStart()
  await first.sees(/postgres 18/)
  first.kill()
  await first.exitCode

  const second = await npmStart({ DATA_DIR: first.folder })
  await second.sees(/7 of 7 fresh/)
})

test('a batch that was under way when all was killed goes on with the next start at once', deep, async () => {
  const first = await npmStart()
  await first.sees(ready)
  await inDatabase(
    first.folder,
    'create materialized view slow as select count(*), pg_sleep(600)::text as slept from flights with no data',
  )
  const post = async (port: number) => {
    const response = await fetch(`http://127.0.0.1:${port}/batches`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{ "views": ["slow", "late_airports"], "concurrency": 2 }',
    })
    return { code: response.status, ...((await response.json()) as { batchId: string }) }
  }
  const { batchId } = await post(first.port)
  const batchOf = async (port: number) =>
    (await (await fetch(`http://127.0.0.1:${port}/batches/${batchId}`)).json()) as {
      finishedAt: string | null
      views: { view: string; status: string; runs: unknown[] }[]
    }
  const isSlow = ({ view }: { view: string }) => view === 'public.slow'
  await until(
    'slow is running',
    async () => (await batchOf(first.port)).views.find(isSlow)?.status === 'running',
  )
  first.kill()
  await first.exitCode

  const second = await npmStart({ DATA_DIR: first.folder })
  await second.sees(/1 batch of the last start will go on/)
  await until(
    'slow is tried again',
    async () => (await batchOf(second.port)).views.find(isSlow)?.runs.length === 2,
  )
  await fetch(`http://127.0.0.1:${second.port}/batches/${batchId}/cancel`, { method: 'POST' })
  await until('it has ended', async () => (await batchOf(second.port)).finishedAt)
  expect((await post(second.port)).code).toBe(202)
})

test('a view that fails does not keep the others from being refreshed', deep, async () => {
  const first = await npmStart()
  await first.sees(ready)
  await inDatabase(
    first.folder,
    `drop materialized view daily_delays;
     create materialized view daily_delays as select 1 / (count(*) - count(*)) as broken from flights with no data;
     refresh materialized view late_airports with no data`,
  )
  first.interrupt()
  await first.exitCode

  const second = await npmStart({ DATA_DIR: first.folder })
  await second.sees(ready)
  expect(second.printed()).toMatch(/✗ daily_delays +.*division by zero.* run \d+$/m)
  expect(second.printed()).toMatch(/✓ late_airports /)
  expect(second.printed()).toContain('1 of 2 fresh')
})

test('npm run database-url prints the address of its PostgreSQL, and only while it runs', deep, async () => {
  const started = await npmStart()
  await started.sees(ready)
  const readUrl = () =>
    promisify(execFile)('npm', ['run', '--silent', 'database-url'], {
      env: { ...process.env, DATA_DIR: started.folder },
    })
  const sql = postgres((await readUrl()).stdout.trim(), { max: 1 })
  expect(await sql`select count(*)::int as count from pg_matviews`).toEqual([{ count: 7 }])
  await sql.end()
  started.interrupt()
  await started.exitCode
  await expect(readUrl()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/start it with npm start\n$/),
  })
})

test('a PostgreSQL that ends by itself ends everything, in one clear line', deep, async () => {
  const started = await npmStart()
  await started.sees(ready)
  process.kill(serverPid(started.folder)!, 'SIGQUIT')
  expect(await started.exitCode).toBe(1)
  expect(started.printed()).toMatch(/^viewkeeper: PostgreSQL has ended by itself; its log is in \S+$/m)
})

test('Ctrl-C in the middle of the start ends it cleanly', async () => {
  const started = await npmStart()
  await started.sees(/postgres 18/)
  const server = serverPid(started.folder)!
  started.interrupt()
  expect(await started.exitCode).toBe(0)
  expect(isAlive(server)).toBe(false)
  expect(started.printed()).not.toMatch(/error/i)
})

test('a taken port is one clear line', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as { port: number }
  const started = await npmStart({ PORT: `${port}` })
  expect(await started.exitCode).toBe(1)
  expect(started.printed()).toBe(
    `viewkeeper: port ${port} is taken by another program: set PORT to another one, or unset PORT for the first free one from 8787 on\n`,
  )
  expect(serverPid(started.folder)).toBeUndefined()
})

test('a DATA_DIR that is a file is one clear line', async () => {
  const file = join(temporaryFolder(), 'file')
  writeFileSync(file, '')
  const started = await npmStart({ DATA_DIR: file })
  expect(await started.exitCode).toBe(1)
  expect(started.printed()).toMatch(/^viewkeeper: \S+file cannot be used to keep the data: .+$/m)
  expect(started.printed()).not.toMatch(/^ +at /m)
})

async function shell(line: string) {
  const { stdout } = await promisify(execFile)('sh', ['-c', line])
  return stdout
}

/** Runs statements in the embedded server of a running start. */
async function inDatabase(folder: string, statements: string) {
  const { port } = readLock(join(folder, 'postgres-18'))!
  const password = readFileSync(join(folder, 'password'), 'utf8')
  const sql = postgres({
    host: '127.0.0.1',
    port,
    username: 'postgres',
    database: 'postgres',
    password,
    max: 1,
  })
  await sql.unsafe(statements).simple()
  await sql.end()
}

async function newestRun(port: number) {
  const response = await fetch(`http://127.0.0.1:${port}/runs?limit=2`)
  const { runs } = (await response.json()) as { runs: { id: number }[] }
  return runs[0]
}
