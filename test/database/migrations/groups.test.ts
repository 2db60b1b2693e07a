import { beforeEach, describe, expect, test } from 'vitest'
import { migrateDown, migrateUp } from '../../../src/operations/migrations/migrate.ts'
import { verifyFrozen } from '../../../src/operations/migrations/verify.ts'
import type { Definition } from '../../../src/plan/views/definition.ts'
import { describeInCatalog } from '../../support/catalog.ts'
import { useDatabase } from '../../support/database.ts'
import { definition, type FrozenFolder, migrateCall, useFolders } from '../../support/frozen.ts'
import { refusalOf } from '../../support/refusal.ts'
import { wholeCatalog } from '../../support/whole-catalog.ts'

const folder = useFolders()
const { database, sql } = useDatabase()

let made = 0

beforeEach(async () => {
  await sql.unsafe(`
    drop schema if exists app cascade;
    create schema app;
    create table app.orders as select i as id, i % 3 as shop, i as total from generate_series(1, 30) i;
    delete from viewkeeper.migrations; delete from viewkeeper.runs; delete from viewkeeper.definitions`)
})

const inApp = (name: string, query: string, more: Partial<Definition> = {}) =>
  definition(name, query, { schema: 'app', ...more })

const salesQuery =
  'select shop, sum(total)::integer as total, count(*)::integer as orders from app.orders group by shop'
const indexes = [{ name: 'sales_key', unique: true, on: '(shop)' }]
const sales = inApp('sales', salesQuery, { indexes })
const above = inApp('above', 'select sum(total)::integer as total from app.sales')
const beside = inApp('beside', 'select shop, total from app.sales where total > 0')

/** Views that are frozen and migrated. */
async function started(...views: Definition[]): Promise<FrozenFolder> {
  const frozen = await folder(`case_${++made}`)
  await frozen.freeze(views)
  await migrateUp(migrateCall(database), await frozen.read())
  return frozen
}

/** Freezes views as the command line does, and migrates. */
async function change(frozen: FrozenFolder, ...views: Definition[]) {
  const verified = await frozen.freezeOn(database, views)
  const { applied } = await migrateUp(migrateCall(database), await frozen.read())
  return { verified, applied }
}

const down = async (frozen: FrozenFolder, count = 1) =>
  (await migrateDown(migrateCall(database), await frozen.read(), count)).undone

/** The columns of a view with their types. */
const columnsOf = async (name: string) => {
  const rows = await sql`
    select format('%I %s', attname, format_type(atttypid, atttypmod)) as written from pg_attribute
     where attrelid = ${`app.${name}`}::regclass and attnum > 0 order by attnum`
  return rows.map(({ written }) => written)
}

describe('a view that materialized views read gets another query', () => {
  test('in one migration: all of them are built anew and are fresh', async () => {
    const frozen = await started(sales, above, beside)
    await sql`create view app.plain as select b.total from app.beside b join app.sales using (shop)`
    await sql`insert into app.orders values (31, 1, 1000)`
    const { verified, applied } = await change(
      frozen,
      { ...sales, sql: salesQuery.replace('total)', 'total + 1)') },
      above,
      beside,
    )
    expect(verified).toMatchObject([{ does: 'rebuild', wayBack: { blocked: null } }])
    expect(applied).toMatchObject([{ name: '004_sales', does: 'rebuild' }])
    expect(await sql`select total from app.above`).toEqual([{ total: 465 + 1000 + 31 }])
    expect(await sql`select sum(total)::int as total from app.plain`).toEqual([{ total: 465 + 1000 + 31 }])
    expect(
      await sql`
      select view_name as view, operation, status, group_run_id is null as leads from viewkeeper.runs
       where id >= ${applied[0]?.runId as number} order by view_name`,
    ).toEqual([
      { view: 'above', operation: 'create', status: 'success', leads: false },
      { view: 'beside', operation: 'create', status: 'success', leads: false },
      { view: 'sales', operation: 'create', status: 'success', leads: true },
    ])
  })

  test('and gets the one before back', async () => {
    const frozen = await started(sales, above, beside)
    await sql.unsafe(`
      create view app.between with (security_barrier) as select total from app.sales where shop > 0;
      create materialized view app.top as select max(total) as most from app.between;
      comment on materialized view app.above is 'mine'; grant select on app.above to public;
      create index by_hand on app.beside (total)`)
    const everything = async () =>
      JSON.stringify(await Promise.all(names.map((name) => describeInCatalog(sql, name))), (key, value) =>
        /^(oid|relfilenode|reltype|rel.*xid|relpages|reltuples|relallvisible)$/.test(key) ? null : value,
      )
    const names = ['app.sales', 'app.above', 'app.beside', 'app.between', 'app.top']
    const before = await everything()
    await change(frozen, { ...sales, sql: salesQuery.replace('total)', 'total + 1)') }, above, beside)
    expect(await down(frozen)).toMatchObject([{ does: 'rebuild' }])
    expect(await everything()).toEqual(before)
    expect(await sql`select total from app.above`).toEqual([{ total: 465 }])
  })

  test('and a column more', async () => {
    const frozen = await started(sales, above, beside)
    await change(
      frozen,
      { ...sales, sql: salesQuery.replace('count', 'min(total) as least, count') },
      above,
      beside,
    )
    expect(await sql`select least from app.sales order by shop`).toEqual([
      { least: 3 },
      { least: 1 },
      { least: 2 },
    ])
    expect(await sql`select total from app.above`).toEqual([{ total: 465 }])
  })

  test('and a column less, which nobody reads', async () => {
    const frozen = await started(sales, above, beside)
    const { verified } = await change(
      frozen,
      { ...sales, sql: salesQuery.replace(', count(*)::integer as orders', '') },
      above,
      beside,
    )
    expect(verified).toMatchObject([{ wayBack: { blocked: null } }])
    expect(await columnsOf('sales')).toEqual(['shop integer', 'total integer'])
    await down(frozen)
    expect(await columnsOf('sales')).toEqual(['shop integer', 'total integer', 'orders integer'])
  })

  test('with another type of a column: the views that pass the column on follow, plain ones too', async () => {
    const frozen = await started(sales, above, beside)
    await sql.unsafe(`
      create index totals on app.beside (total);
      create view app.plain as select total as passed, shop from app.beside;
      create view app.outer as select passed::text, shop from app.plain;
      comment on column app.plain.passed is 'passed on'; grant select (passed) on app.plain to public`)
    const { verified } = await change(
      frozen,
      { ...sales, sql: salesQuery.replace(')::integer as total', ')::bigint as total') },
      above,
      beside,
    )
    expect(verified).toMatchObject([{ does: 'rebuild', wayBack: { blocked: null } }])
    expect(await columnsOf('beside')).toEqual(['shop integer', 'total bigint'])
    expect(await columnsOf('plain')).toEqual(['passed bigint', 'shop integer'])
    expect(
      await sql`select col_description('app.plain'::regclass, 1) as comment, has_column_privilege('public', 'app.plain', 'passed', 'select') as may`,
    ).toEqual([{ comment: 'passed on', may: true }])
    expect(await columnsOf('above')).toEqual(['total integer'])
    expect(await sql`select passed from app.outer order by shop`).toHaveLength(3)
    await down(frozen)
    expect(await columnsOf('plain')).toEqual(['passed integer', 'shop integer'])
  })
})

