import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { deep } from '../../support/deep.ts'
import { deleteRows } from '../../support/record/rows.ts'
import { schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { definition } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { useFrozenLife } from './frozen-life.ts'

// Somebody changed a view by hand, in a hurry. The change is then written into views/ and frozen.

const place = useDatabase()
const { database, sql } = place
const other = useDatabase()
const { folder, applied, up, down, freezeOn, differences } = useFrozenLife(place)

beforeEach(async () => {
  for (const server of [sql, other.sql]) {
    await deleteRows(server, 'migrations')
    await server.unsafe(`
      drop table if exists orders cascade;
      drop materialized view if exists sales cascade;
      create table orders as select i as id, i % 3 as shop, i * 10 as total from generate_series(1, 30) i`)
  }
})

const sales = definition('sales', 'select id, total from public.orders', {
  indexes: [{ name: 'sales_key', unique: true, on: '(id)' }],
  comment: 'Sales.',
})
const fixed = { ...sales, sql: 'select id, total from public.orders where total > 0' }

/** The hot fix: the view is made anew with another query, as a person in a hurry does it. */
const fixByHand = () =>
  sql.unsafe(`
  drop materialized view sales cascade;
  create materialized view sales as select id, total from orders where total > 0;
  create unique index sales_key on sales (id);
  comment on materialized view sales is 'Sales.'`)

describe('a hot fix', () => {
  test('is frozen where it was made: up is recorded, down makes what was frozen before', async () => {
    const frozen = await applied(sales)
    await up(frozen, other.database)
    const before = await describeInCatalog(other.sql, 'sales')
    await fixByHand()
    const byHand = await describeInCatalog(sql, 'sales')
    expect(await freezeOn(frozen, [fixed])).toMatchObject([
      {
        name: '002_sales',
        does: null,
        wayBack: {
          change: { does: 'define', definition: { sql: sales.sql } },
          instead: null,
          blocked: null,
        },
      },
    ])
    expect(await up(frozen)).toEqual([null])
    expect(await describeInCatalog(sql, 'sales')).toEqual(byHand)
    expect(await differences(fixed)).toEqual([])
    expect(await down(frozen)).toEqual(['rebuild'])
    expect(await differences(sales)).toEqual([])
    expect(await up(frozen)).toEqual(['rebuild'])
    expect(await differences(fixed)).toEqual([])
    // In a database without the hot fix, the same files make it.
    expect(await up(frozen, other.database)).toEqual(['rebuild'])
    expect(await down(frozen, other.database)).toEqual(['rebuild'])
    expect(await describeInCatalog(other.sql, 'sales')).toEqual(before)
  })

  test('of indexes, comment and grants is frozen where it was made', deep, async () => {
    const frozen = await applied(sales)
    await sql.unsafe(`
      create index sales_total on sales (total);
      comment on materialized view sales is 'Total sales.';
      grant select on sales to public`)
    const authored: Definition = {
      ...sales,
      indexes: [...sales.indexes, { name: 'sales_total', on: '(total)' }],
      comment: 'Total sales.',
      grants: [{ privileges: ['select'], to: 'public' }],
    }
    expect(await freezeOn(frozen, [authored])).toMatchObject([
      { does: null, wayBack: { instead: null, blocked: null } },
    ])
    expect(await up(frozen)).toEqual([null])
    expect(await down(frozen)).toEqual(['alter'])
    expect(await differences(sales)).toEqual([])
    expect(await up(frozen)).toEqual(['alter'])
    expect(await differences(authored)).toEqual([])
  })

  test('under a plain view is frozen; the plain view goes back and forth with it', deep, async () => {
    const frozen = await applied(sales)
    await fixByHand()
    await sql`create view reads_sales as select total from sales`
    expect(await freezeOn(frozen, [fixed])).toMatchObject([{ does: null, wayBack: { blocked: null } }])
    expect(await up(frozen)).toEqual([null])
    expect(await down(frozen)).toEqual(['rebuild'])
    expect(await sql`select count(*)::int as n from reads_sales`).toEqual([{ n: 30 }])
  })

  test(
    'has an index by hand that the old query cannot have: it is frozen, and the way back is not promised',
    deep,
    async () => {
      const frozen = await applied(sales)
      await sql.unsafe(`
      drop materialized view sales;
      create materialized view sales as select id, total, shop from orders;
      create unique index sales_key on sales (id);
      create index by_hand on sales (shop);
      comment on materialized view sales is 'Sales.'`)
      const [tried] = await freezeOn(frozen, [{ ...sales, sql: 'select id, total, shop from public.orders' }])
      expect(tried).toMatchObject({ does: null })
      expect(tried?.wayBack.blocked).toMatch(
        /^public\.sales: .*index .*by_hand.*column "shop" does not exist \(42703\)/,
      )
      expect(await up(frozen)).toEqual([null])
      expect((await refusalOf(down(frozen))).message).toContain('by_hand')
      await sql`drop index by_hand`
      expect(await down(frozen)).toEqual(['rebuild'])
    },
  )

  test(
    'that made a view which nobody has frozen yet is frozen: down drops it, unless something reads it',
    deep,
    async () => {
      const frozen = await folder('new by hand')
      await sql.unsafe(sales.sql.replace('select', 'create materialized view sales as select'))
      await sql`create unique index sales_key on sales (id)`
      await sql`comment on materialized view sales is 'Sales.'`
      await sql`create view reads_sales as select total from sales`
      const [tried] = await freezeOn(frozen, [sales])
      expect(tried).toMatchObject({ does: null, wayBack: { change: { does: 'drop' } } })
      expect(tried?.wayBack.blocked).toMatch(
        /^public\.sales: .* view public\.reads_sales\. .*"freeze --remove"/,
      )
      expect(await up(frozen)).toEqual([null])
      expect((await refusalOf(down(frozen))).message).toContain('view public.reads_sales')
      await sql`drop view reads_sales`
      expect(await down(frozen)).toEqual(['drop'])
      expect(await up(frozen)).toEqual(['create'])
    },
  )

  test('that made a view which nobody has frozen, and another query is authored: refused, with the way to adopt it', async () => {
    const frozen = await folder('another by hand')
    await sql`create materialized view sales as select id from orders`
    const { message } = await refusalOf(freezeOn(frozen, [sales]))
    expect(message).toMatch(/^public\.sales .* was never frozen: .*`npx viewkeeper adopt sales`/)
  })

  test('that is overwritten by another change is told before anything is written', deep, async () => {
    const frozen = await applied(sales)
    await fixByHand()
    const changed = { ...sales, sql: 'select id, total, shop from public.orders' }
    expect(await freezeOn(frozen, [changed])).toMatchObject([
      {
        does: 'rebuild',
        wayBack: { instead: null, drift: ['its query is not the frozen one'], blocked: null },
      },
    ])
    expect(await up(frozen)).toEqual(['rebuild'])
    expect(await down(frozen)).toEqual(['rebuild'])
    expect(await differences(sales)).toEqual([])
  })

  test(
    'that dropped a view which is then removed is frozen: up is recorded, down makes the view again',
    deep,
    async () => {
      const frozen = await applied(sales)
      await sql`drop materialized view sales`
      const tried = await frozen.freezeOn(database, [], { removes: [{ schema: 'public', name: 'sales' }] })
      expect(tried).toMatchObject([{ does: null, wayBack: { instead: null, blocked: null } }])
      expect(await up(frozen)).toEqual([null])
      expect(await down(frozen)).toEqual(['create'])
      expect(await differences(sales)).toEqual([])
    },
  )

  test('that renamed a view is frozen: up is recorded, down gives the view its old name', deep, async () => {
    const frozen = await applied(sales)
    await sql`alter materialized view sales rename to turnover`
    const to = { schema: 'public', name: 'turnover' }
    const tried = await frozen.freezeOn(database, [{ ...sales, ...to }], { renames: [{ from: sales, to }] })
    expect(tried).toMatchObject([{ does: null, wayBack: { instead: null, blocked: null } }])
    expect(await up(frozen)).toEqual([null])
    expect(await down(frozen)).toEqual(['rename'])
    expect(await differences(sales)).toEqual([])
  })
})

describe('a login that is no superuser', deep, () => {
  const place = useDatabase({ migrated: false })
  const suffix = randomUUID().slice(0, 8)
  const [app, keeper, boss] = ['app', 'keeper', 'boss'].map((name) => `hot_fix_${name}_${suffix}`) as [
    string,
    string,
    string,
  ]

  test('freezes a hot fix that the application has made as its own role, and one after a renamed column', async () => {
    await place.sql.unsafe(`
      create role ${keeper}; create role ${keeper}_views; create role ${boss}; create role ${app} login password 'secret';
      grant ${keeper}_views, ${boss} to ${keeper}; grant ${keeper} to ${app};
      create schema viewkeeper authorization ${keeper};
      grant usage, create on schema public to ${keeper}, ${keeper}_views, ${boss};
      create table orders as select 1 as id, 1 as shop, 10 as total; grant select on orders to ${keeper}_views, ${boss}`)
    const login = place.as(app).database
    await migrate(login, schemaFolder)
    const frozen = await folder('roles')
    await frozen.freeze([sales])
    await up(frozen, login)
    const owner = async () =>
      (await place.sql`select relowner::regrole::text as owner from pg_class where relname = 'sales'`)[0]
        ?.owner
    await place.sql.unsafe(`
      drop materialized view sales; set role ${boss};
      create materialized view sales as select id, total from orders where total > 0;
      create unique index sales_key on sales (id);
      comment on materialized view sales is 'Sales.'; reset role`)
    expect(await frozen.freezeOn(login, [fixed])).toMatchObject([
      { does: null, wayBack: { instead: null, blocked: null } },
    ])
    expect(await up(frozen, login)).toEqual([null])
    expect(await down(frozen, login)).toEqual(['rebuild'])
    expect(await up(frozen, login)).toEqual(['rebuild'])
    expect(await owner()).toBe(boss)
    await place.sql`alter table orders rename total to amount`
    const renamed = { ...fixed, sql: 'select id, amount from public.orders where amount > 0' }
    expect(await frozen.freezeOn(login, [renamed])).toMatchObject([
      { does: 'rebuild', wayBack: { instead: 'column "total" does not exist (42703)', blocked: null } },
    ])
    expect(await up(frozen, login)).toEqual(['rebuild'])
    expect(await down(frozen, login)).toEqual(['rebuild'])
    expect(await owner()).toBe(boss)
  })

  test('lost the right to read what the old query reads: the change is frozen, and the way back is not promised', async () => {
    await place.sql.unsafe(`create table secrets as select 1 as id; grant select on secrets to ${boss}`)
    const login = place.as(app).database
    const frozen = await folder('lost right')
    const before = definition('reads_secrets', 'select id from public.secrets')
    await place.sql.unsafe(
      `set role ${boss}; create materialized view reads_secrets as select id from secrets; reset role`,
    )
    await deleteRows(place.sql, 'migrations')
    await frozen.freeze([before], { adopts: true })
    await up(frozen, login)
    await place.sql.unsafe(`revoke select on secrets from ${boss}`)
    const [tried] = await frozen.freezeOn(login, [{ ...before, sql: 'select id from public.orders' }])
    expect(tried).toMatchObject({ does: 'rebuild', wayBack: { instead: null } })
    expect(tried?.wayBack.blocked).toMatch(
      /^public\.reads_secrets: .*table secrets \(42501\)\..*`npx viewkeeper create-role`/,
    )
    expect(await up(frozen, login)).toEqual(['rebuild'])
    expect((await refusalOf(down(frozen, login))).message).toMatch(
      /002_reads_secrets\.down\.sql: .*\(42501\)/,
    )
  })
})
