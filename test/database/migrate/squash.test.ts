import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { serveMigrations } from '../../../src/edge/handlers/migrate.ts'
import { checkViews } from '../../../src/migrate/check.ts'
import { readViewJournal } from '../../../src/migrate/db/journal.ts'
import { toMigrations } from '../../../src/migrate/frozen-migrations.ts'
import { migrateDown, migrateUp, migrationStatus } from '../../../src/migrate/migrate.ts'
import { frozenState } from '../../../src/migrate/plan/frozen.ts'
import { planSquash } from '../../../src/migrate/plan/squash.ts'
import { readSquashable } from '../../../src/migrate/squash.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { schemaFolder, type TestDatabase, useDatabase } from '../../support/servers/database.ts'
import {
  definition,
  type FrozenFolder,
  migrateCall,
  useFolders,
  verifyFrozen,
} from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const folder = useFolders()

/** Squashes the folder, as the command line does it, and tells which queries are the server's. */
async function squash(
  { database }: TestDatabase,
  frozen: FrozenFolder,
  { authored = [], without = [] }: { authored?: Definition[]; without?: string[] } = {},
): Promise<string[]> {
  const migrations = await frozen.read()
  const views = await readSquashable(database, migrations, authored)
  const fresh = toMigrations(planSquash({ migrations, views, without, why: 'a test' }), migrations)
  const filesOf = (some: typeof fresh) => some.flatMap(({ up, down }) => (down === null ? [up] : [up, down]))
  for (const { file, text } of filesOf(fresh)) await frozen.write(file, text)
  for (const { file } of filesOf(migrations)) await rm(join(frozen.path, file))
  return views.flatMap(({ serversTextBecause }) => serversTextBecause ?? [])
}

async function copied(of: FrozenFolder, name: string): Promise<FrozenFolder> {
  const copy = await folder(name)
  await cp(of.path, copy.path, { recursive: true })
  return copy
}

const up = async ({ database }: TestDatabase, frozen: FrozenFolder) =>
  (await migrateUp(migrateCall(database), await frozen.read())).applied.map(
    ({ name, does }) => `${name} ${does ?? 'recorded'}`,
  )
const differences = async ({ database }: TestDatabase, frozen: FrozenFolder) =>
  checkViews(database, [...frozenState(await frozen.read()).values()])
const names = async (frozen: FrozenFolder) => (await frozen.read()).map(({ name }) => name)
const journal = async ({ sql }: TestDatabase) => (await readViewJournal(sql)).map(({ name }) => name)

const name = (of: string) => ({ schema: 'public', name: of })
const sales = definition('sales', 'select id, total from public.orders', {
  indexes: [{ name: 'sales_key', unique: true, on: '("id")' }],
  comment: 'Sales of each order.',
  grants: [{ privileges: ['select'], to: 'public' }],
})

