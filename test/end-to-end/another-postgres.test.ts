import { existsSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { expect, onTestFinished, test } from 'vitest'
import { findFreePort } from '../../local/embedded/port.ts'
import { startEmbeddedPostgres } from '../../local/embedded.ts'
import { npmStart, temporaryFolder } from './support/viewkeeper.ts'

const limit = { timeout: 120_000 }

test(
  'on another Postgres only schema viewkeeper appears, and nothing is refreshed until asked',
  limit,
  async () => {
    const { url, sql } = await anotherPostgres()
    await sql.unsafe('create materialized view sales as select 1 as id with no data')
    const started = await npmStart({ DATABASE_URL: url, DATA_DIR: join(temporaryFolder(), 'none') })
    await started.sees(/Ctrl-C stops everything/)

    expect(started.printed()).toContain('nothing is refreshed or scheduled here until asked')
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

    started.interrupt()
    expect(await started.exitCode).toBe(0)
    expect(await sql`select ispopulated from pg_matviews`).toEqual([{ ispopulated: true }])
  },
)

test('a Postgres that does not answer is one clear line without the password', limit, async () => {
  const started = await npmStart({
    DATABASE_URL: `postgres://me:hunter2@127.0.0.1:${await findFreePort()}/postgres`,
  })
  expect(await started.exitCode).toBe(1)
  expect(started.printed()).toMatch(/^viewkeeper: DATABASE_URL names .+$/m)
  expect(started.printed()).not.toMatch(/hunter2|^ +at /m)
})

test('a wrong password is one clear line', limit, async () => {
  const { url } = await anotherPostgres()
  const started = await npmStart({ DATABASE_URL: url.replace(/:[^:@]+@/, ':hunter2@') })
  expect(await started.exitCode).toBe(1)
  expect(started.printed()).toMatch(/^viewkeeper: .+$/m)
  expect(started.printed()).not.toMatch(/hunter2|^ +at /m)
})

async function anotherPostgres() {
  const server = await startEmbeddedPostgres({ folder: temporaryFolder() })
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
