import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startBatch } from '../../../src/batch/start.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { beginMonitoring } from '../../../src/record/watch/looks.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Sql } from '../../../src/server/database.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { insertRow, updateRows } from '../../support/record/rows.ts'
import { administrator, callOn, templateDatabase, useDatabase } from '../../support/servers/database.ts'
import { callPutBack, callSetAside } from '../../support/views/alter.ts'

// Copies of a database that is at work: docs/databases.md says what is in them, and has the SQL that is executed here.

const { url } = useDatabase()
const addressOf = (name: string) => url.replace(/[^/]*$/, name)
const page = readFileSync(new URL('../../../docs/databases.md', import.meta.url), 'utf8')
const silenced = /```sql\n([^`]+)```/.exec(page)?.[1] as string
const name = () => `copy_${randomUUID().slice(0, 8)}`
const origin = name()
const { POSTGRES = '' } = process.env

const at = (of: string) => ({
  sql: administrator(addressOf(of)),
  database: connectTo(fromUrl(addressOf(of))),
})

async function byDump(copy: string) {
  const file = join(tmpdir(), `${copy}.dump`)
  await promisify(execFile)(join(POSTGRES, 'pg_dump'), ['-Fc', '-f', file, addressOf(origin)])
  await promisify(execFile)(join(POSTGRES, 'pg_restore'), ['--exit-on-error', '-d', addressOf(copy), file])
  await rm(file)
}

/** Only a distribution's server comes with `pg_dump`. */
const ways: [string, (copy: string, admin: Sql) => Promise<unknown>][] = [
  ['made from a template', (copy, admin) => admin.unsafe(`create database ${copy} template ${origin}`)],
  ...(POSTGRES.includes('/')
    ? ([
        [
          'restored from a dump',
          async (copy, admin) => {
            await admin.unsafe(`create database ${copy} template template0`)
            await byDump(copy)
          },
        ],
      ] as typeof ways)
    : []),
]

const running = (sql: Sql) =>
  sql`select error ->> 'class' as class, status from viewkeeper.runs where requested_by = 'a process of the original'`
const ages = (sql: Sql) =>
  sql`select name, as_of is not null as known, last_success_at is not null as "hasSuccess" from viewkeeper.view_status order by 1`
const look = (database: ReturnType<typeof connectTo>) =>
  monitor(database, { schedules: unscheduled, publish: unheard })

beforeAll(async () => {
  const admin = administrator(url)
  await admin.unsafe(`create database ${origin} template ${templateDatabase}`)
  await admin.end()
  const { sql, database } = at(origin)
  await sql.unsafe(`
    create table orders as select 1 as id, 10 as total; create table shops as select 1 as id;
    create materialized view daily as select id from orders; create materialized view of_shops as select id from shops;
    create materialized view broken as select 1 / (count(*) - count(*)) as x from orders with no data`)
  await database.withConnection(beginMonitoring)
  for (const view of ['daily', 'of_shops', 'broken']) await refresh({ view }, callOn(database))
  await callSetAside(database, ['public.shops'])
  const now = new Date()
  const worked = { status: 'running', startedAt: now, backendPid: 1, backendStart: now }
  await insertRow(sql, 'runs', { view: 'daily', requestedBy: 'a process of the original', ...worked })
  await sql.end()
})

describe.each(ways)('a database %s', (_, make) => {
  /** A copy, which is gone after the test, and its original. */
  async function copied() {
    const admin = administrator(url)
    const copy = name()
    await make(copy, admin)
    const here = at(copy)
    const there = at(origin)
    onTestFinished(async () => {
      await Promise.all([here.sql.end(), there.sql.end()])
      await admin.unsafe(`drop database ${copy} with (force)`)
      await admin.end()
    })
    return { here, there }
  }

  test('ends by its next run what runs in the original, which keeps its own; nobody knows its ages before', async () => {
    const { here, there } = await copied()
    const before = await ages(here.sql)
    expect(before).toContainEqual({ name: 'daily', known: false, hasSuccess: true })
    // A lock in the original is none in the copy, also on a view with the same OID.
    await there.sql.begin(async (transaction) => {
      await transaction`refresh materialized view daily`
      expect(await refresh({ view: 'daily' }, callOn(here.database))).toMatchObject({ status: 'updated' })
    })
    expect(await ages(here.sql)).toContainEqual({ name: 'daily', known: true, hasSuccess: true })
    expect(await running(here.sql)).toEqual([{ class: 'RunLost', status: 'failed' }])
    expect(await running(there.sql)).toEqual([{ class: null, status: 'running' }])
  })

  test('has the ages of the record again when a person says so, and proves nothing by counters of before', async () => {
    const { here } = await copied()
    await look(here.database)
    const { causes } = await getWhy(here.database, 'daily', { schedules: unscheduled, typed: null })
    expect(causes.map(({ text }) => text).join(' ')).toContain(
      "the database was restored or copied since run 1 filled it. To take the record's word for all views: select viewkeeper.keep_ages().",
    )
    const found = async () =>
      (await doctor(here.database, { views: 'all', role: null })).notSkipped!.map(({ next }) => next)
    expect(await found()).toContain('select viewkeeper.keep_ages();')
    expect(await here.sql`select * from viewkeeper.keep_ages() as view`).toEqual([{ view: 'public.daily' }])
    expect(await ages(here.sql)).toContainEqual({ name: 'daily', known: true, hasSuccess: true })
    expect(await found()).not.toContain('select viewkeeper.keep_ages();')
    expect(await here.sql`select touched from viewkeeper.runs where id = 1`).toEqual([{ touched: null }])
    expect(await here.sql`select * from viewkeeper.keep_ages() as view`).toEqual([])
  })

  test('puts back what was set aside in the original, where it stays aside', async () => {
    const { here, there } = await copied()
    const { back, misfits } = await callPutBack(here.database)
    expect([back.map((each) => each.name), misfits]).toEqual([['public.of_shops'], []])
    expect(await here.sql`select id from of_shops`).toEqual([{ id: 1 }])
    expect(await there.sql`select name from viewkeeper.set_aside`).toEqual([{ name: 'public.of_shops' }])
  })

  test('tells again what the original had not told, and has no turn of its own only if it was silenced', async () => {
    const { here, there } = await copied()
    const scheduled = () => startBatch({ all: true }, callOn(here.database, { trigger: 'schedule' }))
    expect(await here.database.withConnection(beginMonitoring)).toBe(false)
    const told = await look(here.database)
    expect(told).toMatchObject({ lost: 1, publishedRuns: 4 })
    await updateRows(here.sql, 'runs', {}, { publishedAt: null })
    await here.sql.unsafe(silenced)
    expect(await here.database.withConnection(beginMonitoring)).toBe(true)
    expect(await look(here.database)).toMatchObject({ publishedRuns: 0, waitingSeconds: null })
    expect(await scheduled()).toMatchObject({ status: 'skipped', error: { class: 'Paused' } })
    expect(await there.sql`select key from viewkeeper.switches where key = 'paused'`).toEqual([])
    expect(await there.sql`select 1 from viewkeeper.switches where key = 'monitored'`).toHaveLength(1)
  })
})
