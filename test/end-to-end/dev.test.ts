import { readFileSync } from 'node:fs'
import postgres from 'postgres'
import { expect, onTestFinished, test } from 'vitest'
import { deep } from '../support/deep.ts'
import { Project } from './support/project.ts'
import { isAlive, serverPid, viewkeeperDev } from './support/viewkeeper.ts'

const ready = /Ctrl-C stops everything/

/** A folder whose own SQL makes a table, and whose view reads it. */
function shop(): Project {
  const project = new Project()
  project.write('viewkeeper.config.ts', configuration)
  project.write('db/frozen/001_orders.up.sql', 'create table orders as select 1 as id, 20 as total;')
  project.write('db/frozen/001_orders.down.sql', 'drop table orders;')
  project.write('db/views/sales.ts', view)
  return project
}
const configuration = `import { defineConfig } from 'viewkeeper'
export default defineConfig({ folders: { views: 'db/views', migrations: 'db/frozen' } })`
const view = `import { defineView } from 'viewkeeper'
export default defineView({ name: 'sales', query: 'select sum(total) as total from public.orders' })`

test('dev serves an own folder: author, freeze, apply, refresh, and find all of it again', async () => {
  const project = shop()
  const first = await viewkeeperDev(project.folder)
  await first.sees(ready)
  expect(first.printed()).toContain('! public.sales   it was never frozen')
  const { out } = await project.run(['dev', '--database-url'])
  const url = out.trim()
  expect(url).toMatch(/^postgres:\/\/postgres:[^@]+@127\.0\.0\.1:\d+\/postgres$/)
  const sql = postgres(url, { max: 1 })
  onTestFinished(() => sql.end({ timeout: 0 }))
  expect(await sql`select total from orders`).toEqual([{ total: 20 }])

  expect((await project.run(['freeze', '-m', 'first'], { url })).out).toContain(
    'wrote db/frozen/002_sales.up.sql and .down.sql',
  )
  expect((await project.run(['migrate', 'up'], { url })).code).toBe(0)
  const refreshed = await project.run(['refresh', 'sales', '--url', `http://127.0.0.1:${first.port}`])
  expect(refreshed).toMatchObject({ code: 0, out: expect.stringContaining('✓ sales') })
  const page = await fetch(`http://127.0.0.1:${first.port}/`)
  expect(page.headers.get('content-type')).toBe('text/html; charset=UTF-8')
  await sql.end()
  // Commands of the folder find the gateway whatever its port, and a second one is refused.
  expect((await project.run(['ls', '-o', 'name'])).out).toBe('public.sales\n')
  const again = await viewkeeperDev(project.folder)
  expect(await again.exitCode).toBe(1)
  expect(again.printed()).toContain(`runs on this folder already, at http://127.0.0.1:${first.port}`)

  const server = serverPid(first.folder)!
  first.interrupt()
  expect(await first.exitCode).toBe(0)
  expect(isAlive(server)).toBe(false)

  const second = await viewkeeperDev(project.folder)
  await second.sees(ready)
  expect((await project.run(['dev', '--database-url'])).out.trim()).toBe(url)
  expect(second.printed()).toContain('1 view (kept)')
  expect(second.printed()).not.toContain('never frozen')
  expect(second.printed()).toContain('1 view, not refreshed now')
})

test('a view that is frozen elsewhere is made and filled by the next dev', deep, async () => {
  const project = shop()
  const { out } = await project.run(['freeze', '-m', 'first', '--unverified'])
  expect(out).toContain('wrote db/frozen/002_sales')
  const started = await viewkeeperDev(project.folder)
  await started.sees(ready)
  expect(started.printed()).toMatch(/✓ sales +\w+ +[\d.]+ s +1 row/)
})

test(
  'a migration that fails and a view that is not valid are told, and the rest is served',
  deep,
  async () => {
    const project = shop()
    await project.run(['freeze', '-m', 'first', '--unverified'])
    project.write('db/frozen/001_orders.up.sql', 'select 1;')
    project.write('db/views/broken.ts', 'export default 1')
    const started = await viewkeeperDev(project.folder)
    await started.sees(ready)
    expect(started.printed()).toMatch(/✗ migrations\/002_sales\.up\.sql, line \d+: .*orders.*42P01/)
    expect(started.printed()).toMatch(
      /✗ db\/views\/ is not valid:\n +db\/views\/broken\.ts:1 +exports no view/,
    )
    const answer = await fetch(`http://127.0.0.1:${started.port}/views`)
    expect(await answer.json()).toMatchObject({ views: [] })
  },
)

test('on the database of DATABASE_URL nothing is migrated and nothing refreshed', deep, async () => {
  const project = shop()
  const embedded = await viewkeeperDev(project.folder)
  await embedded.sees(ready)
  const url = (await project.run(['dev', '--database-url'])).out.trim()
  await project.run(['freeze', '-m', 'first'], { url })

  const attached = await viewkeeperDev(project.folder, { DATABASE_URL: url })
  await attached.sees(ready)
  expect(attached.printed()).toContain('no view is refreshed and no schedule runs here')
  expect(attached.printed()).toContain(
    'not applied to this database: 002_sales\n  next: npx viewkeeper migrate up',
  )
  expect(attached.printed()).not.toContain('--database-url')
  const answer = await fetch(`http://127.0.0.1:${attached.port}/views`)
  expect(await answer.json()).toMatchObject({ views: [] })
})

test('docs/start.md shows what its commands print', deep, async () => {
  const project = new Project()
  const dev = await viewkeeperDev(project.folder)
  await dev.sees(ready)
  const url = (await project.run(['dev', '--database-url'])).out.trim()
  const sql = postgres(url, { max: 1 })
  await sql`create table orders as select 1 as id, 20 as total`
  await sql.end()
  const sessions = readFileSync('docs/start.md', 'utf8').match(/(?<=^```\n)\$ [^`]*/gm) ?? []
  const typed = sessions
    .flatMap((session) => session.slice(2).split(/^\$ /m))
    .filter((part) => part.startsWith('npx viewkeeper'))
  expect(typed.map((part) => part.split(/\s/)[2])).toEqual(['dev', 'new', 'freeze', 'migrate', 'refresh'])
  for (const part of typed) {
    const [line = '', ...shown] = part.trimEnd().split('\n')
    if (line.includes(' freeze ')) project.write('views/sales.sql', 'select id, total from public.orders\n')
    const printed = / dev$/.test(line)
      ? dev.printed().replaceAll(String(dev.port), '8787').replaceAll(`${project.folder}/`, '')
      : (await project.shell(line, { DATABASE_URL: url, PORT: String(dev.port) })).out
    expect(printed.split('\n').map(withoutFigures), line).toEqual(
      expect.arrayContaining(shown.map(withoutFigures).filter((each) => each !== '…')),
    )
  }
})

/** A line without figures that differ each time. */
const withoutFigures = (line: string) =>
  line
    .replace(/\d[\d.]* s\b/g, 'N s')
    .replace(/\brun \d+/g, 'run N')
    .replace(/ {2,}/g, '  ')
    .trim()
