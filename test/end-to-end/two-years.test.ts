// @module-tag deep

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Sql } from '../../src/server/database.ts'
import { administrator } from '../support/servers/database.ts'
import { startTestServer, type TestServer } from '../support/servers/test-server.ts'
import { freeze } from './command-line/projects.ts'
import { Project } from './support/project.ts'

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
  expect(await project.refused('migrate', 'up')).toMatch(
    /has 002_by_shop, but the folder has 002_best, .*npx viewkeeper migrate down 1$/,
  )

  for (const [way, text] of theirs) project.write(`migrations/002_by_shop.${way}.sql`, text)
  project.author('by_shop', 'select shop from public.orders')
  expect(await project.refused('drift')).toContain(
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
  expect(await project.succeed('drift')).toBe(clean(4))
  expect(await sql`select total from worse`).toEqual([{ total: 299 }])
})
