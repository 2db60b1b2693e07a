import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { bringUp, migrateDown, migrateUp, migrationStatus } from '../../../src/migrate/migrate.ts'
import { frozenState } from '../../../src/migrate/plan/frozen.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { deep } from '../../support/deep.ts'
import { deleteRows, updateRows } from '../../support/record/rows.ts'
import { readersOf, useDatabase } from '../../support/servers/database.ts'
import {
  definition,
  type FrozenFolder,
  migrateCall,
  useFolders,
  verifyFrozen,
} from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const folder = useFolders()
const { database, sql, url } = useDatabase()

let made = 0

beforeEach(async () => {
  for (const table of ['migrations', 'runs', 'definitions'] as const) await deleteRows(sql, table)
  await sql.unsafe(`
    drop schema if exists app cascade;
    create schema app;
    create table app.orders as select i as id, i % 3 as shop, i as total from generate_series(1, 30) i`)
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

  test('and gets the one before back', deep, async () => {
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

  test(
    'unless one of them is paused: the change is refused by its name, and its data stand still',
    deep,
    async () => {
      const frozen = await started(sales, above, beside)
      const other = { ...sales, sql: salesQuery.replace('total)', 'total + 1)') }
      await frozen.freezeOn(database, [other, above, beside])
      for (const [name, alone] of [
        ['above', false],
        ['sales', true],
      ] as const) {
        if (alone) await sql`drop materialized view app.above, app.beside`
        await updateRows(sql, 'definitions', { name }, { pausedAt: sql`clock_timestamp()` })
        const before = await wholeCatalog(sql)
        const refusal = await refusalOf(migrateUp(migrateCall(database), await frozen.read()))
        expect(refusal.message).toContain(
          `app.${name} is paused, and a new query would give it other data. Nothing was changed. ` +
            `End the pause first: viewkeeper resume 'app.${name}'`,
        )
        expect(await wholeCatalog(sql)).toEqual(before)
        await updateRows(sql, 'definitions', { name }, { pausedAt: null })
      }
      expect((await migrateUp(migrateCall(database), await frozen.read())).applied).toHaveLength(1)
    },
  )

  test('and a column more', deep, async () => {
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

  test('and a column less, which nobody reads', deep, async () => {
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

  test(
    'with another type of a column: the views that pass the column on follow, plain ones too',
    deep,
    async () => {
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
    },
  )
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
        'migration: npx viewkeeper freeze app.sales app.above app.beside -m "why". Nothing was written.',
      expect.stringContaining('migrations/004_sales.up.sql: app.above reads column total of app.sales'),
    ])
  })

  test('with the server’s words, if a column has a type that its query cannot use', deep, async () => {
    const frozen = await started(sales, above)
    const [message] = await refused(
      frozen,
      { ...sales, sql: salesQuery.replace('integer as total', 'text as total') },
      above,
    )
    expect(message).toBe(
      'app.sales: app.above does not fit any more: function sum(text) does not exist (42883). Change app.above in the same ' +
        'migration: npx viewkeeper freeze app.sales app.above -m "why". Nothing was written.',
    )
  })

  test('with its index, if that cannot be made on the new type', deep, async () => {
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

  test('with the names of the views, in however many schemas they are', deep, async () => {
    const frozen = await started(sales)
    const schemas = Array.from({ length: 11 }, (_, at) => `app_${String(at).padStart(2, '0')}`)
    for (const [at, schema] of schemas.entries())
      await sql.unsafe(`
        drop schema if exists ${schema} cascade; create schema ${schema};
        create materialized view ${schema}.v as select * from ${at === 0 ? 'app.sales' : `${schemas[at - 1]}.v`}`)
    await sql`
      create materialized view app.picked as
      select coalesce(x.r, v)::text as n from app_10.v cross join json_to_record('{}') as x(r app_10.v)`
    try {
      const [message] = await refused(frozen, {
        ...sales,
        sql: salesQuery.replace('integer as total', 'text as total'),
      })
      expect(message).toContain(
        'app.picked does not fit any more: COALESCE could not convert type app_10.v to app_10.v',
      )
    } finally {
      await sql.unsafe(`drop schema ${schemas.join(', ')} cascade`)
    }
  })

  test('with what to do, if it is a plain view', deep, async () => {
    const frozen = await started(sales, above)
    await sql`create view app.plain as select orders from app.sales`
    const [message] = await refused(frozen, { ...sales, sql: salesQuery.replace('as orders', 'as n') }, above)
    expect(message).toBe(
      'app.sales: plain view app.plain reads column orders of app.sales, which the new query does not have. Drop plain view ' +
        'app.plain by own SQL in an earlier migration, and make it again in a later one. Nothing was written.',
    )
  })
})

describe('views that change together', () => {
  const salesBefore = inApp('sales', salesQuery, { indexes })
  const salesAfter = inApp(
    'sales',
    'select shop, sum(total)::integer as amount from app.orders group by shop',
    {
      indexes,
      comment: 'by shop',
    },
  )
  const aboveAfter = inApp('above', 'select max(s.amount) as most\nfrom app.sales s')
  const reads = new Map([['"app"."above"', ['"app"."sales"']]])

  test('share a migration and one exchange, and go back together', async () => {
    const frozen = await started(salesBefore, above, beside)
    await sql`create view app.between as select shop from app.sales`
    await sql`create materialized view app.counted as select count(*)::integer as n from app.between`
    await frozen.freeze([salesAfter, above, beside])
    const refusal = await refusalOf(migrateUp(migrateCall(database), await frozen.read()))
    expect(refusal.message).toContain('app.beside reads column total')
    await Promise.all(['up', 'down'].map((way) => rm(join(frozen.path, `004_sales.${way}.sql`))))

    const besideAfter = inApp('beside', 'select shop, amount from app.sales')
    const verified = await frozen.freezeOn(database, [salesAfter, aboveAfter, besideAfter], {
      reads: new Map([...reads, ['"app"."beside"', ['"app"."sales"']]]),
    })
    expect(verified).toMatchObject([
      { name: '004_sales_above_beside', does: 'rebuild', wayBack: { blocked: null, drift: [] } },
    ])
    await sql`insert into app.orders values (31, 1, 1000)`
    const { applied } = await migrateUp(migrateCall(database), await frozen.read())
    expect(applied).toMatchObject([{ name: '004_sales_above_beside', does: 'rebuild' }])
    expect(await sql`select most from app.above`).toEqual([{ most: 1145 }])
    expect(await sql`select n from app.counted`).toEqual([{ n: 3 }])
    expect(await readDrift(database, [...frozenState(await frozen.read()).values()])).toEqual([
      { view: 'app.counted', kind: 'unmanaged', message: 'nobody has authored it' },
    ])
    expect(
      await sql`select name, sql, source from viewkeeper.definitions where source = 'authored' order by name`,
    ).toEqual(
      [aboveAfter, besideAfter, salesAfter].map(({ name, sql }) => ({ name, sql, source: 'authored' })),
    )
    const { applied: journal } = await migrationStatus(database, await frozen.read())
    expect(journal.at(-1)).toMatchObject({ name: '004_sales_above_beside', runId: applied[0]?.runId })

    expect(await down(frozen)).toMatchObject([{ name: '004_sales_above_beside', does: 'rebuild' }])
    expect(await sql`select total from app.above`).toEqual([{ total: 1465 }])
    expect(await columnsOf('beside')).toEqual(['shop integer', 'total integer'])
    expect(
      await sql`select name, sql from viewkeeper.definitions where source = 'authored' order by name`,
    ).toEqual([above, beside, salesBefore].map(({ name, sql }) => ({ name, sql })))
  })

  test('are only recorded, if somebody has made the change', async () => {
    const frozen = await started(salesBefore, above)
    await frozen.freeze([salesAfter, aboveAfter], { reads })
    await sql.unsafe(`
      drop materialized view app.sales cascade;
      create materialized view app.sales as ${salesAfter.sql}; create unique index sales_key on app.sales (shop);
      comment on materialized view app.sales is 'by shop';
      create materialized view app.above as ${aboveAfter.sql}`)
    const { applied } = await migrateUp(migrateCall(database), await frozen.read())
    expect(applied).toEqual([
      { name: '003_sales_above', way: 'up', does: null, runId: null, durationMs: null },
    ])
  })

  test('name the line of the file, if the server refuses one of them', deep, async () => {
    const frozen = await started(salesBefore, above)
    await frozen.freeze(
      [salesAfter, { ...aboveAfter, sql: 'select max(s.amount) as most,\n s.nothing\nfrom app.sales s' }],
      { reads },
    )
    const migrations = await frozen.read()
    const text = migrations.at(-1)?.up.text.split('\n') ?? []
    const line = text.findIndex((each) => each.includes('s.nothing')) + 1
    expect((await refusalOf(migrateUp(migrateCall(database), migrations))).message).toBe(
      `migrations/003_sales_above.up.sql, line ${line}: column s.nothing does not exist (42703). The database is as it was before this migration.`,
    )
    const atFreeze = await refusalOf(verifyFrozen(database, migrations.slice(0, 2), migrations.slice(2)))
    expect(atFreeze.message).toBe(
      'app.above, line 2 of its query: column s.nothing does not exist (42703). Nothing was written.',
    )
  })

  test('may change who reads whom', deep, async () => {
    const one = inApp('one', 'select id from app.orders')
    const two = inApp('two', 'select id from app.one')
    const frozen = await started(one, two)
    const after = [
      inApp('one', 'select id, 1 as more from app.two'),
      inApp('two', 'select id from app.orders where id < 4'),
    ]
    const verified = await frozen.freezeOn(database, after, {
      reads: new Map([['"app"."one"', ['"app"."two"']]]),
    })
    expect(verified).toMatchObject([{ wayBack: { blocked: null } }])
    await migrateUp(migrateCall(database), await frozen.read())
    expect(await sql`select count(*)::int as n from app.one`).toEqual([{ n: 3 }])
    await down(frozen)
    expect(await sql`select count(*)::int as n from app.two`).toEqual([{ n: 30 }])
  })

  test('are refused, if they would read each other', deep, async () => {
    const frozen = await started(salesBefore, above)
    const [message] = await refused(
      frozen,
      inApp('sales', 'select total as shop from app.above', { indexes }),
      above,
    )
    expect(message).toBe(
      'app.sales: app.above and app.sales would read each other, directly or through other views. Change one of the queries. Nothing was written.',
    )
  })

  test('are refused, if one of them is missing, until it is made again', deep, async () => {
    const frozen = await started(salesBefore, above)
    await frozen.freeze([salesAfter, aboveAfter], { reads })
    await sql`drop materialized view app.above`
    expect((await refusalOf(bringUp(migrateCall(database), await frozen.read()))).message).toContain(
      'These views were frozen and are missing: app.above (002_above). `npx viewkeeper migrate up --repair` makes them again.',
    )
    const { applied, repaired } = await bringUp(migrateCall(database), await frozen.read(), { repair: true })
    expect(repaired).toMatchObject([{ name: 'app.above', does: 'create' }])
    expect(applied).toMatchObject([{ name: '003_sales_above', does: 'rebuild' }])
    expect(await sql`select most from app.above`).toEqual([{ most: 165 }])
  })
})

describe('readers of a parent and two children', () => {
  test('see no error and views that agree, while the parent changes up and down', deep, async () => {
    const frozen = await started(sales, above, beside)
    await sql`create view app.between as select total from app.sales`
    await sql`create materialized view app.counted as select sum(total)::integer as total from app.between`
    let reads = 0
    let isOver = false
    const disagreements: unknown[] = []
    const read = async () => {
      const connection = readersOf(url)
      while (!isOver) {
        try {
          const [row] = await connection`
            select (select sum(total)::int from app.sales) as parent, (select total from app.above) as one,
                   (select sum(total)::int from app.beside) as other, (select total from app.counted) as through`
          reads++
          if (new Set(Object.values(row ?? {})).size !== 1) disagreements.push(row)
        } catch (error) {
          disagreements.push(error)
        }
        await pause(5)
      }
      await connection.end()
    }
    const readers = Promise.all([read(), read()])
    try {
      for (let more = 1; more <= 2; more++)
        await frozen.freeze([
          { ...sales, sql: salesQuery.replace('total)', `total + ${more})`) },
          above,
          beside,
        ])
      // A quick machine takes several rounds for so many reads.
      do {
        await migrateUp(migrateCall(database), await frozen.read())
        await down(frozen, 2)
      } while (reads <= 50 && disagreements.length === 0)
    } finally {
      isOver = true
    }
    await readers
    expect(reads).toBeGreaterThan(50)
    expect(disagreements).toEqual([])
  })
})

describe('a change of a group', () => {
  test('whose views cannot be filled leaves everything as it was', async () => {
    const frozen = await started(sales, above, beside)
    await frozen.freeze([
      { ...sales, sql: salesQuery.replace('total)', 'total / (total - 30))') },
      above,
      beside,
    ])
    const before = await wholeCatalog(sql)
    const refusal = await refusalOf(migrateUp(migrateCall(database), await frozen.read()))
    expect(refusal.message).toContain(
      'migrations/004_sales.up.sql: app.sales: division by zero (22012), run ',
    )
    expect(await wholeCatalog(sql)).toEqual(before)
    expect((await migrationStatus(database, await frozen.read())).pending).toEqual(['004_sales'])
    expect(
      await sql`select view_name as view, status from viewkeeper.runs where id >= ${refusal.details.runId as number} order by 1`,
    ).toEqual([
      { view: 'above', status: 'skipped' },
      { view: 'beside', status: 'skipped' },
      { view: 'sales', status: 'failed' },
    ])
    expect(await sql`select total from app.above`).toEqual([{ total: 465 }])
  })
})