describe('a history with a change, a rename, a removal and own SQL', () => {
  const old = useDatabase()
  const fresh = useDatabase()
  const between = useDatabase()
  const empty = useDatabase()

  test('is squashed, built anew elsewhere, and only recorded where it was applied', async () => {
    const frozen = await folder('history')
    for (const { sql } of [old, between])
      await sql`create table orders as select i as id, i * 10 as total from generate_series(1, 5) i`
    await frozen.freeze([definition('sold', sales.sql), definition('gone', 'select id from public.orders')])
    await frozen.freeze([], { renames: [{ from: name('sold'), to: name('sales') }] })
    await frozen.write(
      '004_rate.up.sql',
      "create function public.rate(n bigint) returns bigint language sql immutable as 'select n * 2'",
    )
    await frozen.write('004_rate.down.sql', 'drop function public.rate(bigint)')
    const top = definition('top', 'select public.rate(sum(total)) as total from public.sales')
    await frozen.freeze([top], { adopts: true })
    await up(between, frozen)
    await frozen.write('006_readers.up.sql', 'create view public.readers as select * from public.top')
    await frozen.freeze([], { removes: [name('gone')] })
    await frozen.freeze([sales])
    await up(old, frozen)
    await copied(frozen, 'history before')
    await old.sql`alter table orders rename total to amount`

    const authored = [top, { ...sales, sql: 'select id,\n  amount as total -- in cents\nfrom public.orders' }]
    const before = await wholeCatalog(old.sql)
    expect(await squash(old, frozen, { authored })).toEqual([])
    expect(await wholeCatalog(old.sql)).toEqual(before)
    expect(await names(frozen)).toEqual(['009_rate', '010_sales', '011_top', '012_readers', '013_squash'])
    expect((await frozen.read()).map(({ down }) => down?.change.does)).toEqual([
      'sql',
      'drop',
      'release',
      undefined,
      'squash',
    ])

    // Nothing is executed on the database with the old history: the catalog stays as it is, OIDs included.
    expect(await migrationStatus(old.database, await frozen.read())).toMatchObject({
      applied: [],
      pending: await names(frozen),
      ahead: [],
    })
    expect(await up(old, frozen)).toEqual((await names(frozen)).map((name) => `${name} recorded`))
    expect(await wholeCatalog(old.sql)).toEqual(before)
    expect(await differences(old, frozen)).toEqual([])
    expect(await up(old, frozen)).toEqual([])
    const [row] = await old.sql`select sql, source from viewkeeper.definitions where name = 'sales'`
    expect(row).toEqual({ sql: authored[1]?.sql, source: 'authored' })

    await fresh.sql`create table orders as select i as id, i * 10 as amount from generate_series(1, 5) i`
    expect(await up(fresh, frozen)).toEqual([
      '009_rate sql',
      '010_sales create',
      '011_top create',
      '012_readers sql',
      '013_squash recorded',
    ])
    expect(await fresh.sql`select total::int from readers`).toEqual([{ total: 300 }])
    expect(await differences(fresh, frozen)).toEqual([])
  })

  test('refuses a database that has only a part of it, by name, until that has the rest', async () => {
    const frozen = await folder('history')
    const earlier = await folder('history before')
    const lacking =
      'migrations/: this database has only a part of what 013_squash replaces: it lacks 006_readers, 007_remove_gone, 008_sales. ' +
      'Check out the last commit whose migrations/ has 006_readers (the commit before the one that ' +
      '"git log -1 -- migrations/006_readers.up.sql" names), and run "npx viewkeeper migrate up" there, or deploy it. Then do the same here.'
    const before = await wholeCatalog(between.sql)
    const had = await journal(between)
    const migrations = await frozen.read()
    for (const work of [
      () => migrateUp(migrateCall(between.database), migrations),
      () => migrateDown(migrateCall(between.database), migrations, 1),
      () => migrationStatus(between.database, migrations),
      () => verifyFrozen(between.database, migrations, []),
    ])
      expect((await refusalOf(work())).message).toBe(lacking)
    expect(await wholeCatalog(between.sql)).toEqual(before)
    expect(await journal(between)).toEqual(had)

    await up(between, earlier)
    await between.sql`alter table orders rename total to amount`
    expect(await up(between, frozen)).toEqual(migrations.map(({ name }) => `${name} recorded`))
    expect(await differences(between, frozen)).toEqual([])
  })

  test('leaves an older version something to find: its deploy is rolled back to without a failure', async () => {
    const earlier = await folder('history before')
    const { applied, ahead } = await migrateUp(migrateCall(old.database), await earlier.read())
    expect({ applied, ahead }).toEqual({ applied: [], ahead: await names(await folder('history')) })
    const refusal = await refusalOf(migrateUp(migrateCall(fresh.database), await earlier.read()))
    expect(refusal.message).toBe(
      'migrations/: this database begins with 009_rate, after a squash that the folder lacks. ' +
        'Merge or check out the branch that has 009_rate.',
    )
  })

  test('is recorded by the function of a deployed environment, too', async () => {
    const views = (await folder('history')).url
    const folders = { schema: schemaFolder, views }
    const deployed = { database: empty.database, administration: undefined, viewMigrations: true }
    await empty.sql`create table orders as select i as id, i * 10 as total from generate_series(1, 5) i`
    await up(empty, await folder('history before'))
    await empty.sql`alter table orders rename total to amount`
    const before = await wholeCatalog(empty.sql)
    expect(await serveMigrations({}, folders, deployed)).toMatchObject({
      views: { applied: (await names(await folder('history'))).map((name) => ({ name, does: null })) },
    })
    expect(await serveMigrations({ command: 'check' }, folders, deployed)).toMatchObject({
      differences: [],
      pending: [],
    })
    expect(await wholeCatalog(empty.sql)).toEqual(before)
  })

  test('goes on: what is frozen later is applied everywhere, and all of it is squashed again', async () => {
    const frozen = await folder('history')
    const now = frozenState(await frozen.read()).get('"public"."sales"') as Definition
    await frozen.freeze([{ ...now, retries: 5 }])
    for (const place of [old, fresh]) expect(await up(place, frozen)).toEqual(['014_sales recorded'])
    await squash(fresh, frozen, { without: ['012_readers'] })
    expect(await names(frozen)).toEqual(['015_rate', '016_sales', '017_top', '018_squash'])
    for (const place of [old, fresh]) {
      expect(await up(place, frozen)).toEqual((await names(frozen)).map((name) => `${name} recorded`))
      expect(await differences(place, frozen)).toEqual([])
    }
    // This one has the oldest history, and the first squash, but nothing later.
    const refusal = await refusalOf(migrateUp(migrateCall(between.database), await frozen.read()))
    expect(refusal.message).toContain('of what 018_squash replaces: it lacks 014_sales. ')
  })

  test('goes back as far as it reaches: then the old history is forgotten, and all is made again', async () => {
    const frozen = await folder('history')
    const down = async (count: number) =>
      (await migrateDown(migrateCall(old.database), await frozen.read(), count)).undone.map(
        ({ name: migration, does }) => `${migration} ${does}`,
      )
    expect(await down(1)).toEqual(['018_squash null'])
    expect(await journal(old)).toEqual(['015_rate', '016_sales', '017_top'])
    expect(await down(1)).toEqual(['017_top null'])
    await old.sql`drop materialized view top cascade`
    expect(await down(9)).toEqual(['016_sales drop', '015_rate sql'])
    expect(await up(old, frozen)).toEqual([
      '015_rate sql',
      '016_sales create',
      '017_top create',
      '018_squash recorded',
    ])
    expect(await differences(old, frozen)).toEqual([])
  })
})

