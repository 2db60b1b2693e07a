import { beforeEach, describe, expect, test } from 'vitest'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { deep } from '../../support/deep.ts'
import { deleteRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { definition } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { useFrozenLife } from './frozen-life.ts'

// "valid, up and down": what freeze says is what migrate then does, whatever happened to the database in between.

const place = useDatabase()
const { sql } = place
const { applied, up, down, freezeOn, differences } = useFrozenLife(place)

beforeEach(async () => {
  await deleteRows(sql, 'migrations')
  await sql.unsafe(`
    drop table if exists orders cascade;
    drop materialized view if exists sales, parent, child cascade;
    create table orders as select i as id, i % 3 as shop, i * 10 as total from generate_series(1, 30) i`)
})

const sales = definition('sales', 'select id, total from public.orders', {
  indexes: [{ name: 'sales_key', unique: true, on: '(id)' }],
  comment: 'Sales.',
  grants: [{ privileges: ['select'], to: 'public' }],
  schedule: '0 6 * * *',
  timeZone: 'UTC',
})

describe('after a change of a table', () => {
  test(
    'a renamed column: the way back is the view as it is now, because its frozen query does not run any more',
    deep,
    async () => {
      const frozen = await applied(sales)
      await sql`alter table orders rename total to amount`
      await sql`create view reads_sales as select total from sales`
      const before = await describeInCatalog(sql, 'sales')
      const renamed = { ...sales, sql: 'select id, amount as total, shop from public.orders' }
      const [tried] = await freezeOn(frozen, [renamed])
      expect(tried).toMatchObject({
        does: 'rebuild',
        wayBack: { instead: 'column "total" does not exist (42703)', drift: [], blocked: null },
      })
      expect(await up(frozen)).toEqual(['rebuild'])
      expect(await differences(renamed)).toEqual([])
      expect(await down(frozen)).toEqual(['rebuild'])
      expect(await describeInCatalog(sql, 'sales')).toEqual(before)
      const [kept] = await sql`select schedule from viewkeeper.definitions where name = 'sales'`
      expect(kept).toEqual({ schedule: '0 6 * * *' })
      expect(await up(frozen)).toEqual(['rebuild'])
    },
  )

  test(
    'a renamed column under a view that is like its new definition: up is recorded, and down leaves it',
    deep,
    async () => {
      const frozen = await applied(sales)
      await sql`alter table orders rename total to amount`
      const before = await describeInCatalog(sql, 'sales')
      const renamed = { ...sales, sql: 'select id, amount as total from public.orders' }
      expect(await freezeOn(frozen, [renamed])).toMatchObject([
        { does: null, wayBack: { instead: 'column "total" does not exist (42703)', blocked: null } },
      ])
      expect(await up(frozen)).toEqual([null])
      expect(await differences(renamed)).toEqual([])
      expect(await down(frozen)).toEqual([null])
      expect(await describeInCatalog(sql, 'sales')).toEqual(before)
    },
  )

  test('a dropped column took the view along: the way back drops the view', async () => {
    const frozen = await applied(sales)
    await sql`alter table orders drop total cascade`
    const without = { ...sales, sql: 'select id, shop from public.orders' }
    expect(await freezeOn(frozen, [without])).toMatchObject([
      {
        does: 'create',
        wayBack: {
          change: { does: 'drop', view: { schema: 'public', name: 'sales' } },
          instead: 'column "total" does not exist (42703)',
          blocked: null,
        },
      },
    ])
    expect(await up(frozen)).toEqual(['create'])
    expect(await down(frozen)).toEqual(['drop'])
    expect(await up(frozen)).toEqual(['create'])
  })

  test('a renamed column, and the view is removed: the way back makes it again as it was', async () => {
    const frozen = await applied(sales)
    await sql`alter table orders rename total to amount`
    const before = await describeInCatalog(sql, 'sales')
    const removes = [{ schema: 'public', name: 'sales' }]
    expect(await freezeOn(frozen, [], { removes })).toMatchObject([
      { does: 'drop', wayBack: { instead: 'column "total" does not exist (42703)', blocked: null } },
    ])
    expect(await up(frozen)).toEqual(['drop'])
    expect(await down(frozen)).toEqual(['create'])
    expect(await describeInCatalog(sql, 'sales')).toEqual(before)
  })

  test(
    'a new column, and the query has a star: the way back makes what was frozen, and the difference is told',
    deep,
    async () => {
      const starred = { ...sales, sql: 'select * from public.orders' }
      const frozen = await applied(starred)
      await sql`alter table orders add added integer`
      const changed = { ...sales, sql: 'select id, total, added from public.orders' }
      expect(await freezeOn(frozen, [changed])).toMatchObject([
        {
          does: 'rebuild',
          wayBack: {
            instead: null,
            drift: ['its query is not the frozen one', 'it lacks column added'],
            blocked: null,
          },
        },
      ])
      expect(await up(frozen)).toEqual(['rebuild'])
      expect(await down(frozen)).toEqual(['rebuild'])
      expect(await differences(starred)).toEqual([])
    },
  )

  test('a role that is gone: the way back does without its grant', deep, async () => {
    const reader = `way_back_reader_${Date.now()}`
    await sql.unsafe(`create role ${reader}`)
    const granted = { ...sales, grants: [{ privileges: ['select'], to: reader }] }
    const frozen = await applied(granted)
    await sql.unsafe(`drop owned by ${reader}; drop role ${reader}`)
    const changed = { ...sales, sql: 'select id, total, shop from public.orders', grants: [] }
    const before = await describeInCatalog(sql, 'sales')
    expect(await freezeOn(frozen, [changed])).toMatchObject([
      { does: 'rebuild', wayBack: { instead: `role "${reader}" does not exist (42704)`, blocked: null } },
    ])
    await up(frozen)
    await down(frozen)
    expect((await describeInCatalog(sql, 'sales')).view).toEqual(before.view)
  })

  test('the new query is at fault, and not the old one: the new one is named', async () => {
    const frozen = await applied(sales)
    await sql`alter table orders rename total to amount`
    const wrong = { ...sales, sql: 'select id,\n  ammount as total\nfrom public.orders' }
    const { message } = await refusalOf(freezeOn(frozen, [wrong]))
    expect(message).toMatch(/^public\.sales, line 2 .*"ammount".*42703/)
  })
})

describe('after a change of a parent by hand', () => {
  const parent = definition('parent', 'select id, total from public.orders')
  const child = definition('child', 'select id, total * 2 as twice from public.parent')

  test(
    'a column of the parent was renamed: the child can be frozen, and goes back to what it was',
    deep,
    async () => {
      const frozen = await applied(parent, child)
      await sql`alter materialized view parent rename total to amount`
      const before = await describeInCatalog(sql, 'child')
      const fixed = { ...child, sql: 'select id, amount * 2 as twice, amount from public.parent' }
      expect(await freezeOn(frozen, [parent, fixed], { only: [fixed] })).toMatchObject([
        {
          name: '003_child',
          does: 'rebuild',
          wayBack: { instead: 'column "total" does not exist (42703)', blocked: null },
        },
      ])
      expect(await up(frozen)).toEqual(['rebuild'])
      expect(await down(frozen)).toEqual(['rebuild'])
      expect(await describeInCatalog(sql, 'child')).toEqual(before)
    },
  )

  test(
    'parent and child were made anew by hand and are frozen: each way back that is barred says what bars it',
    deep,
    async () => {
      const frozen = await applied(parent, child)
      await sql`drop materialized view parent cascade`
      await sql`create materialized view parent as select id, total as amount from orders`
      await sql`create materialized view child as select id, amount * 2 as twice from parent`
      const newParent = { ...parent, sql: 'select id, total as amount from public.orders' }
      const newChild = { ...child, sql: 'select id, amount * 2 as twice from public.parent' }
      const [first, second] = await freezeOn(frozen, [newParent, newChild])
      expect(first).toMatchObject({ name: '003_parent', does: null, wayBack: { instead: null } })
      expect(first?.wayBack.blocked).toMatch(/^public\.parent: .*public\.child reads column amount/)
      expect(second).toMatchObject({
        name: '004_child',
        does: null,
        wayBack: { instead: 'column "total" does not exist (42703)', blocked: null },
      })
      expect(await up(frozen)).toEqual([null, null])
      expect([...(await differences(newParent)), ...(await differences(newChild))]).toEqual([])
      expect(await down(frozen)).toEqual([null])
      expect((await refusalOf(down(frozen))).message).toMatch(/child reads column amount/)
    },
  )

  test(
    'the parent is a plain view that was replaced: the child goes back and forth on it',
    deep,
    async () => {
      await sql`create view base as select id, total from orders`
      const onPlain = definition('child', 'select * from public.base')
      const frozen = await applied(onPlain)
      await sql`create or replace view base as select id, total, shop from orders`
      const changed = { ...onPlain, sql: 'select id, total, shop from public.base' }
      expect(await freezeOn(frozen, [changed])).toMatchObject([
        {
          does: 'rebuild',
          wayBack: { instead: null, drift: expect.arrayContaining(['it lacks column shop']) },
        },
      ])
      expect(await up(frozen)).toEqual(['rebuild'])
      // The star is read as the parent is now.
      expect(await down(frozen)).toEqual([null])
      expect(await differences(onPlain)).toEqual([])
    },
  )
})
