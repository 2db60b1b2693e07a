import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { define } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { until } from '../../support/waiting/until.ts'

const { sql, as } = useDatabase({ migrated: false })
const login = `shop_${process.pid}_${Date.now()}`
const page = readFileSync(new URL('../../../docs/engine.md', import.meta.url), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'programs-'))

beforeAll(async () => {
  const [row] = await sql`select current_database() as name`
  await sql.unsafe(`
    create role ${login} login password 'secret';
    grant create on database ${row!.name} to ${login};
    create schema shop authorization ${login};
    alter role ${login} set search_path to shop;
    set role ${login};
    create table shop.orders (amount integer);
    create materialized view shop.sales as select sum(amount) as amount from shop.orders;
    reset role`)
})

/** Starts a program of docs/engine.md on the database, by a login that is no superuser; `ended` gives how it ended. */
function start(name: string, env: Record<string, string> = {}) {
  const program = page
    .split('```ts\n')
    .find((block) => block.startsWith(`// ${name}\n`))!
    .split('```')[0]!
  const file = join(folder, name)
  const engine = new URL('../../../src/engine.ts', import.meta.url).href
  writeFileSync(file.replace(/ts$/, 'mts'), program.replace("'viewkeeper/engine'", `'${engine}'`))
  const child = spawn(process.execPath, [file.replace(/ts$/, 'mts')], {
    env: { ...process.env, DATABASE_URL: as(login).url, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += chunk
    })
  const ended = once(child, 'close').then(([code]) => ({ code, output }))
  return { output: () => output, stop: () => child.kill('SIGTERM'), ended }
}

const rows = async () => (await sql`select amount::integer from shop.sales`)[0]?.amount

test('the script of the docs makes the schema, refreshes everything, and ends', async () => {
  await sql`insert into shop.orders values (42)`
  expect(await start('script.ts').ended).toEqual({ code: 0, output: 'shop.sales success\n' })
  expect(await rows()).toBe(42)
  await sql`create materialized view shop.broken as select 1 / (amount - 42) as part from shop.orders with no data`
  onTestFinished(async () => void (await sql`drop materialized view shop.broken`))
  await sql.unsafe(`alter materialized view shop.broken owner to ${login}`)
  await define(sql, 'shop.broken', { retries: 0 })
  const { code, output } = await start('script.ts').ended
  expect(output).toContain('shop.broken failed')
  expect(code).toBe(1)
})

test('the route of the docs refreshes for its callers, and tells what went wrong', async () => {
  const route = start('route.ts', { PORT: '0' })
  const port = await until(
    () => `the program is ready: ${route.output()}`,
    async () => /^ready .* port: (\d+) /.exec(route.output())?.[1],
  )
  await sql`insert into shop.orders values (8)`
  const ask = () => fetch(`http://127.0.0.1:${port}/`)
  const answer = await ask()
  expect([answer.status, await answer.json()]).toEqual([
    200,
    { runId: expect.any(Number), status: 'updated' },
  ])
  expect(await rows()).toBe(50)
  await sql`alter materialized view shop.sales rename to sold`
  onTestFinished(async () => void (await sql`alter materialized view if exists shop.sold rename to sales`))
  const refused = await ask()
  expect([refused.status, await refused.json()]).toMatchObject([404, { code: 'UnknownView' }])
  await sql`alter materialized view shop.sold rename to sales`
  route.stop()
  expect(await route.ended).toMatchObject({ code: 0 })
})

test('the worker of the docs keeps views fresh until it is told to stop', async () => {
  const worker = start('worker.ts')
  await until(
    () => `the worker leads: ${worker.output()}`,
    async () => worker.output().includes('leads'),
  )
  worker.stop()
  expect(await worker.ended).toMatchObject({ code: 0 })
})
