import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { describeViews, isDefined } from '../../../src/migrate/describe.ts'
import { create } from '../../../src/run/create.ts'
import { drop } from '../../../src/run/drop.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Sql } from '../../../src/server/database.ts'
import { pauseView } from '../../../src/watch/pause.ts'
import { getMetrics, getView, listViews } from '../../../src/watch/read-views.ts'
import { administrator, callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'

const { database, sql, url } = useDatabase()
const call = () => callOn(database)

describe("a temporary view of somebody's session", () => {
  let server: Sql
  let temporary: string

  beforeAll(async () => {
    await sql`create materialized view lasting as select 1 as id`
    server = administrator(url)
    const session = await server.reserve()
    // Before 17 the server refuses to make such a view; a temporary table is no view, either.
    const [server17] = await session`select current_setting('server_version_num')::int >= 170000 as yes`
    const kind = server17?.yes ? 'materialized view' : 'table'
    await session.unsafe(`create ${kind} pg_temp.passing as select 1 as id`)
    const [row] = await session`select pg_my_temp_schema()::regnamespace::text as schema`
    temporary = `${row?.schema}.passing`
  })
  afterAll(() => server.end({ timeout: 0 }))

  test('is in no list, and in no batch of all views', async () => {
    const { views } = await listViews(database)
    expect(views.map(({ view }) => view)).toEqual(['public.lasting'])
    const described = (await describeViews(database, 'all')).filter(isDefined)
    expect(described.map(({ definition }) => definition.name)).toEqual(['lasting'])
    for (const request of [{ all: true }, { pattern: '*' }, { views: ['lasting'], ancestors: true }]) {
      const batchId = await begin(database, request)
      expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
      expect((await getBatch(database, batchId)).views.map(({ view }) => view)).toEqual(['public.lasting'])
    }
    expect(await sql`select name from viewkeeper.definitions`).toEqual([{ name: 'lasting' }])
  })

  test('is unknown if somebody names it', async () => {
    const unknown = { code: 'UnknownView', message: expect.stringContaining(temporary) }
    await expect(refresh({ view: temporary }, call())).rejects.toMatchObject(unknown)
    await expect(drop({ view: temporary, ifExists: false }, call())).rejects.toMatchObject(unknown)
    await expect(getView(database, temporary)).rejects.toMatchObject(unknown)
    await expect(pauseView(database, temporary, true, 'test')).rejects.toMatchObject(unknown)
    await expect(begin(database, { views: [temporary] })).rejects.toMatchObject(unknown)
    await expect(getMetrics(database, { view: temporary, windowSeconds: 60 })).rejects.toMatchObject(unknown)
    await expect(create({ view: temporary, force: true }, call())).rejects.toMatchObject({
      code: 'DefinitionRequired',
    })
    await expect(refresh({ view: 'passing' }, call())).rejects.toMatchObject({ code: 'UnknownView' })
  })
})