describe('squashing', () => {
  const place = useDatabase()
  const { sql } = place
  let folders = 0

  /** A folder of migrations that were applied to tables of their own. */
  async function applied(...views: Definition[]): Promise<FrozenFolder> {
    await sql.unsafe('delete from viewkeeper.migrations; drop table if exists orders cascade')
    await sql`create table orders as select i as id, i * 10 as total from generate_series(1, 5) i`
    const frozen = await folder(`squashing ${++folders}`)
    await frozen.freeze(views)
    await up(place, frozen)
    return frozen
  }

  const refused = async (frozen: FrozenFolder, authored: Definition[] = []) => {
    const before = await wholeCatalog(sql)
    const files = await frozen.read()
    const { message, code } = await refusalOf(squash(place, frozen, { authored }))
    expect(code).toBe('MigrationFailed')
    expect(await frozen.read()).toEqual(files)
    expect(await wholeCatalog(sql)).toEqual(before)
    return message
  }

  test('takes the text of the server for a query that runs no more, and says why', async () => {
    const frozen = await applied(sales)
    await sql`alter table orders rename total to amount`
    expect(await squash(place, frozen, { authored: [sales] })).toEqual(['column "total" does not exist'])
    const [view] = frozenState(await frozen.read()).values()
    expect(view?.sql).toMatch(/^SELECT .*id,\n.*amount AS total\n {2,3}FROM public\.orders$/)
    await up(place, frozen)
    expect(await differences(place, frozen)).toEqual([])
  })

  test('keeps the frozen text where the author has none, and the author’s where both say the same', async () => {
    const frozen = await applied(sales)
    await squash(place, frozen)
    expect([...frozenState(await frozen.read()).values()]).toEqual([sales])
    await up(place, frozen)
    const spelt = { ...sales, sql: 'SELECT "id", "total" FROM "public"."orders"' }
    await squash(place, frozen, { authored: [spelt] })
    expect([...frozenState(await frozen.read()).values()]).toEqual([spelt])
    await up(place, frozen)
    expect(await differences(place, frozen)).toEqual([])
  })

  test('is refused for a database that lacks a migration, or has one more', async () => {
    const frozen = await applied(sales)
    const before = await copied(frozen, 'one less')
    await frozen.freeze([{ ...sales, retries: 2 }])
    expect(await refused(frozen)).toBe(
      'migrations/: this database lacks 002_sales. A squash starts from a database that has all migrations: ' +
        'run "npx viewkeeper migrate up", then squash again.',
    )
    await up(place, frozen)
    expect(await refused(before)).toContain('this database is ahead: it has 002_sales')
  })

  test('is refused for views that are not as they were frozen, all of them at once', async () => {
    const two = definition('two', 'select 2 as n')
    const three = definition('three', 'select 3 as n')
    const frozen = await applied(sales, two, three)
    await sql.unsafe(
      'drop materialized view two; create materialized view two as select 22 as n; drop materialized view three; create index by_hand on sales (total)',
    )
    expect(
      (await refused(frozen, [{ ...sales, sql: 'select id, total + 1 as total from public.orders' }])).split(
        '\n',
      ),
    ).toEqual([
      'migrations/ was not squashed, because views differ from what is frozen:',
      '  public.sales: it has index by_hand, which is not frozen',
      '  public.two: its query is not the frozen one',
      expect.stringMatching(/^ {2}public\.three: .*three/),
      'Freeze what has changed for good and bring back the rest (node_modules/viewkeeper/docs/views.md says how), then squash again.',
    ])
  })

  test('is refused for a query that was authored, but not frozen', async () => {
    const frozen = await applied(sales)
    expect(
      await refused(frozen, [{ ...sales, sql: 'select id, total + 1 as total from public.orders' }]),
    ).toContain('  public.sales: its query in views/ is not frozen\n')
  })

  test('is refused by a database that has other migrations with these names', async () => {
    const frozen = await applied(sales)
    await squash(place, frozen)
    await sql`update viewkeeper.migrations set checksum = 'other'`
    const refusal = await refusalOf(up(place, frozen))
    expect(refusal.message).toContain(
      'this database has 001_sales, which is not the 001_sales that 003_squash replaces. ',
    )
  })
})
