import { beforeEach, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { migrateUp, missingViews } from '../../../src/migrate/migrate.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Database, Sql } from '../../../src/server/database.ts'
import { nameOf } from '../../../src/set-aside/plan/items.ts'
import type { PutBackRequest, SetAsideRequest } from '../../../src/set-aside/set-aside.ts'
import { monitor, type Publisher } from '../../../src/watch/monitor.ts'
import { pauseView } from '../../../src/watch/pause.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { deep, eachCase, eachGroup } from '../../support/deep.ts'
import { updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { callAlter, callPutBack, callSetAside } from '../../support/views/alter.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { namesByKind } from '../../support/views/wrong.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { describeAll, rowsOf, useScene } from './scene.ts'

const { sql, database, as, url } = useDatabase()
const { login } = useScene(sql, 'aside')
const folderNamed = useFolders()

const aside = (reading: string[], more: Partial<SetAsideRequest> = {}, from = database) =>
  callSetAside(from, reading, more)
const back = (more: Partial<PutBackRequest> = {}, from = database) => callPutBack(from, more)
/** A connection on which what stands in the way is read in half a second, as on a server with hundreds of views. */
const readsSlowly = (from: Sql): Sql =>
  new Proxy(from, {
    get: (target, name) => {
      const own = Reflect.get(target, name)
      if (name === 'begin' || name === 'savepoint')
        return (work: (part: Sql) => unknown) => own.call(target, (part: Sql) => work(readsSlowly(part)))
      if (name !== 'unsafe') return own
      return (text: string, values?: never[]) =>
        text.includes('with recursive') && text.includes('$1')
          ? target.unsafe('select pg_sleep(0.5)').then(() => target.unsafe(text, values))
          : target.unsafe(text, values)
    },
  })
const remembered = async () =>
  (await sql<{ name: string }[]>`select name from viewkeeper.set_aside order by act desc, position`).map(
    ({ name }) => name,
  )

test('what takes long to be read under the locks is set aside, too', deep, async () => {
  const slow: Database = {
    ...database,
    withConnection: (work, terms) =>
      database.withConnection((connection, leave) => work(readsSlowly(connection), leave), terms),
  }
  const { items } = await aside(['keep.orders'], {}, slow)
  expect(items).toHaveLength(10)
  await back()
})

eachGroup(['superuser', 'member of the owners'], { quick: 1 })('as %s', (who) => {
  const db = () => (who === 'superuser' ? database : as(login).database)

  test('views that are set aside for a change by another connection come back exactly as they were', async () => {
    const [before, rows] = [await describeAll(sql), await rowsOf(sql)]
    const { items } = await aside(['keep.orders'], {}, db())
    expect(items).toHaveLength(10)
    expect(
      await sql`select from pg_class where relkind in ('m', 'v') and relnamespace in ('keep'::regnamespace, 'far'::regnamespace)`,
    ).toEqual([])
    await sql`alter table keep.orders alter column amount type integer using amount + 1 - 1`
    const made = await back({}, db())
    expect(made.back.map(({ name }) => name)).toEqual(items.map(nameOf))
    expect(await describeAll(sql)).toEqual(before)
    expect(await rowsOf(sql)).toEqual(rows)
    expect(await remembered()).toEqual([])
  })
})

test('a view over a function whose text names a table without its schema is left, with the name, the function and what to type', async () => {
  await sql.unsafe(`
    drop schema if exists called cascade; create schema called; create table called.rates as select 'secret' as r;
    create function called.rate() returns text language sql set search_path = called as 'select max(r) from rates';
    create table called.base as select 1 as id; create materialized view called.rated as select id, called.rate() as r from called.base`)
  await aside(['called.base'])
  await sql`alter function called.rate() reset search_path`
  const { misfits } = await back()
  expect(misfits).toEqual([
    {
      name: 'called.rated',
      because: expect.stringMatching(
        /cannot be filled: its data cannot be computed: undefined table rates in function called\.rate\(\) \(42P01\)\. A refresh looks .* alter function called\.rate\(\) set search_path = called; \(as postgres\)/,
      ),
    },
  ])
  expect(JSON.stringify(misfits)).not.toContain('secret')
})

test(
  'a login that may not act as the owner of the memory cannot write what others would execute, and can put back',
  deep,
  async () => {
    const rows = await rowsOf(sql)
    await sql.unsafe(`revoke aside_keeper from ${login}`)
    const refusal = await refusalOf(aside(['keep.orders'], {}, as(login).database))
    expect(refusal.message).toContain('aside_login may not set views aside, only put them back')
    expect(await rowsOf(sql)).toEqual(rows)
    await aside(['keep.orders'])
    await back({}, as(login).database)
    expect(await rowsOf(sql)).toEqual(rows)
  },
)

test(
  'a session that ends in the middle leaves the views as they were, or all of them aside',
  deep,
  async () => {
    const rows = await rowsOf(sql)
    const killed = async (work: () => Promise<unknown>, application: string) => {
      const going = work().then(
        () => 'done',
        () => 'ended',
      )
      for (;;) {
        const ended =
          await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${application} and datname = current_database() and xact_start is not null and backend_xid is not null`
        if (ended.length > 0) break
        if ((await Promise.race([going, new Promise((next) => setImmediate(() => next('on')))])) !== 'on')
          break
      }
      return going
    }
    expect(await killed(() => aside(['keep.orders']), 'viewkeeper set-aside')).toBe('ended')
    expect(await remembered()).toEqual([])
    expect(await rowsOf(sql)).toEqual(rows)
    await aside(['keep.orders'])
    expect(await killed(() => back(), 'viewkeeper put-back')).toBe('ended')
    expect(await remembered()).toHaveLength(10)
    await back()
    expect(await rowsOf(sql)).toEqual(rows)
  },
)

test('a second call sets aside what is still there, says what is aside, and all comes back in order', async () => {
  const rows = await rowsOf(sql)
  const first = await aside(['far.counts'])
  expect(first.items.map(nameOf)).toEqual(['far.summit'])
  const second = await aside(['keep.orders'])
  expect(second.before.map(({ name }) => name)).toEqual(['far.summit'])
  expect(second.items).toHaveLength(9)
  const third = await aside(['keep.orders'])
  expect(third.items).toEqual([])
  expect(third.before).toHaveLength(10)
  expect((await remembered()).at(-1)).toBe('far.summit')
  await back()
  expect(await rowsOf(sql)).toEqual(rows)
})

test('a paused view that has data is not taken away: it would come back with other data', deep, async () => {
  await pauseView(database, 'keep.totals', true, 'test')
  const rows = await rowsOf(sql)
  for (const call of [
    () => aside(['keep.orders']),
    () => callAlter(database, 'alter table keep.orders alter column amount type bigint'),
  ])
    expect((await refusalOf(call())).message).toContain("viewkeeper resume 'keep.totals'")
  expect(await rowsOf(sql)).toEqual(rows)
  await pauseView(database, 'keep.totals', false, 'test')
  await aside(['keep.orders'])
  await back()
})

describe('a view that no longer fits', () => {
  beforeEach(async () => {
    await aside(['keep.orders'])
    await sql`alter table keep.orders drop column status`
  })

  test('is named with the column, and so are all others at once; what reads them stays, and the catalog as it is', async () => {
    const before = await wholeCatalog(sql)
    const { misfits, left, back: made } = await back()
    expect(misfits.map(({ name }) => name)).toEqual([
      'keep.lines',
      'keep.totals',
      '"Odd one"."By Day"',
      'keep.big',
    ])
    expect(misfits[0]?.because).toMatch(/^view keep\.lines no longer fits: .*status.*42703/)
    expect(left).toHaveLength(6)
    expect(made).toEqual([])
    expect(await wholeCatalog(sql)).toEqual(before)
    expect(await remembered()).toHaveLength(10)
  })

  test('comes back when the table fits again', deep, async () => {
    await back()
    await sql`alter table keep.orders add column status text`
    expect((await back()).back).toHaveLength(10)
  })

  test('comes back from a definition that is given along, or is forgotten', async () => {
    const given = [
      definition('totals', "select 'all' as status, sum(amount) as total, count(*) as n from keep.orders", {
        schema: 'keep',
      }),
      definition('big', "select id, amount * 2 as double, 'open' as status from keep.orders", {
        schema: 'keep',
      }),
    ]
    const forgotten = ['keep.lines', 'keep.open_lines', 'keep.labels', '"Odd one"."By Day"', 'far.summit']
    const done = await back({ given, forgotten })
    expect(done.back.map(({ name }) => name)).toEqual([
      'keep.totals',
      'keep.big',
      'far.counts',
      'keep.top',
      'keep.empty_one',
    ])
    expect(await sql`select total::int from keep.totals`).toEqual([{ total: 20100 }])
    expect(await remembered()).toEqual([])
  })

  test('cannot be forgotten under a name that is not aside, nor given to another view', deep, async () => {
    expect((await refusalOf(back({ forgotten: ['keep.typo'] }))).message).toContain('--forget: keep.typo')
    const given = [definition('typo', 'select 1 as x', { schema: 'keep' })]
    expect((await refusalOf(back({ given }))).message).toMatch(/^--with: keep\.typo is no materialized view/)
  })
})

describe('what another tool renames keeps its readers aside, with the old and the new name, until it is taken back:', () => {
  eachCase(
    [
      [
        'two columns that change names',
        'alter table keep.orders rename amount to x; alter table keep.orders rename id to amount; alter table keep.orders rename x to id',
        'alter table keep.orders rename id to x; alter table keep.orders rename amount to id; alter table keep.orders rename x to amount',
        'column id of keep.orders, which is called amount now, and column amount of keep.orders, which is called id now',
      ],
      [
        'a column whose name another one gets',
        "alter table keep.orders rename status to old_status; alter table keep.orders add column status text default 'new'",
        'alter table keep.orders drop column status; alter table keep.orders rename old_status to status',
        'column status of keep.orders, which is called old_status now',
      ],
      [
        'a table and its schema and column',
        'alter table keep.orders rename amount to total; alter table keep.orders set schema far; alter table far.orders rename to bills',
        'alter table far.bills rename to orders; alter table far.orders set schema keep; alter table keep.orders rename total to amount',
        'keep.orders, which is called far.bills now, and column amount of keep.orders, which is called total now',
      ],
    ],
    { quick: 1 },
  )('%s', async (_, change, undo, renamed) => {
    const [before, rows] = [await describeAll(sql), await rowsOf(sql)]
    const { items } = await aside(['keep.orders'])
    await sql.unsafe(change)
    const done = await back({}, as(login).database)
    expect(done.misfits[0]).toEqual({
      name: 'keep.lines',
      because: expect.stringContaining(`view keep.lines no longer fits: it reads ${renamed}. `),
    })
    const stay = new Set([...done.misfits.map(({ name }) => name), ...done.left])
    expect(new Set(await remembered())).toEqual(stay)
    expect([...stay, ...done.back.map(({ name }) => name)].sort()).toEqual(items.map(nameOf).sort())
    await sql.unsafe(undo)
    const rest = await back({}, as(login).database)
    expect([rest.misfits, rest.left, await remembered()]).toEqual([[], [], []])
    expect(Object.keys(await describeAll(sql))).toEqual(Object.keys(before))
    expect(await rowsOf(sql)).toEqual(rows)
  })

  test('a column of a partition; a definition with the new name puts its reader back', deep, async () => {
    await sql.unsafe(`
      set role aside_anna;
      create table keep.parts (day date, x integer) partition by range (day);
      create table keep.part_1 partition of keep.parts for values from ('2026-01-01') to ('2026-02-01');
      insert into keep.parts values ('2026-01-05', 7);
      create materialized view keep.of_part as select sum(x) as x from keep.part_1;
      reset role`)
    await aside(['keep.part_1'])
    await sql.unsafe(
      'alter table keep.parts rename x to amount; alter table keep.parts alter amount type bigint',
    )
    expect((await back()).misfits).toEqual([
      {
        name: 'keep.of_part',
        because: expect.stringContaining('it reads column x of keep.part_1, which is called amount now.'),
      },
    ])
    const given = [definition('of_part', 'select sum(amount) as x from keep.part_1', { schema: 'keep' })]
    expect((await back({ given })).misfits).toEqual([])
    expect(await sql`select x::int from keep.of_part`).toEqual([{ x: 7 }])
  })

  test('but not a table in whose place another one is: they read that one', deep, async () => {
    await aside(['keep.orders'])
    await sql.unsafe(`
      set role aside_anna;
      alter table keep.orders rename to former; create table keep.orders as select * from keep.former where id <= 2;
      reset role`)
    expect((await back()).misfits).toEqual([])
    expect(await sql`select sum(n)::int as n from keep.totals`).toEqual([{ n: 2 }])
  })
})

describe('a view that cannot be filled', () => {
  beforeEach(async () => {
    await sql.unsafe(`
      create materialized view keep.shares as select id, 1000 / amount as share from keep.orders;
      create view keep.shared as select max(share) as share from keep.shares;
      create materialized view far.best_share as select share from keep.shared`)
    await aside(['keep.orders'])
    await sql`update keep.orders set amount = 0 where id = 7`
  })

  test('stays aside with all that reads it; everything else comes back, filled, in order', async () => {
    const filled: string[] = []
    const done = await back({ onFill: (view) => filled.push(view) })
    expect(done.misfits).toEqual([
      {
        name: 'keep.shares',
        because:
          'materialized view keep.shares cannot be filled: its data cannot be computed: division by zero (22012).',
      },
    ])
    expect(done.left).toEqual(['keep.shared', 'far.best_share'])
    expect(done.back).toHaveLength(10)
    expect(await remembered()).toEqual(['keep.shares', 'keep.shared', 'far.best_share'])
    expect(
      await sql`select to_regclass('keep.shares') as shares, to_regclass('keep.shared') as shared`,
    ).toEqual([{ shares: null, shared: null }])
    expect(await sql`select total::int from keep.totals order by 1`).toEqual([
      { total: 9993 },
      { total: 10100 },
    ])
    expect(await sql`select labels::int from far.summit`).toEqual([{ labels: 100 }])
  })

  test('comes back with its readers when it can be filled again', deep, async () => {
    await back()
    await sql`update keep.orders set amount = 7 where id = 7`
    const done = await back()
    expect(done.back.map(({ name }) => name)).toEqual(['keep.shares', 'keep.shared', 'far.best_share'])
    expect([done.misfits, done.left, await remembered()]).toEqual([[], [], []])
    expect(await sql`select share from far.best_share`).toEqual([{ share: 1000 }])
  })
})

describe('set-aside proves that each view can be filled:', () => {
  beforeEach(async () => {
    await sql.unsafe(`
      create materialized view keep.shares as select id, 1000 / amount as share from keep.orders;
      create materialized view keep.halves as select share / 2 as half from keep.shares;
      create materialized view keep.twice as select id % 2 as id, 7 / (amount - 7) as x from keep.orders with no data;
      create materialized view keep.quotients as select 1 / (max(double) - 1000) as q from keep.big;
      create materialized view keep.keyed as select amount as key from keep.orders;
      create unique index on keep.keyed (key)`)
  })

  test('all that cannot are named at once, also those that would fail with the data of today, and nothing is set aside', async () => {
    await sql`update keep.orders set amount = 0 where id in (7, 8)`
    const [before, rows] = [await wholeCatalog(sql), await rowsOf(sql)]
    const refusal = await refusalOf(aside(['keep.orders']))
    expect(refusal.code).toBe('ViewSqlFailed')
    expect(refusal.message).toMatch(
      /view keep\.shares .* \(22012\)\. .*view keep\.keyed .* \(23505\)\. Nothing was set aside/,
    )
    expect(await wholeCatalog(sql)).toEqual(before)
    expect(await rowsOf(sql)).toEqual(rows)
  })

  test('a login that may not create schemas is told which views could not be tried', deep, async () => {
    let told: string[] = []
    const onTried = (untried: string[]) => {
      told = untried
    }
    expect((await aside(['far.counts'], { onTried }, as(login).database)).items.map(nameOf)).toEqual([
      'far.summit',
    ])
    expect(told).toEqual(['far.summit'])
    await back()
    await aside(['far.counts'], { onTried })
    expect(told).toEqual([])
  })

  test('a view is tried with what the views below it will hold, beside the readers of all of them', async () => {
    await sql`insert into keep.orders values (500, '2026-01-01', 500, 'open')`
    const waits: string[] = []
    const { refusal } = await whileLocked(url, 'select * from keep.big', async () => ({
      refusal: await refusalOf(aside(['keep.orders'], { onWait: (holders) => waits.push(holders) })),
    }))
    expect(waits).toEqual([])
    expect(refusal.message).toMatch(/^materialized view keep\.quotients cannot be filled: .*division by zero/)
  })
})

test('a view that somebody has made meanwhile is named and stays; it is kept if the old one is forgotten', async () => {
  await aside(['keep.big', 'far.counts'])
  await sql.unsafe('create view far.summit as select 1 as mine')
  const first = await back()
  expect(first.misfits).toEqual([
    {
      name: 'far.summit',
      because: expect.stringMatching(/^far\.summit is there already: .* --forget far\.summit\. /),
    },
  ])
  expect(first.back.map(({ name }) => name)).toEqual(['keep.top', 'keep.empty_one'])
  expect(await sql`select * from far.summit`).toEqual([{ mine: 1 }])
  await sql`create or replace view far.summit as select 1 as mine from keep.orders`
  for (const dryRun of [true, false])
    await expect(aside(['keep.orders'], { dryRun })).rejects.toMatchObject({
      code: 'DependentsExist',
      message: expect.stringMatching(
        /^far\.summit is there already: .* --forget far\.summit\. .* Nothing was set aside\.$/,
      ),
    })
  await sql`create or replace view far.summit as select 1 as mine`
  expect((await back({ forgotten: ['far.summit'] })).back).toEqual([])
  expect(await sql`select * from far.summit`).toEqual([{ mine: 1 }])
})

test(
  'a view that would read other columns, because a table in a join with an alias got one, stays aside',
  deep,
  async () => {
    await sql.unsafe(`
    create table keep.one (id int, c int); create table keep.two (id int, name text, other text, more int);
    insert into keep.one values (1, 1); insert into keep.two values (1, 'name', 'other', 0);
    create materialized view keep.joined as select j.c, j.other from (keep.one o join keep.two k on k.id = o.c) as j (id, c, id2, name, other, more)`)
    const change =
      'alter table keep.one add column z int; alter table keep.two alter column other type varchar(9)'
    const says = 'materialized view keep.joined would not read keep.two.other, but keep.two.name'
    await expect(callAlter(database, change)).rejects.toMatchObject({
      message: expect.stringContaining(says),
    })
    expect(await sql`table keep.joined`).toEqual([{ c: 1, other: 'other' }])
    await aside(['keep.two'])
    await sql.unsafe(change)
    expect((await back()).misfits).toEqual([{ name: 'keep.joined', because: expect.stringContaining(says) }])
    await sql`alter table keep.one drop column z`
    expect((await back()).back.map(({ name }) => name)).toEqual(['keep.joined'])
    expect(await sql`table keep.joined`).toEqual([{ c: 1, other: 'other' }])
    await sql`drop table keep.one, keep.two cascade`
  },
)

test('a name that nothing has, or that SQL cannot read, is refused', async () => {
  expect((await refusalOf(aside(['keep.nothing']))).message).toContain('"keep"."nothing"')
  expect((await refusalOf(aside(['keep.']))).code).toBe('InvalidName')
})

test('a refresh of a view that is set aside says so', async () => {
  await aside(['keep.orders'])
  const refusal = await refusalOf(refresh({ view: 'keep.totals' }, callOn(database)))
  expect(refusal.message).toMatch(/keep\.totals .* by role postgres: npx viewkeeper put-back/)
  await back()
})

test('views that are set aside are not missing, and after an hour they set off an alarm', async () => {
  const folder = await folderNamed('missing')
  await folder.freeze([definition('authored', 'select id from keep.orders', { schema: 'keep' })])
  const migrations = await folder.read()
  await migrateUp(migrateCall(database), migrations)
  await aside(['keep.orders'])
  expect(await database.withConnection((connection) => missingViews(connection, migrations))).toEqual([])
  const published = new Map<string, number>()
  const incidents: Publisher['incidents'] = (kind, found) => void published.set(kind, found.length)
  const look = () => monitor(database, { schedules: unscheduled, publish: { ...unheard, incidents } })
  expect(namesByKind(await look())).toMatchObject({ missing: [], aside: [] })
  expect(published.get('aside')).toBe(0)
  const since = sql`set_aside_at - interval '61 minutes'`
  await updateRows(sql, 'setAside', { name: ['keep.authored', 'keep.top'] }, { setAsideAt: since })
  expect(namesByKind(await look())).toMatchObject({
    missing: [],
    aside: expect.arrayContaining(['keep.authored', 'keep.top']),
  })
  expect(published.get('aside')).toBe(2)
  await back()
  await sql`drop materialized view keep.authored`
  expect(namesByKind(await look())).toMatchObject({ missing: ['keep.authored'], aside: [] })
})
