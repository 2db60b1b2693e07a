import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { migrate } from '../../src/own-schema/apply.ts'
import { downgradeSchema, upgradeSchema } from '../../src/own-schema/upgrade.ts'
import { refresh } from '../../src/run/refresh.ts'
import { connectTo } from '../../src/server/connect.ts'
import type { Database, Sql } from '../../src/server/database.ts'
import { deleteRows, insertRow, updateRows } from '../support/record/rows.ts'
import { administrator, callOn, schemaFolder } from '../support/servers/database.ts'
import { startTestServer, type TestServer } from '../support/servers/test-server.ts'
import { Project, type Ran } from './support/project.ts'

/** Databases on which versions before the first release have worked, as pg_dump writes them. The first has no incremental tables. */
const versions = [
  { version: '3e776793', daily: [/./, /./] },
  {
    version: 'bdc2f507',
    daily: [
      /^computes all slices of day anew: the last refresh has not read the log/,
      /^computes 1 (of about 10 )?slices of day anew, /,
    ],
  },
]

let server: TestServer
let admin: Sql
beforeAll(async () => {
  server = await startTestServer()
  admin = administrator(server.url)
  await admin.unsafe(`
    create role boss login createrole; create role app_owner; create role reporting; create role viewkeeper; create role viewkeeper_views;
    create role viewkeeper_app login password 'secret'; grant viewkeeper to viewkeeper_app;
    grant viewkeeper_views, app_owner, pg_read_all_stats to viewkeeper`)
})
afterAll(async () => {
  await admin.end({ timeout: 1 })
  await server.stop()
})