/** Nothing is begun: the catalog and the record are as before. */
async function refused(frozen: FrozenFolder, ...views: Definition[]) {
  await frozen.freeze(views)
  const record = () =>
    sql`select (select count(*) from viewkeeper.runs) as runs, (select count(*) from viewkeeper.migrations) as migrations`
  const before = [await wholeCatalog(sql), await record()]
  const migrations = await frozen.read()
  const atFreeze = await refusalOf(verifyFrozen(database, migrations.slice(0, -1), migrations.slice(-1)))
  const atMigrate = await refusalOf(migrateUp(migrateCall(database), migrations))
  expect([await wholeCatalog(sql), await record()]).toEqual(before)
  return [atFreeze.message, atMigrate.message]
}

describe('a reader that does not fit any more is named', () => {
  test('with the columns that it reads', async () => {
    const frozen = await started(sales, above, beside)
    expect(
      await refused(frozen, { ...sales, sql: 'select shop from app.orders', indexes: [] }, above, beside),
    ).toEqual([
      'app.sales: app.above reads column total of app.sales, which the new query does not have; ' +
        'app.beside reads column total of app.sales, which the new query does not have. Change app.above, app.beside in the same ' +
        'migration: npx viewkeeper freeze app.sales app.above app.beside -m "…" Nothing was written.',
      expect.stringContaining('migrations/004_sales.up.sql: app.above reads column total of app.sales'),
    ])
  })

  test('with the server’s words, if a column has a type that its query cannot use', async () => {
    const frozen = await started(sales, above)
    const [message] = await refused(
      frozen,
      { ...sales, sql: salesQuery.replace('integer as total', 'text as total') },
      above,
    )
    expect(message).toBe(
      'app.sales: app.above does not fit any more: function sum(text) does not exist (42883). Change app.above in the same ' +
        'migration: npx viewkeeper freeze app.sales app.above -m "…" Nothing was written.',
    )
  })

  test('with its index, if that cannot be made on the new type', async () => {
    const frozen = await started(sales, beside)
    await sql`create index halves on app.beside ((total / 2))`
    const [message] = await refused(
      frozen,
      { ...sales, sql: salesQuery.replace('integer as total', 'text as total') },
      beside,
    )
    expect(message).toContain(
      'app.beside does not fit any more: operator does not exist: text > integer (42883)',
    )
  })

  test('with what to do, if it is a plain view', async () => {
    const frozen = await started(sales, above)
    await sql`create view app.plain as select orders from app.sales`
    const [message] = await refused(frozen, { ...sales, sql: salesQuery.replace('as orders', 'as n') }, above)
    expect(message).toBe(
      'app.sales: plain view app.plain reads column orders of app.sales, which the new query does not have. Drop plain view ' +
        'app.plain by own SQL in an earlier migration, and make it again in a later one. Nothing was written.',
    )
  })
})
