import { beforeEach, describe, expect, test } from 'vitest'
import { findingsLines } from '../../../cli/commands/author/doctor.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { eachCase } from '../../support/deep.ts'
import { emptyTables } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { major } from '../../support/servers/test-server.ts'
import { daily, useDaily } from '../../support/slices/daily.ts'
import { makeKept } from '../../support/slices/kept-table.ts'

const { database, sql } = useDatabase()
const { makeOwnLog, planned, slicesRefreshed } = useDaily({ database, sql }, 'day')

/** Ten days of orders; day n has product n. */
beforeEach(async () => {
  await emptyTables(sql, 'runs', 'definitions')
  await sql.unsafe(`
    do $$ begin create role doctor_reader; exception when duplicate_object then null; end $$;
    drop schema if exists viewkeeper_logs, app, shop cascade; create schema app; create schema shop;
    create table app.products (id int primary key, at int, code text, bits bit(3), name text);
    create table shop.orders (id int primary key, day int, product_id int, code text, bits bit(3));
    create index on shop.orders (product_id); create index on shop.orders (code); create index on shop.orders (bits);
    insert into app.products select i, i, 'c' || i, i::bit(3), 'p' || i from generate_series(1, 7) i; insert into shop.orders select i, i, i, 'c' || i, i::bit(3) from generate_series(1, 7) i;
    create view app.sold as select * from shop.orders; create view app.made as select * from app.products; grant usage, create on schema app to doctor_reader;
    grant select on app.sold, app.made, app.products, shop.orders to doctor_reader; grant usage on schema shop to doctor_reader`)
})

/** What the doctor says of app.daily. */
async function said(): Promise<string[]> {
  const findings = await doctor(database, { views: ['app.daily'], role: null, slices: true })
  return findingsLines(findings).filter((line) => /slices|change log/.test(line))
}

const joining = (on: string) =>
  `select o.day, max(p.name) as name, count(*) as n from app.sold o left join app.made p on ${on} group by o.day`

const byProduct =
  'app.daily: a row of app.products touches the slices of the shop.orders that it joins (shop.orders.product_id = app.products.id), if shop.orders.product_id has an index'
const all = 'app.daily: a row of app.products touches all slices: '

describe('of a change of a joined table the doctor says what a refresh computes', () => {
  eachCase<readonly [what: string, change: string, on: string, says: string, computes: 1 | 'all']>(
    [
      ['the slices that it joins', '', 'o.product_id = p.id', byProduct, 1],
      [
        'what an index decides',
        'drop index shop.orders_product_id_idx',
        'o.product_id = p.id',
        byProduct,
        'all',
      ],
      [
        'a type that no log notes',
        '',
        'o.bits = p.bits',
        `${all}bits has type bit, of which a log cannot note values`,
        'all',
      ],
      [
        'a name that the log has itself',
        '',
        'o.product_id = p.at',
        `${all}the log has a column at of its own`,
        'all',
      ],
      ['one of several joins', '', 'o.bits = p.bits and o.product_id = p.id', byProduct, 1],
      [
        'values that the owner may not read',
        'revoke select on app.products from doctor_reader',
        'o.product_id = p.id',
        `${all}doctor_reader may not select app.products.id`,
        'all',
      ],
      [
        'joined rows that he may not read',
        'revoke select on shop.orders from doctor_reader; grant select (day) on shop.orders to doctor_reader',
        'o.product_id = p.id',
        `${all}doctor_reader may not select shop.orders.product_id`,
        'all',
      ],
      [
        'child tables',
        'create table shop.more () inherits (shop.orders)',
        'o.product_id = p.id',
        `${all}shop.orders has child tables, which may have no index`,
        'all',
      ],
    ],
    { quick: 5 },
  )('%s', async (_, change, on, says, computes) => {
    await sql.unsafe(change)
    await sql.unsafe(makeKept('app.daily', joining(on)))
    await sql.unsafe(
      'create unique index on app.daily (day); alter table app.daily owner to doctor_reader; alter view app.daily_query owner to doctor_reader',
    )
    expect(await said()).toContain(says)
    await makeOwnLog()
    expect(await said()).toContain(says)
    await slicesRefreshed(/computes all/)
    await sql`update app.products set name = 'other' where id = 3`
    expect(await slicesRefreshed(/computes all/)).toBe(computes)
  })

  test.each([
    'revoke select on shop.orders from doctor_reader; grant select (product_id) on shop.orders to doctor_reader',
    'revoke usage on schema shop from doctor_reader',
  ])('that there is no log if its owner may not read the keys: %s', async (change) => {
    await sql.unsafe(change)
    await sql.unsafe(makeKept('app.daily', joining('o.product_id = p.id')))
    await sql.unsafe(
      'alter table app.daily owner to doctor_reader; alter view app.daily_query owner to doctor_reader',
    )
    expect((await said()).join('\n')).toContain('doctor_reader may not select shop.orders.day')
    await expect(makeOwnLog()).rejects.toThrow('doctor_reader may not select shop.orders.day')
  })

  test('nothing of a table that has the key itself', async () => {
    const query =
      'select p.at as day, count(o.id) as n from app.products p left join shop.orders o on o.day = p.at group by p.at'
    await sql.unsafe(makeKept('app.daily', query))
    await makeOwnLog()
    expect((await said()).filter((line) => line.includes(': a row of '))).toEqual([])
  })

  test('a log that is there and does not note the join', async () => {
    await sql.unsafe(makeKept('app.daily', joining('o.product_id = p.id')))
    const log = await planned()
    const older = {
      ...log,
      tables: log.tables.map((each) => (each.joined ? { ...each, key: null, joined: null } : each)),
    }
    for (const statement of [dropLog(daily), ...makeLog(older)]) await sql.unsafe(statement)
    expect(await said()).toContain(`${all}the log that is there does not note app.products.id`)
  })
})

if (major >= 18)
  describe('a column that is computed when it is read is no key, because', () => {
    eachCase(
      [
        ['the column itself', 'v'],
        ['a time of it', "date_trunc('day', t)"],
      ],
      { quick: 1 },
    )('nothing is stored that a trigger could note: %s', async (_, key) => {
      await sql.unsafe(`
      alter table shop.orders add v int generated always as (day + 1) virtual, add t timestamp generated always as (timestamp '2026-01-01' + day * interval '1 day') virtual;
      ${makeKept('app.daily', `select ${key} as day, count(*) as n from shop.orders group by 1`)}`)
      const column = key === 'v' ? 'v' : 't'
      const because = `shop.orders.${column} is not stored; make it a stored generated column`
      expect(await said()).toContain(`  not by a change log: ${because}`)
      await expect(planned()).rejects.toThrow(because)
    })
  })

test('what an inner join reads has slices of its own, and touches those of the other table, too', async () => {
  await sql.unsafe(
    makeKept(
      'app.daily',
      'select o.day, p.name, count(*) as n from app.sold o join app.made p on o.product_id = p.id group by 1, 2',
    ),
  )
  expect(await said()).toEqual(
    expect.arrayContaining([
      'app.daily falls into slices of day (shop.orders.day)',
      'app.daily falls into slices of name (app.products.name)',
      byProduct,
    ]),
  )
})