describe.each(versions)('a schema of version $version', ({ version, daily }) => {
  let sql: Sql
  let login: string
  let database: Database
  beforeAll(async () => {
    await admin.unsafe(`create database "${version}" owner boss`)
    await admin.unsafe(`grant create, temporary on database "${version}" to viewkeeper`)
    const url = new URL(server.url)
    url.pathname = version
    const dump = gunzipSync(await readFile(new URL(`../support/older/${version}.sql.gz`, import.meta.url)))
    const restoring = administrator(url.href)
    await restoring.unsafe(dump.toString()).simple()
    await restoring.end()
    sql = administrator(url.href)
    // A dump restores another database, in which Viewkeeper has filled nothing.
    await updateRows(
      sql,
      'runs',
      {},
      { filled: sql`viewkeeper.filling(to_regclass(format('%I.%I', schema_name, view_name)))` },
    )
    await sql`grant usage on schema viewkeeper to reporting`
    await sql`grant select on viewkeeper.freshness to reporting`
    Object.assign(url, { username: 'viewkeeper_app', password: 'secret' })
    login = url.href
    database = connectTo(fromUrl(login))
  })
  afterAll(() => sql.end({ timeout: 1 }))

  const run = (...args: string[]): Promise<Ran> => new Project(login).run(args)

  /** Refreshes app.daily, and says why it did as it did. */
  const refreshDaily = async () =>
    (await refresh({ view: 'app.daily', force: true }, callOn(database))).response?.because

  /** What is carried over, by table. */
  const record = async (schema: string) => ({
    runs: await sql`select id, definition_id, batch_id, view_name, status, trigger, requested_by, finished_at, duration_ms, row_count_after, as_of, error
                      from ${sql(schema)}.runs order by id`,
    definitions:
      await sql`select id, schema_name, name, sql, paused_at, target_lag_seconds, removed_at from ${sql(schema)}.definitions order by id`,
    migrations: await sql`select * from ${sql(schema)}.migrations order by number`,
    actions: await sql`select * from ${sql(schema)}.actions order by id`,
    pauseEnds: await sql`select value from ${sql(schema)}.switches where key = 'pause ends'`,
  })

  test.each([
    {
      what: 'another process of Viewkeeper is connected',
      make: (one: Sql) => one`set application_name = 'viewkeeper leading'`,
      undo: (one: Sql) => one`reset application_name`,
      says: /^Nothing was changed: Viewkeeper is at work: process \d+ \(viewkeeper leading\)\. Stop every serve/,
    },
    {
      what: 'a view is set aside',
      make: (one: Sql) =>
        insertRow(one, 'setAside', {
          act: 1,
          position: 1,
          kind: 'view',
          name: 'app.away',
          item: {},
          reading: '{}',
        }),
      undo: (one: Sql) => deleteRows(one, 'setAside'),
      says: /^Nothing was changed: the schema remembers app\.away, set aside\./,
    },
    {
      what: 'a view of others reads it',
      make: (one: Sql) => one`create view app.dashboard as select * from viewkeeper.freshness`,
      undo: (one: Sql) => one`drop view app.dashboard`,
      says: /view app\.dashboard\n\nNothing was changed\. Drop these/,
    },
  ])('stays as it is while $what', async ({ make, undo, says }) => {
    const oid = () => sql`select 'viewkeeper'::regnamespace::oid as oid`
    const [before] = await oid()
    const session = await sql.reserve()
    await make(session as unknown as Sql)
    await expect(upgradeSchema(database, schemaFolder)).rejects.toThrow(says)
    await undo(session as unknown as Sql)
    session.release()
    expect((await oid())[0]).toEqual(before)
  })

  test('is refused by this version, which names the command that carries its record over; the other way gives it back', async () => {
    await expect(migrate(database, schemaFolder)).rejects.toThrow('npx viewkeeper migrate schema')
    const older = await record('viewkeeper')
    expect(await run('migrate', 'schema')).toMatchObject({ code: 0, err: '' })
    expect(await record('viewkeeper')).toEqual(older)
    expect(older.runs.map(({ status }) => status)).toEqual(expect.arrayContaining(['success', 'failed']))
    expect(older.definitions.filter(({ paused_at }) => paused_at !== null)).toHaveLength(2)
    const [{ known, granted }] = await sql<[{ known: boolean; granted: boolean }]>`
      select bool_and(as_of is not null) as known, has_table_privilege('reporting', 'viewkeeper.freshness', 'select') as granted
        from viewkeeper.freshness where view in ('app.regions', 'app.share')`
    expect({ known, granted }).toEqual({ known: true, granted: true })
    expect(await upgradeSchema(database, schemaFolder)).toBeNull()

    expect(await refreshDaily()).toMatch(daily[0]!)
    await sql`insert into app.orders values (2000, '2026-01-05', 'r1', 70)`
    expect(await refreshDaily()).toMatch(daily[1]!)
    expect(await sql`select * from app.daily except select * from app.daily_query`).toHaveLength(0)
    expect((await record('viewkeeper')).runs.map(({ id }) => id)).toEqual(
      [...older.runs.map(({ id }) => id), 1, 2].map((id, at) =>
        at < older.runs.length ? id : older.runs.at(-1)?.id + id,
      ),
    )

    await insertRow(sql, 'migrations', { number: 5, name: '005_later', checksum: 'x' })
    expect(await run('migrate', 'schema', '--back', '--yes')).toMatchObject({
      code: 1,
      err: expect.stringContaining(
        'what has become of 005_later. Undo that first: npx viewkeeper migrate down',
      ),
    })
    await deleteRows(sql, 'migrations', { number: 5 })
    expect(await run('migrate', 'schema', '--back', '--yes')).toMatchObject({ code: 0, err: '' })
    expect(await record('viewkeeper')).toEqual(older)
    await expect(downgradeSchema(database)).rejects.toThrow('there is no schema viewkeeper_before')

    // What the older version has begun nobody ends.
    await insertRow(sql, 'batches', { id: 'open', selection: ['open'] })
    await insertRow(sql, 'runs', { view: 'app.share', batchId: 'open', plan: {} })
    await upgradeSchema(database, schemaFolder)
    const [open] = await sql`
      select r.status, r.plan, r.error ->> 'class' as class, b.status as batch
        from viewkeeper.runs r join viewkeeper.batches b on b.id = r.batch_id where b.id = 'open'`
    expect(open).toEqual({ status: 'canceled', plan: null, class: 'Canceled', batch: 'canceled' })
  })
})
