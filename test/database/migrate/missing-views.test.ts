import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { logger } from '../../../src/api/lambda/lifetime.ts'
import { serveMigrations } from '../../../src/api/lambda/migrate.ts'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { bringUp, migrateDown, migrationStatus } from '../../../src/migrate/migrate.ts'
import { frozenState } from '../../../src/migrate/plan/frozen.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import type { Sql } from '../../../src/server/database.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { deep } from '../../support/deep.ts'
import { deleteRows } from '../../support/record/rows.ts'
import { schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { definition, type FrozenFolder, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

// Somebody drops views by hand, often with `cascade`.

const folder = useFolders()
const { database, sql } = useDatabase()
let folders = 0

beforeEach(async () => {
  await deleteRows(sql, 'migrations')
  await sql.unsafe(`
    drop table if exists orders cascade; drop schema if exists shop cascade;
    create schema shop;
    create table orders as select i as id, i % 3 as shop, i * 10 as total from generate_series(1, 30) i`)
})

const inShop = (name: string, query: string, more: Partial<Definition> = {}) =>
  definition(name, query, { schema: 'shop', ...more })

const sales = inShop('sales', 'select id, shop, total from public.orders', {
  indexes: [{ name: 'sales_key', unique: true, on: '(id)' }],
  comment: 'Sales.',
  grants: [{ privileges: ['select'], to: 'public' }],
  schedule: '0 6 * * *',
  timeZone: 'UTC',
})
const byShop = inShop('by_shop', 'select shop, sum(total) as total from shop.sales group by shop')
const best = inShop('best', 'select max(total) as total from shop.by_shop')

const newFolder = () => folder(`missing ${++folders}`)

async function applied(...states: Definition[][]): Promise<FrozenFolder> {
  const frozen = await newFolder()
  for (const state of states) await frozen.freeze(state)
  await up(frozen)
  return frozen
}

const up = async (frozen: FrozenFolder, repair = false) =>
  bringUp(migrateCall(database), await frozen.read(), { repair })

const repairedIn = async (frozen: FrozenFolder) => (await up(frozen, true)).repaired.map(({ name }) => name)

const missingIn = async (frozen: FrozenFolder) => (await up(frozen)).missing.map(({ view }) => view)

/** What the catalog says about a view, without the OIDs of its dependents. */
async function described(on: Sql, view: string) {
  const { dependents: _, ...rest } = await describeInCatalog(on, view)
  return rest
}

const differences = async (frozen: FrozenFolder) =>
  (await readDrift(database, [...frozenState(await frozen.read()).values()])).filter(
    ({ kind }) => kind !== 'unmanaged',
  )

describe('missing views', () => {
  test('are named by migrate up and by its status, and nothing is done to them', async () => {
    const frozen = await applied([sales, byShop, best])
    await sql`drop materialized view shop.by_shop cascade`
    const before = await wholeCatalog(sql)
    const missing = [
      { view: 'shop.by_shop', migration: '002_by_shop', because: null },
      { view: 'shop.best', migration: '003_best', because: null },
    ]
    expect(await up(frozen)).toEqual({ applied: [], ahead: [], repaired: [], missing })
    expect(await migrationStatus(database, await frozen.read())).toMatchObject({ pending: [], missing })
    expect((await differences(frozen)).map(({ view, kind }) => [view, kind])).toEqual([
      ['shop.by_shop', 'missing'],
      ['shop.best', 'missing'],
    ])
    expect(await wholeCatalog(sql)).toEqual(before)
  })

  test('are made again as they were frozen, with all that belongs to them, and in recorded runs', async () => {
    const frozen = await applied([sales, byShop, best])
    const views = ['shop.sales', 'shop.by_shop', 'shop.best']
    const before = await Promise.all(views.map((view) => described(sql, view)))
    await sql`drop materialized view shop.sales cascade`
    const { repaired, missing } = await up(frozen, true)
    expect(missing).toEqual([])
    expect(repaired).toEqual(
      views.map((name) => ({
        name,
        way: 'repair',
        does: 'create',
        runId: expect.any(Number),
        durationMs: expect.any(Number),
      })),
    )
    expect(await Promise.all(views.map((view) => described(sql, view)))).toEqual(before)
    expect(await sql`select total::int from shop.best`).toEqual([{ total: 1650 }])
    expect(await differences(frozen)).toEqual([])
    const [run] = await sql`
      select r.operation, r.status, r.trigger, r.requested_by, r.meta -> 'request' as request, d.name, d.source, d.schedule
        from viewkeeper.runs r join viewkeeper.definitions d on d.id = r.definition_id
       where r.id = ${repaired[0]?.runId ?? 0}`
    expect(run).toEqual({
      operation: 'create',
      status: 'success',
      trigger: 'cli',
      requested_by: 'test',
      request: { migration: '001_sales', way: 'repair' },
      name: 'sales',
      source: 'authored',
      schedule: '0 6 * * *',
    })
    const catalog = await wholeCatalog(sql)
    expect(await up(frozen, true)).toEqual({ applied: [], ahead: [], repaired: [], missing: [] })
    expect(await wholeCatalog(sql)).toEqual(catalog)
  })

  test(
    'are made in the order in which they read each other, which is not that in which they were frozen',
    deep,
    async () => {
      const early = inShop('early', 'select 1 as id')
      const late = inShop('late', 'select id from public.orders')
      const frozen = await applied(
        [early, late],
        [{ ...early, sql: 'select max(id) as id from shop.late' }, late],
      )
      await sql`drop materialized view shop.late cascade`
      expect(await missingIn(frozen)).toEqual(['shop.early', 'shop.late'])
      expect(await repairedIn(frozen)).toEqual(['shop.late', 'shop.early'])
      expect(await sql`select id from shop.early`).toEqual([{ id: 30 }])
    },
  )

  test('that read others inside a function wait for those that they declare', deep, async () => {
    await sql.unsafe(`create function shop.newest() returns bigint language plpgsql as
      'begin return (select max(id) from shop.sales); end'`)
    const above = inShop('above', 'select 1::bigint as id')
    const declaring = { ...above, sql: 'select shop.newest() as id', dependsOn: ['sales'] }
    const frozen = await applied([above, sales], [declaring, sales])
    await sql`drop materialized view shop.sales, shop.above`
    expect(await repairedIn(frozen)).toEqual(['shop.sales', 'shop.above'])
    expect(await sql`select id::int from shop.above`).toEqual([{ id: 30 }])
  })

  test(
    'that were renamed come back under their new name, and removed ones do not come back',
    deep,
    async () => {
      const to = { schema: 'shop', name: 'turnover' }
      const gone = inShop('gone', 'select 1 as id')
      const frozen = await applied([sales, gone])
      await frozen.freeze([{ ...sales, ...to }], { renames: [{ from: sales, to }], removes: [gone] })
      await up(frozen)
      await sql`drop materialized view shop.turnover`
      expect((await up(frozen)).missing).toEqual([
        { view: 'shop.turnover', migration: '003_turnover', because: null },
      ])
      expect(await repairedIn(frozen)).toEqual(['shop.turnover'])
      expect(await differences(frozen)).toEqual([])
    },
  )

  test('that were adopted come back, and those that an undone migration had made are not missing', async () => {
    await sql`create materialized view shop.sales as select id from orders`
    const adopted = inShop('sales', 'select id from public.orders')
    const frozen = await newFolder()
    await frozen.freeze([adopted], { adopts: true })
    await up(frozen)
    await sql`drop materialized view shop.sales`
    expect(await repairedIn(frozen)).toEqual(['shop.sales'])
    await migrateDown(migrateCall(database), await frozen.read(), 1)
    await sql`drop materialized view shop.sales`
    expect(await migrationStatus(database, await frozen.read())).toMatchObject({ missing: [] })
  })

  test('are not looked for in a folder that is behind the database', async () => {
    const frozen = await applied([sales])
    const behind = await newFolder()
    await behind.freeze([sales])
    await frozen.freeze([], { removes: [sales] })
    await up(frozen)
    expect(await up(behind, true)).toEqual({
      applied: [],
      ahead: ['002_remove_sales'],
      repaired: [],
      missing: [],
    })
  })
})

describe('a missing view that cannot be made again is named with the reason, and the others are made', () => {
  test('the plain view under it is own SQL, which is not made again', deep, async () => {
    const frozen = await newFolder()
    await frozen.freeze([sales])
    await frozen.write(
      '002_totals.up.sql',
      'create or replace view shop.totals as select shop, total from shop.sales;\n',
    )
    await frozen.write('002_totals.down.sql', 'drop view shop.totals;\n')
    await frozen.freeze([sales, inShop('over_plain', 'select sum(total) as total from shop.totals'), byShop])
    await up(frozen)
    await sql`drop materialized view shop.sales cascade`
    const { repaired, missing } = await up(frozen, true)
    expect(repaired.map(({ name }) => name)).toEqual(['shop.sales', 'shop.by_shop'])
    expect(missing).toEqual([
      {
        view: 'shop.over_plain',
        migration: '003_over_plain',
        because: 'relation "shop.totals" does not exist (42P01).',
      },
    ])
    await sql.unsafe('create or replace view shop.totals as select shop, total from shop.sales')
    expect(await repairedIn(frozen)).toEqual(['shop.over_plain'])
    expect(await up(frozen, true)).toMatchObject({ repaired: [], missing: [] })
  })

  test('somebody holds a lock on what it reads: who, and what ends that', async () => {
    const frozen = await applied([sales])
    await sql`drop materialized view shop.sales cascade`
    const missing = await sql.begin(async (holder) => {
      await holder`lock table orders`
      const [{ pid }] = await holder<[{ pid: number }]>`select pg_backend_pid() as pid`
      const { because } = (await up(frozen, true)).missing[0]!
      expect(because).toContain(`process ${pid} (`)
      return because
    })
    expect(missing).toMatch(/holds AccessExclusiveLock on public\.orders\. .*pg_terminate_backend\(\d+\);$/)
    expect(await repairedIn(frozen)).toEqual(['shop.sales'])
  })

  test('a table under it is gone, and a view that reads it waits', deep, async () => {
    const frozen = await applied([sales, byShop, inShop('free', 'select 1 as id')])
    await sql`drop table orders cascade`
    await sql`drop materialized view shop.free`
    const { repaired, missing } = await up(frozen, true)
    expect(repaired.map(({ name }) => name)).toEqual(['shop.free'])
    expect(missing.map(({ view, because }) => `${view}: ${because}`)).toEqual([
      'shop.sales: relation "public.orders" does not exist (42P01).',
      'shop.by_shop: relation "shop.sales" does not exist (42P01). shop.sales is missing too.',
    ])
  })

  test('its query fails on the data: the failed run is named', async () => {
    const frozen = await applied([
      inShop('ratio', 'select 10 / id as ratio from public.orders'),
      byShopOf('ratio'),
    ])
    await sql`drop materialized view shop.ratio cascade`
    await sql`insert into orders values (0, 0, 0)`
    const { repaired, missing } = await up(frozen, true)
    expect(repaired).toEqual([])
    expect(missing[0]?.because).toMatch(/\(22012\), run \d+\.$/)
    expect(missing[1]?.because).toContain('shop.ratio is missing too')
    expect(
      await sql`select count(*)::int as n from viewkeeper.runs where schema_name = 'shop' and view_name = 'ratio' and status = 'failed'`,
    ).toEqual([{ n: 1 }])
  })

  test('something else has its name', async () => {
    const frozen = await applied([sales])
    await sql`drop materialized view shop.sales`
    await sql`create table shop.sales (id integer)`
    expect((await up(frozen, true)).missing).toMatchObject([
      { view: 'shop.sales', because: 'shop.sales is a table, not a materialized view.' },
    ])
  })

  const byShopOf = (view: string) => inShop(`of_${view}`, `select count(*) as n from shop.${view}`)
})

describe('a migration that the database lacks', () => {
  test('needs a missing view: it fails and names the view; with repair it is applied', async () => {
    const frozen = await applied([sales])
    await sql`drop materialized view shop.sales`
    await frozen.freeze([sales, byShop])
    const { message } = await refusalOf(up(frozen))
    expect(message).toMatch(
      /^migrations\/002_by_shop\.up\.sql, line 11: .* missing: shop\.sales \(001_sales\)\. .*--repair/,
    )
    expect(await up(frozen, true)).toMatchObject({
      repaired: [{ name: 'shop.sales' }],
      applied: [{ name: '002_by_shop', does: 'create' }],
      missing: [],
    })
  })

  test('needs a plain view that no migration makes: it fails, and names adopt, which may have left it out', async () => {
    const frozen = await applied([sales])
    await frozen.freeze([sales, inShop('over_left_out', 'select id from shop.left_out')])
    expect((await refusalOf(up(frozen))).message).toMatch(
      /^migrations\/002_over_left_out\.up\.sql, line 11: .*"shop\.left_out" .*`adopt`.*--trust/,
    )
    await sql.unsafe('create view shop.left_out as select id from shop.sales')
    expect(await up(frozen)).toMatchObject({ applied: [{ name: '002_over_left_out', does: 'create' }] })
  })

  test('renames a missing view: it fails and names the view; with repair it is applied', deep, async () => {
    const frozen = await applied([sales])
    await sql`drop materialized view shop.sales`
    const to = { schema: 'shop', name: 'turnover' }
    await frozen.freeze([{ ...sales, ...to }], { renames: [{ from: sales, to }] })
    expect((await refusalOf(up(frozen))).message).toContain('are missing: shop.sales (001_sales)')
    expect(await up(frozen, true)).toMatchObject({
      repaired: [{ name: 'shop.sales' }],
      applied: [{ name: '002_turnover', does: 'rename' }],
    })
  })

  test('makes a missing view itself: it is made once, and what reads it afterwards', deep, async () => {
    const frozen = await applied([sales, byShop])
    await sql`drop materialized view shop.sales cascade`
    await frozen.freeze([{ ...sales, sql: 'select id, shop, total + 1 as total from public.orders' }, byShop])
    expect(await up(frozen, true)).toMatchObject({
      applied: [{ name: '003_sales', does: 'create' }],
      repaired: [{ name: 'shop.by_shop' }],
      missing: [],
    })
    expect(await differences(frozen)).toEqual([])
  })

  test('does not need the missing view: it is applied, and the view is named', async () => {
    const frozen = await applied([sales])
    await sql`drop materialized view shop.sales`
    await frozen.freeze([sales, inShop('free', 'select 1 as id')])
    expect(await up(frozen)).toMatchObject({
      applied: [{ does: 'create' }],
      missing: [{ view: 'shop.sales' }],
    })
  })
})

describe('the deployed function', () => {
  const serve = async (event: unknown, frozen: FrozenFolder) =>
    serveMigrations(
      event,
      { schema: schemaFolder, views: frozen.url },
      { database, administration: undefined, viewMigrations: true },
    )

  test('names missing views in its answer and its log, and the deploy does not fail', deep, async () => {
    const frozen = await applied([sales])
    await sql`drop materialized view shop.sales`
    const warned = vi.spyOn(logger, 'warn').mockReturnValue()
    const missing = [{ view: 'shop.sales', migration: '001_sales', because: null }]
    expect(await serve({}, frozen)).toMatchObject({ views: { applied: [], repaired: [], missing } })
    expect(warned).toHaveBeenCalledWith('views are missing', { missing })
    expect(await serve({ command: 'status' }, frozen)).toMatchObject({ missing })
    warned.mockRestore()
  })

  test('makes them again if it is asked to', async () => {
    const frozen = await applied([sales])
    await sql`drop materialized view shop.sales`
    expect(await serve({ command: 'up', repair: true }, frozen)).toMatchObject({
      views: { repaired: [{ name: 'shop.sales', way: 'repair' }], missing: [] },
    })
    expect(await differences(frozen)).toEqual([])
  })
})

describe('a login that is no superuser', () => {
  const place = useDatabase({ migrated: false })

  test('makes missing views again for the role that owns what it creates', deep, async () => {
    const suffix = randomUUID().slice(0, 8)
    const [app, keeper] = [`missing_app_${suffix}`, `missing_keeper_${suffix}`]
    await place.sql.unsafe(`
      create role ${keeper}; create role ${keeper}_views; create role ${app} login password 'secret';
      grant ${keeper}_views to ${keeper}; grant ${keeper} to ${app};
      create schema viewkeeper authorization ${keeper};
      create schema shop; grant usage, create on schema shop to ${keeper}, ${keeper}_views;
      create table orders as select 1 as id, 1 as shop, 10 as total; grant select on orders to ${keeper}_views`)
    const login = place.as(app).database
    await migrate(login, schemaFolder)
    const frozen = await newFolder()
    await frozen.freeze([sales, byShop])
    await bringUp(migrateCall(login), await frozen.read())
    const before = await described(place.sql, 'shop.sales')
    await place.sql`drop materialized view shop.sales cascade`
    expect(await bringUp(migrateCall(login), await frozen.read(), { repair: true })).toMatchObject({
      repaired: [{ name: 'shop.sales' }, { name: 'shop.by_shop' }],
      missing: [],
    })
    expect(await described(place.sql, 'shop.sales')).toEqual(before)
  })
})
