import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import type { Sql } from '../../src/server/connect.ts'
import { administrator } from '../support/servers/database.ts'
import { startTestServer, type TestServer } from '../support/servers/test-server.ts'
import { freeze } from './command-line/projects.ts'
import { Project } from './support/project.ts'

// A command takes seconds on a busy machine, and two years have many.
vi.setConfig({ testTimeout: 400_000 })

let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
})

afterAll(async () => {
  await server.stop()
})

/** A database with a table of orders, and a superuser's connection to it. */
async function database(name: string, column: string): Promise<{ url: string; sql: Sql }> {
  const admin = administrator(server.url)
  await admin.unsafe(`create database ${name}`)
  await admin.end()
  const url = server.url.replace(/[^/]*$/, name)
  const sql = administrator(url)
  onTestFinished(() => sql.end({ timeout: 1 }))
  await sql.unsafe(
    `create table orders as select i as id, i % 3 as shop, i * 10 as ${column} from generate_series(1, 30) i`,
  )
  return { url, sql }
}

const clean = (views: number) => `  ✓ ${views} views: authored, frozen and live are the same\n`

test('after two years, with a table that has changed, a new database is built and the old one goes on', async () => {
  const old = await database('old_one', 'total')
  const project = new Project(old.url)

  // The first year: views that read each other, own SQL between them, a change, a rename and a removal.
  project.author('sales', 'select id, shop, total from public.orders', `uniqueKey: ['id']`)
  project.author('forgotten', 'select id from public.orders')
  await project.succeed(...freeze())
  project.write(
    'migrations/003_rate.up.sql',
    "create function public.rate(n bigint) returns bigint language sql immutable as 'select n * 2';\n",
  )
  project.write('migrations/003_rate.down.sql', 'drop function public.rate(bigint);\n')
  await project.succeed('migrate', 'up')
  project.author('by_shop', 'select shop, public.rate(sum(total)) as total from public.sales group by shop')
  await project.succeed(...freeze())
  project.unauthor('forgotten')
  await project.succeed(...freeze('--remove', 'forgotten'))
  project.author('sales', 'select id, shop, total from public.orders', `uniqueKey: ['id'], retries: 3`)
  await project.succeed(...freeze())
  await project.succeed('migrate', 'up')
  expect(await project.succeed('check')).toBe(clean(2))

  // The second year: the application renames a column. The live view follows, the frozen text does not.
  await old.sql`alter table orders rename total to amount`
  project.author(
    'sales',
    'select id, shop, amount as total\nfrom public.orders -- in cents',
    `uniqueKey: ['id'], retries: 3`,
  )
  expect(await project.succeed(...freeze('sales'))).toContain('wrote migrations/007_sales.up.sql')
  expect(await project.succeed('migrate', 'up')).toBe('  ✓ 007_sales   recorded\n  1 migration applied\n')
  expect(await project.succeed('check')).toBe(clean(2))

  // A new database is built from nothing, although the first query names a column that is gone.
  const fresh = await database('new_one', 'amount')
  const inNew = async (...args: string[]) => project.run(args, { url: fresh.url })
  expect((await inNew('migrate', 'up')).out).toMatch(
    /001_forgotten {3}created.*\n.*002_sales {3}created.*\n.*003_rate {3}ran\n.*004_by_shop {3}created.*\n.*005_remove_forgotten {3}dropped.*\n.*006_sales {3}recorded\n.*007_sales {3}recorded\n {2}7 migrations applied\n$/,
  )
  expect(await fresh.sql`select sum(total)::int as total from by_shop`).toEqual([{ total: 9300 }])
  expect((await inNew('check')).out).toBe(clean(2))

  // Both go on from there.
  project.author('sales', 'select id, shop, amount as total from public.orders', `comment: 'in cents'`)
  expect(await project.succeed(...freeze('sales'))).toContain('wrote migrations/008_sales.up.sql')
  for (const { url } of [old, fresh]) {
    expect((await project.run(['migrate', 'up'], { url })).out).toContain('008_sales   altered')
    expect((await project.run(['check'], { url })).out).toBe(clean(2))
  }
})

test('two branches that froze one number are brought together by renaming files', async () => {
  const { url, sql } = await database('shared', 'total')
  const project = new Project(url)
  project.author('sales', 'select id, total from public.orders')
  await project.succeed(...freeze())
  // The other branch: its migration is applied, and comes here by a merge.
  project.author('by_shop', 'select shop from public.orders')
  await project.succeed(...freeze())
  await project.succeed('migrate', 'up')
  const theirs = ['up', 'down'].map(
    (way) => [way, project.read(`migrations/002_by_shop.${way}.sql`)] as const,
  )
  for (const [way] of theirs) project.remove(`migrations/002_by_shop.${way}.sql`)
  // This branch has two, of which the second reads the first.
  project.unauthor('by_shop')
  project.author('best', 'select max(total) as total from public.orders')
  await project.succeed(...freeze('--unverified'))
  project.author('worse', 'select total - 1 as total from public.best')
  await project.succeed(...freeze('--unverified'))
  expect(await project.refused('migrate', 'up')).toBe(
    'migrations/: this database has 002_by_shop, but the folder has 002_best, because two branches froze number 2. ' +
      'Merge the branch that has 002_by_shop, and rename the files of 002_best and of all that follow it, so that they come after all others. ' +
      'If the database is your own, you can also check out that branch and run: npx viewkeeper migrate down 1',
  )

  for (const [way, text] of theirs) project.write(`migrations/002_by_shop.${way}.sql`, text)
  project.author('by_shop', 'select shop from public.orders')
  expect(await project.refused('check')).toContain(
    '002_best and 002_by_shop have the same number, because two branches',
  )
  for (const [from, to] of [
    ['003_worse', '004_worse'],
    ['002_best', '003_best'],
  ])
    for (const way of ['up', 'down']) {
      project.write(`migrations/${to}.${way}.sql`, project.read(`migrations/${from}.${way}.sql`))
      project.remove(`migrations/${from}.${way}.sql`)
    }
  expect(await project.succeed('migrate', 'up')).toMatch(/003_best {3}created.*\n.*004_worse {3}created/)
  expect(await project.succeed('check')).toBe(clean(4))
  expect(await sql`select total from worse`).toEqual([{ total: 299 }])
})
