import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { readFacts } from '../../../src/record/definitions/state-facts.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { makeLog } from '../../../src/slices/plan/log.ts'
import { administrator, callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'

// An incremental table, its query and its log in dumps by pg_dump.

const { database, sql, url } = useDatabase()
const folder = useFolders()
const run = promisify(execFile)
const program = (name: string) => join(process.env.POSTGRES as string, name)

const daily = definition('daily', 'select day, count(*) as n from app.orders group by day', {
  schema: 'app',
  storage: 'table',
  indexes: [{ name: 'daily_key', unique: true, on: '(day)' }],
  slices: { by: 'day' },
})

beforeAll(async () => {
  await sql.unsafe(`
    create schema app; create table app.orders (id int primary key generated always as identity, day date);
    insert into app.orders (day) select date '2026-11-01' + i % 10 from generate_series(1, 200) i`)
  const migrations = await folder('dumped')
  await migrations.freeze([daily])
  await migrateUp(migrateCall(database), await migrations.read())
  const [row] = await sql<[{ oid: number; query: number }]>`
    select 'app.daily'::regclass::oid::int8 as oid, 'app.daily_query'::regclass::oid::int8 as query`
  const log = await planLog(sql, { ...row, schema: 'app', name: 'daily' })
  for (const statement of makeLog(log)) await sql.unsafe(statement)
  await refresh({ view: 'app.daily' }, callOn(database))
  await sql`update app.orders set day = '2026-11-02' where id = 4`
})

test.each([
  ['of its schema and that of its log', ['-n', 'app', '-n', 'viewkeeper_logs']],
  ['of the whole database', []],
])(
  'a dump %s brings its rows; what the log tells there is not believed, and all rows are right after a refresh',
  async (_, parts) => {
    const path = join(tmpdir(), `${randomUUID()}.sql`)
    await run(program('pg_dump'), [...parts, '-f', path, url])
    const name = `restored_${randomUUID().slice(0, 8)}`
    await sql.unsafe(`create database ${name} template template0`)
    const target = new URL(url)
    target.pathname = `/${name}`
    const there = administrator(target.href)
    const restored = connectTo(fromUrl(target.href))
    try {
      await run(program('psql'), ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', path, target.href])
      await migrate(restored, schemaFolder)
      const rows = await sql`select * from app.daily order by 1`
      expect(await there`select * from app.daily order by 1`).toEqual(rows)
      const { views } = await readFacts(there)
      expect(views.map(({ view, populated }) => [view, populated])).toEqual([['app.daily', true]])
      expect((await readDrift(restored, [daily])).map(({ message }) => message)).toEqual([])
      await there`update app.orders set day = '2026-12-01' where id = 5`
      const { response } = await refresh({ view: 'app.daily' }, callOn(restored))
      expect(response?.because).toMatch(/^computes all .*; 4 rows written$/)
      expect(
        await there`(table app.daily except all table app.daily_query) union all (table app.daily_query except all table app.daily)`,
      ).toEqual([])
      await there`update app.orders set day = '2026-12-01' where id = 6`
      expect((await refresh({ view: 'app.daily' }, callOn(restored))).response?.because).toMatch(
        /^computes 2 (of about \d+ )?slices/,
      )
    } finally {
      await there.end({ timeout: 1 })
      await sql.unsafe(`drop database ${name} with (force)`)
    }
  },
)
