import { expect, test } from 'vitest'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { frozenState } from '../../../src/migrate/plan/frozen.ts'
import { deep } from '../../support/deep.ts'
import { type TestDatabase, useDatabase } from '../../support/servers/database.ts'
import { definition, type FrozenFolder, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const folder = useFolders()
/** A database whose table changed after views had been frozen, and one that is made later. */
const pair = () => ({ old: useDatabase(), fresh: useDatabase() })
const [whole, stepwise, together, partly] = [pair(), pair(), pair(), pair()]
const broken = useDatabase()

const up = async ({ database }: TestDatabase, frozen: FrozenFolder) =>
  (await migrateUp(migrateCall(database), await frozen.read())).applied.map(
    ({ name, does }) => `${name} ${does ?? 'recorded'}`,
  )
const differences = async ({ database }: TestDatabase, frozen: FrozenFolder) =>
  readDrift(database, [...frozenState(await frozen.read()).values()])

const name = (of: string) => ({ schema: 'public', name: of })
const orders = (column: string) =>
  `create table orders as select i as id, i * 10 as ${column} from generate_series(1, 5) i`

test(
  'a new database is built from a history whose table has changed: with own SQL, a rename and a removed view',
  deep,
  async () => {
    const { old, fresh } = whole
    const frozen = await folder('whole')
    const sales = (column: string) =>
      definition('sales', `select id, ${column} as total from public.orders`, {
        indexes: [{ name: 'sales_key', unique: true, on: '("id")' }],
        comment: 'Sales of each order.',
        grants: [{ privileges: ['select'], to: 'public' }],
      })
    await old.sql.unsafe(orders('total'))
    await frozen.freeze([
      definition('sold', 'select id, total from public.orders'),
      definition('gone', 'select total from public.orders'),
    ])
    await frozen.freeze([], {
      renames: [
        { from: name('sold'), to: name('sales') },
        { from: name('gone'), to: name('away') },
      ],
    })
    await frozen.write(
      '005_rate.up.sql',
      "create function public.rate(n bigint) returns bigint language sql immutable as 'select n * 2'",
    )
    await frozen.freeze([definition('top', 'select public.rate(sum(total)) as total from public.sales')])
    await frozen.write('007_readers.up.sql', 'create view public.readers as select * from public.top')
    await frozen.freeze([], { removes: [name('away')] })
    await frozen.freeze([sales('total')])
    await up(old, frozen)
    await old.sql`alter table orders rename total to amount`
    await frozen.freezeOn(old.database, [sales('amount')])
    expect(await up(old, frozen)).toEqual(['010_sales recorded'])
    expect(await differences(old, frozen)).toEqual([])

    await fresh.sql.unsafe(orders('amount'))
    expect(await up(fresh, frozen)).toEqual([
      '001_sold create',
      '002_gone recorded',
      '003_sales rename',
      '004_away recorded',
      '005_rate sql',
      '006_top create',
      '007_readers sql',
      '008_remove_away recorded',
      '009_sales recorded',
      '010_sales recorded',
    ])
    expect(await fresh.sql`select total::int from readers`).toEqual([{ total: 300 }])
    expect(await differences(fresh, frozen)).toEqual([])
  },
)

test('a view is made as the next version that runs, and a freeze tries the same', deep, async () => {
  const { old, fresh } = stepwise
  const frozen = await folder('stepwise')
  await old.sql.unsafe(orders('total'))
  await frozen.freeze([definition('sales', 'select total from public.orders')])
  await up(old, frozen)
  await old.sql`alter table orders rename total to amount`
  await frozen.freezeOn(old.database, [definition('sales', 'select amount as total from public.orders')])
  await frozen.freezeOn(old.database, [
    definition('sales', 'select amount as total, id from public.orders', {
      indexes: [{ name: 'sales_id', unique: true, on: '(id)' }],
    }),
  ])
  await fresh.sql.unsafe(orders('amount'))
  const [verified] = await frozen.freezeOn(fresh.database, [
    definition('top', 'select max(total) as total from public.sales'),
  ])
  expect(verified).toMatchObject({ name: '004_top', does: 'create' })
  expect(await up(fresh, frozen)).toEqual([
    '001_sales create',
    '002_sales recorded',
    '003_sales rebuild',
    '004_top create',
  ])
  expect(await differences(fresh, frozen)).toEqual([])
})

test('views that change together are made as the next versions that run', deep, async () => {
  const { old, fresh } = together
  const frozen = await folder('together')
  await old.sql.unsafe('create table base as select 1 as a, 2 as b')
  const low = (columns: string) => definition('low', `select ${columns} from public.base`)
  const high = (column: string) => definition('high', `select ${column} as n from public.low`)
  await frozen.freeze([low('a, b'), high('a')])
  await up(old, frozen)
  await frozen.freezeOn(old.database, [low('b'), high('b')], { only: [name('low'), name('high')] })
  await up(old, frozen)
  await fresh.sql.unsafe('create table base as select 2 as b')
  expect(await up(fresh, frozen)).toEqual(['001_low create', '002_high create', '003_low_high recorded'])
  expect(await fresh.sql`select n from high`).toEqual([{ n: 2 }])
  expect(await differences(fresh, frozen)).toEqual([])
})

test(
  'views that change together do so without one that cannot be made and is dropped later',
  deep,
  async () => {
    const { old, fresh } = partly
    const frozen = await folder('partly')
    await old.sql.unsafe('create table base as select 1 as a, 2 as b')
    const low = (b: string, indexes: string[]) =>
      definition('low', `select ${b} as b from public.base`, {
        indexes: indexes.map((name) => ({ name, unique: false, on: '(b)' })),
      })
    await frozen.freeze([
      low('b', ['low_b']),
      definition('high', 'select low.b, a from public.low, public.base'),
    ])
    await up(old, frozen)
    await frozen.freezeOn(
      old.database,
      [low('b + 1', []), definition('high', 'select low.b, a + 1 as a from public.low, public.base')],
      { only: [name('low'), name('high')] },
    )
    await frozen.freeze([], { removes: [name('high')] })
    await up(old, frozen)
    await fresh.sql.unsafe('create table base as select 2 as b')
    expect(await up(fresh, frozen)).toEqual([
      '001_low create',
      '002_high recorded',
      '003_low_high rebuild',
      '004_remove_high recorded',
    ])
    expect(await fresh.sql`select b from low`).toEqual([{ b: 3 }])
    expect(await differences(fresh, frozen)).toEqual([])
  },
)

test('a query that no later version replaces is refused with its own error', async () => {
  const frozen = await folder('broken')
  await broken.sql.unsafe(orders('amount'))
  await frozen.freeze([definition('lost', 'select nothing from public.orders')])
  await frozen.freeze([definition('lost', 'select nothing_either from public.orders')])
  expect((await refusalOf(up(broken, frozen))).message).toContain('001_lost.up.sql, line 11')
})
