import { beforeAll, describe, expect, test } from 'vitest'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateDown, migrateUp, migrationStatus } from '../../../src/migrate/migrate.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'

const folder = useFolders()

describe('the life of a view', () => {
  /** The run that made its data fresh. */
  const lastSuccess = async () =>
    (await sql`select last_success_id from viewkeeper.view_status where name = 'sales'`)[0]

  const { database, sql } = useDatabase()
  const call = () => migrateCall(database)

  const first = definition('sales', 'select id, id % 3 as shop from public.orders', {
    indexes: [{ name: 'sales_key', unique: true, on: '("id")' }],
    comment: 'Sales of each order.',
    grants: [{ privileges: ['select'], to: 'public' }],
  })
  const second = {
    ...first,
    sql: 'select id, id % 3 as shop, id * 10 as total from public.orders where id > 0',
    indexes: [...first.indexes, { name: 'sales_total_idx', on: '("total")' }],
    comment: 'Sales and totals.',
  }

  beforeAll(async () => {
    await sql`create table orders (id integer)`
    await sql`insert into orders select generate_series(1, 100)`
  })

  test('is made as it was frozen, filled, with a run and a definition', async () => {
    const life = await folder('life')
    await life.freeze([first])
    const { applied, ahead } = await migrateUp(call(), await life.read())
    expect(ahead).toEqual([])
    expect(applied).toMatchObject([{ name: '001_sales', does: 'create', runId: expect.any(Number) }])
    expect((await sql`select count(*)::int as count from sales`)[0]).toEqual({ count: 100 })
    const [row] = await sql`
      select d.source, d.comment, r.trigger, r.operation, r.status, r.result, j.run_id = r.id as journaled
        from viewkeeper.definitions d join viewkeeper.runs r on r.definition_id = d.id
        join viewkeeper.migrations j on j.number = 1 where d.name = 'sales'`
    expect(row).toEqual({
      source: 'authored',
      comment: 'Sales of each order.',
      trigger: 'cli',
      operation: 'create',
      status: 'success',
      result: 'created',
      journaled: true,
    })
    expect(await readDrift(database, [first])).toEqual([])
  })

  test('again does nothing', async () => {
    const life = await folder('life')
    expect(await migrateUp(call(), await life.read())).toEqual({ applied: [], ahead: [] })
  })

  test('gets another query, with what hangs on it, and goes back and forth without a trace', async () => {
    const life = await folder('life')
    await sql`create view sales_of_shops as select shop, count(*) from sales group by shop`
    await sql`comment on view sales_of_shops is 'kept'`
    await sql`create index sales_by_hand on sales (shop)`
    const before = await describeInCatalog(sql, 'sales')
    const old = await lastSuccess()
    await life.freeze([second])
    expect(await migrateUp(call(), await life.read())).toMatchObject({
      applied: [{ name: '002_sales', does: 'rebuild' }],
    })
    expect(await lastSuccess()).not.toEqual(old)
    expect((await sql`select sum(total)::int as total from sales`)[0]).toEqual({ total: 50500 })
    expect(await readDrift(database, [second])).toEqual([
      expect.objectContaining({ kind: 'index', message: expect.stringContaining('sales_by_hand') }),
    ])
    const changed = await describeInCatalog(sql, 'sales')
    expect(changed).not.toEqual(before)
    expect(changed.dependents).toEqual(before.dependents)

    await migrateDown(call(), await life.read(), 1)
    expect(await describeInCatalog(sql, 'sales')).toEqual(before)
    await migrateUp(call(), await life.read())
    expect(await describeInCatalog(sql, 'sales')).toEqual(changed)
    await sql`drop view sales_of_shops`
    await sql`drop index sales_by_hand`
  })

  test('is altered in place where its query stays', async () => {
    const life = await folder('life')
    const [old] = await sql`select 'sales'::regclass::oid as oid`
    const third = {
      ...second,
      comment: null,
      grants: [],
      indexes: [
        { name: 'sales_key', unique: true, on: '("id", "shop")' },
        { name: 'sales_shop_idx', on: 'using hash ("shop")' },
      ],
      maxStalenessSeconds: 7200,
    }
    const before = await describeInCatalog(sql, 'sales')
    const fresh = await lastSuccess()
    await life.freeze([third])
    const { applied } = await migrateUp(call(), await life.read())
    expect(applied).toMatchObject([{ does: 'alter' }])
    expect(await lastSuccess()).toEqual(fresh)
    expect((await sql`select 'sales'::regclass::oid as oid`)[0]).toEqual(old)
    expect(await readDrift(database, [third])).toEqual([])
    expect(
      await sql`select indexname from pg_indexes where tablename = 'sales' order by 1`.then((rows) =>
        rows.map(({ indexname }) => indexname),
      ),
    ).toEqual(['sales_key', 'sales_shop_idx'])
    const [row] =
      await sql`select max_staleness_seconds as seconds from viewkeeper.definitions where name = 'sales'`
    expect(row).toEqual({ seconds: 7200 })
    await migrateDown(call(), await life.read(), 1)
    expect(await describeInCatalog(sql, 'sales')).toEqual(before)
    await migrateUp(call(), await life.read())
  })

  test('only its options change: nothing is done to the view, and they are written down', async () => {
    const life = await folder('life')
    const [{ up } = { up: undefined }] = (await life.read()).slice(-1)
    if (up?.change.does !== 'define') throw new Error('not a definition')
    const options = {
      ...up.change.definition,
      schedule: '0 6 * * *',
      timeZone: 'UTC',
      strategy: 'concurrent' as const,
    }
    await life.freeze([options])
    expect((await migrateUp(call(), await life.read())).applied).toMatchObject([{ does: null, runId: null }])
    const [row] =
      await sql`select schedule, refresh_strategy from viewkeeper.definitions where name = 'sales'`
    expect(row).toEqual({ schedule: '0 6 * * *', refresh_strategy: 'concurrent' })
    expect(await refresh({ view: 'sales' }, callOn(database))).toMatchObject({
      response: { strategy: 'concurrent' },
    })
  })

  test('is renamed, and its runs come along', async () => {
    const life = await folder('life')
    const [{ up } = { up: undefined }] = (await life.read()).slice(-1)
    if (up?.change.does !== 'define') throw new Error('not a definition')
    const [{ runs } = { runs: 0 }] = await sql`select count(*)::int as runs from viewkeeper.runs`
    const names = { from: { schema: 'public', name: 'sales' }, to: { schema: 'public', name: 'turnover' } }
    const renamed = { ...up.change.definition, ...names.to }
    await life.freeze([renamed], { renames: [names] })
    expect((await migrateUp(call(), await life.read())).applied).toMatchObject([{ does: 'rename' }])
    expect(await readDrift(database, [renamed])).toEqual([])
    const [row] = await sql`
      select count(*)::int as runs, min(d.name) as name from viewkeeper.runs r join viewkeeper.definitions d on d.id = r.definition_id`
    expect(row).toEqual({ runs: Number(runs) + 1, name: 'turnover' })
    await migrateDown(call(), await life.read(), 1)
    expect(await readDrift(database, [up.change.definition])).toEqual([])
    await migrateUp(call(), await life.read())
  })

  test('is removed, and its runs stay readable; the way back makes it again', async () => {
    const life = await folder('life')
    await life.freeze([], { removes: [{ schema: 'public', name: 'turnover' }] })
    const before = await describeInCatalog(sql, 'turnover')
    expect((await migrateUp(call(), await life.read())).applied).toMatchObject([{ does: 'drop' }])
    expect((await sql`select to_regclass('turnover') as there`)[0]).toEqual({ there: null })
    const [row] =
      await sql`select removed_at is not null as removed from viewkeeper.definitions where name = 'turnover'`
    expect(row).toEqual({ removed: true })
    await migrateDown(call(), await life.read(), 1)
    expect(await describeInCatalog(sql, 'turnover')).toEqual(before)
    const status = await migrationStatus(database, await life.read())
    expect(status.pending).toHaveLength(1)
    expect(status.applied).toHaveLength((await life.read()).length - 1)
  })

  test('all the way down and up again', async () => {
    const life = await folder('life')
    await migrateUp(call(), await life.read())
    const count = (await life.read()).length
    expect((await migrateDown(call(), await life.read(), count)).undone).toHaveLength(count)
    expect(await sql`select from pg_matviews`).toHaveLength(0)
    expect((await migrateUp(call(), await life.read())).applied).toHaveLength(count)
  })
})
