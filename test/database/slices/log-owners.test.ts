import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { readView } from '../../../src/record/definitions/look.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { readLogged } from '../../../src/slices/db/kept.ts'
import { planLog, whyUnused } from '../../../src/slices/db/log.ts'
import { foldLogs } from '../../../src/slices/db/long.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { viewOfLog } from '../../../src/sql/names.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { getView } from '../../../src/watch/read-views.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { deep } from '../../support/deep.ts'
import { deleteRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { makeKept } from '../../support/slices/kept-table.ts'
import { callAlter } from '../../support/views/alter.ts'
import { definition } from '../../support/views/frozen.ts'
import { holdLocks } from '../../support/waiting/holder.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()
const log = 'viewkeeper_logs."app.v_0"'
const view = { schema: 'app', name: 'v' }

beforeEach(async () => {
  await deleteRows(sql, 'runs')
  await sql.unsafe(`
    drop schema if exists app, rep, shop, types, viewkeeper_logs cascade; drop publication if exists everything;
    do $$ begin create role log_seller; create role log_viewer; create role log_app; exception when duplicate_object then null; end $$;
    create schema app authorization log_viewer; create schema shop authorization log_seller; grant usage on schema shop to log_viewer, log_app;
    create domain shop.day as date not null;
    set role log_seller;
    create table shop.orders (id int primary key, day shop.day, x int); insert into shop.orders select i, date '2026-01-01' + i % 5, i from generate_series(1, 100) i;
    grant select on shop.orders to log_viewer; grant select, insert on shop.orders to log_app;
    reset role`)
})

const query = 'select day, count(*) as n, sum(x) as x from shop.orders group by day'
async function makeView(of = query, name = 'v', schema = 'app', key = 'day') {
  await sql.unsafe(`
    set role log_viewer; ${makeKept(`${schema}.${name}`, of)};
    create unique index on ${schema}.${name} (${key}); reset role`)
}
async function makeItsLog(of = view) {
  for (const statement of makeLog(
    await database.withConnection(async (own) => planLog(own, await readView(own, of))),
  ))
    await sql.unsafe(statement)
}
const because = async () =>
  (await refresh({ view: 'app.v', force: true }, callOn(database))).response?.because
const started = async (of?: string, key?: string) => {
  await makeView(of, 'v', 'app', key)
  await makeItsLog()
  expect(await because()).toMatch(
    /^computes all of about \d+ slices of \w+ anew: the last refresh has not read the log; \d+ rows? written$/,
  )
}
const different = async () => {
  const [row] =
    await sql`select count(*)::int as n from ((table app.v except all table app.v_query) union all (table app.v_query except all table app.v)) d`
  return row?.n
}
const logged = async () => (await sql.unsafe(`select count(*)::int as n from ${log}`))[0]?.n
const as = (role: string, text: string) =>
  sql.begin(async (own) => {
    await own.unsafe(`set local role ${role}`)
    await own.unsafe(text)
  })

describe('a log of a table', () => {
  test('belongs to the owner of the table; the owner of the view may read it and nothing else, and writers need no right', async () => {
    await started()
    const owners = await sql`
      select c.relowner::regrole::text as owner from pg_class c where c.oid = ${log}::regclass
      union all select p.proowner::regrole::text from pg_proc p where p.pronamespace = 'viewkeeper_logs'::regnamespace`
    expect(owners.map(({ owner }) => owner)).toEqual(['log_seller', 'log_seller', 'log_seller'])
    await as('log_viewer', `select * from ${log}`)
    for (const denied of [
      `delete from ${log}`,
      `insert into ${log} (whole) values (true)`,
      `lock table ${log} in access exclusive mode`,
      `create or replace function viewkeeper_logs."app.v_0"() returns trigger language plpgsql as 'begin return null; end'`,
      'create table viewkeeper_logs.mine (i int)',
    ])
      await expect(as('log_viewer', denied)).rejects.toMatchObject({ code: '42501' })
    await expect(as('log_seller', 'create table viewkeeper_logs.mine (i int)')).rejects.toMatchObject({
      code: '42501',
    })
    await as('log_app', "insert into shop.orders values (1000, '2026-01-02', 1)")
    expect(await because()).toMatch(/^computes 1 of about 5 slices/)
    expect(await different()).toBe(0)
  })

  test(
    'refuses no writer: a domain that takes no null, a key that is renamed, retyped or gone, a table of another owner, a log that is gone',
    deep,
    async () => {
      await started()
      for (const [change, write] of [
        ['select', 'truncate shop.orders'],
        ['select', "insert into shop.orders values (1, '2026-01-02', 1)"],
        ['alter table shop.orders owner to log_app', "insert into shop.orders values (2, '2026-01-02', 1)"],
        [
          'alter table shop.orders owner to log_seller; alter table shop.orders rename day to at',
          "insert into shop.orders values (3, '2026-01-02', 1)",
        ],
        [
          'alter table shop.orders rename at to day; alter table shop.orders add constraint c check (x > 0)',
          'update shop.orders set x = x + 1',
        ],
        [
          'alter table shop.orders rename day to found; alter table shop.orders add day json',
          'update shop.orders set x = x + 1',
        ],
        [
          'alter table shop.orders drop day; alter table shop.orders add day interval',
          'update shop.orders set x = x + 1',
        ],
        [`drop table ${log}`, 'delete from shop.orders'],
      ] as const) {
        await sql.unsafe(change)
        expect([change, await sql.unsafe(write).then(() => 'written', String)]).toEqual([change, 'written'])
        await because()
        expect(await different()).toBe(0)
      }
    },
  )

  test('that somebody has altered refuses writers with the statement that takes it away', async () => {
    await started()
    await sql.unsafe(`alter table ${log} add check (day <> '2026-01-02')`)
    const write = sql`update shop.orders set x = x + 1`
    const { code, where } = await write.then(
      () => ({ code: null, where: '' }),
      (error) => error,
    )
    expect(code).toBe('23514')
    await sql.unsafe(where.match(/without this log: (drop function .*? cascade) \*\//)[1])
    await sql`update shop.orders set x = x + 1`
  })

  test('is told what has become of its key', async () => {
    await started()
    const plans: object[] = []
    const file = 'alter table shop.orders rename day to at'
    await callAlter(database, file, { events: { onPlan: ({ logs }) => plans.push(logs) } })
    expect(plans).toEqual([[{ view, table: 'shop.orders', key: 'day shop.day' }]])
    const why = 'it notes day shop.day where at shop.day of shop.orders is the key now'
    const { response } = await refresh({ view: 'app.v', force: true }, callOn(database))
    expect(response).toMatchObject({ computes: { unused: { because: expect.stringContaining(why) } } })
    const { causes } = await getWhy(database, 'app.v', { schedules: unscheduled, typed: null })
    expect(causes).toContainEqual({
      code: 'LogUnused',
      text: `Each refresh computes all rows of app.v: its change log is not used, because ${why}.`,
      next: "viewkeeper freeze app.v -m 'a new log'",
    })
  })

  test('is told that its tables have other names, if another one comes first by now', async () => {
    await sql.unsafe(`
      create index on shop.orders (x); create schema rep authorization log_seller; set role log_seller;
      create table rep.shops (x int primary key, name text); grant usage on schema rep to log_viewer; grant select on rep.shops to log_viewer; reset role`)
    await started(
      'select day, name, count(*) as n from shop.orders left join rep.shops using (x) group by 1, 2',
      'day, name',
    )
    await sql`alter schema rep rename to zoo`
    const { response } = await refresh({ view: 'app.v', force: true }, callOn(database))
    expect(response).toMatchObject({
      computes: {
        unused: {
          because: expect.stringContaining(
            'it was made when the tables that the query reads had other names',
          ),
        },
      },
    })
  })

  test('is made anew where it is there already, as after a restore without the record of migrations', async () => {
    await started()
    await makeItsLog()
    await sql`update shop.orders set x = x + 1 where id = 1`
    expect(await logged()).toBe(1)
    expect(await because()).toMatch(/^computes all of about \d+ slices of day anew: /)
    await sql`update shop.orders set x = x + 1 where id = 1`
    expect(await because()).toMatch(/^computes 1 of about \d+ slices of day anew, /)
    expect(await different()).toBe(0)
  })

  test('says who has to own a partition of another owner, because freeze is refused until then', async () => {
    await sql.unsafe(`
      drop table shop.orders; set role log_seller; create table shop.orders (day date, x int) partition by list (day);
      create table shop.most partition of shop.orders default; grant select on shop.orders to log_viewer; reset role`)
    await makeView()
    await makeItsLog()
    await sql.unsafe(`
      create table shop.july partition of shop.orders for values in ('2026-07-01'); alter table shop.july owner to log_app`)
    await because()
    const cure = 'alter table shop.july owner to log_seller'
    const { causes } = await getWhy(database, 'app.v', { schedules: unscheduled, typed: null })
    expect(causes).toContainEqual({ code: 'LogUnused', text: expect.stringContaining(cure), next: cure })
    const frozen = { ...definition('v', query, { schema: 'app', storage: 'table' }), slices: { by: 'day' } }
    const drift = await readDrift(database, [frozen])
    expect(drift.find(({ kind }) => kind === 'log')?.message).toMatch(new RegExp(`: ${cure}$`))
    await expect(makeItsLog()).rejects.toThrow(cure)
    await sql.unsafe(cure)
    await sql.unsafe(dropLog(view))
    await makeItsLog()
    expect(await because()).toContain('the last refresh has not read the log')
  })

  test('shows nobody keys of rows that a plain view hides from him: the owner of the view has to read them himself', async () => {
    await sql.unsafe(`
      set role log_seller; create view shop.few as select * from shop.orders where day < '2026-01-03'; grant select on shop.few to log_viewer;
      revoke select on shop.orders from log_viewer; reset role`)
    await makeView('select day, count(*) as n from shop.few group by day')
    await expect(makeItsLog()).rejects.toThrow('log_viewer may not select shop.orders.day')
    await sql.unsafe('grant select (day) on shop.orders to log_viewer')
    await makeItsLog()
    await because()
    expect(await because()).toMatch(/^computes 0 of/)
    await sql.unsafe('revoke select (day) on shop.orders from log_viewer')
    expect(await because()).toContain('is not used: ')
  })

  test('has a key that the doctor names as freeze does, or the same reason against it', async () => {
    await sql.unsafe(
      "alter table shop.orders add at timestamptz default '2026-01-01', add kind text default 'a'",
    )
    await makeView(
      'select at::date as day, kind, count(*) as n from shop.orders group by 1, 2',
      'v',
      'app',
      'day, kind',
    )
    const because = `day is computed from shop.orders.at as settings say: name the zone, as in (at at time zone 'UTC')::date`
    const { slices } = await doctor(database, { views: ['app.v'], role: null, slices: true })
    expect(slices).toMatchObject([{ view: 'app.v', noLog: [because] }])
    const planned = (by?: string) =>
      database.withConnection(async (own) => planLog(own, await readView(own, view), by))
    await expect(planned('day')).rejects.toThrow(because)
    expect(await planned()).toMatchObject({ by: 'kind' })
    await sql.unsafe(
      "alter table shop.orders add on_day date generated always as ((at at time zone 'UTC')::date) stored",
    )
  })

  test('calls no cast that the owner of a type has made', deep, async () => {
    await sql.unsafe(`
      create schema types authorization log_app; grant usage on schema types to public; set role log_app;
      create type types.kind as enum ('a', 'b'); create table types.loot (who name); grant all on types.loot to public; reset role;
      alter table shop.orders add kind types.kind; update shop.orders set kind = 'a'`)
    await started('select kind, count(*) as n from shop.orders group by kind', 'kind')
    await sql.unsafe(`
      set role log_app;
      create function types.text(types.kind) returns text language plpgsql as $$ begin insert into types.loot values (current_user); return 'b'; end $$;
      create function types.kind(text) returns types.kind language plpgsql as $$ begin insert into types.loot values (current_user); return enum_first(null::types.kind); end $$;
      create cast (types.kind as text) with function types.text(types.kind) as assignment; create cast (text as types.kind) with function types.kind(text) as assignment; reset role`)
    await because()
    await sql`update shop.orders set kind = 'b' where id = 7`
    await sql`update shop.orders set kind = null where id = 8`
    expect(await because()).toMatch(/^computes 3 of about/)
    expect([await different(), await sql`table types.loot`]).toEqual([0, []])
  })

  test('is used if a session that quotes all names has made it', async () => {
    await makeView()
    const statements = makeLog(
      await database.withConnection(async (own) => planLog(own, await readView(own, view))),
    )
    await sql.unsafe(`set local quote_all_identifiers to on; ${statements.join(';')}`)
    await because()
    expect(await because()).toMatch(/^computes 0 of/)
  })

  test('is opened and refused by no default privileges', async () => {
    await sql.unsafe(`
      alter default privileges for role log_seller grant all on tables to log_app, public;
      alter default privileges for role log_seller grant execute on functions to log_app;
      alter default privileges for role log_seller revoke execute on functions from public;
      alter default privileges for role log_viewer revoke execute on functions from public`)
    await started()
    const [row] =
      await sql`select has_table_privilege('log_app', ${log}, 'select, insert, delete') as may, has_function_privilege('log_app', 'viewkeeper_logs."app.v_0"()', 'execute') as calls`
    expect(row).toEqual({ may: false, calls: false })
    expect(await because()).toMatch(/^computes 0 of/)
    await sql.unsafe(`
      alter default privileges for role log_seller revoke all on tables from log_app, public;
      alter default privileges for role log_seller revoke execute on functions from log_app`)
  })

  test('has a replica identity, so a publication of all tables refuses no refresh', deep, async () => {
    await started()
    await sql`create publication everything for all tables`
    await because()
    await sql`update shop.orders set x = x + 1 where id = 7`
    expect(await because()).toMatch(/^computes 1 of about 5/)
    expect(await logged()).toBe(0)
  })

  test(
    'is written through what the table is a part of, and is refused where that has another owner',
    deep,
    async () => {
      await sql.unsafe(`
      drop table shop.orders; set role log_seller;
      create table shop.grand (id int, day date, x int) partition by list (id); create table shop.parent partition of shop.grand for values in (1) partition by range (day);
      create table shop.orders partition of shop.parent default; grant select on shop.orders to log_viewer; insert into shop.grand select 1, date '2026-01-01' + i % 5, i from generate_series(1, 50) i;
      create table shop.base (id int, x int); create table shop.child (day date) inherits (shop.base); grant select on shop.child to log_viewer; reset role`)
      await started()
      await sql`update shop.grand set x = x + 1 where day = '2026-01-02'`
      expect(await because()).toMatch(/^computes 1 of about 5/)
      expect(await different()).toBe(0)
      await sql.unsafe(`
      set role log_seller; create table shop.top (like shop.grand) partition by list (id);
      alter table shop.top attach partition shop.grand default; reset role`)
      expect(await because()).toContain('shop.top has no trigger that tells each insert')
      await makeView('select day, count(*) as n from shop.child group by day', 'w')
      await makeItsLog({ schema: 'app', name: 'w' })
      // The parent has no such column: all slices are noted.
      await sql`insert into shop.child (day) values ('2026-01-02')`
      await sql`update shop.base set x = x + 1`
      expect(await sql.unsafe('select whole from viewkeeper_logs."app.w_0" order by 1')).toEqual([
        { whole: false },
        { whole: true },
      ])
      await sql`alter table shop.base owner to log_app`
      await expect(makeItsLog({ schema: 'app', name: 'w' })).rejects.toThrow(
        'shop.child belongs to log_seller, and shop.base, whose rows it shares, to log_app: alter table shop.child owner to log_app',
      )
      // What to type is made of names, and not found in the sentence.
      const table = 'shop."x: alter table evil owner to evil;--"'
      await sql.unsafe(`alter table shop.child rename to ${table.slice(5)}`)
      const unused = async () => whyUnused(sql, await readView(sql, { schema: 'app', name: 'w' }))
      expect((await unused())?.next).toBe(`alter table ${table} owner to log_app`)
      await sql.unsafe(`alter table shop.base owner to log_seller; alter table ${table} disable trigger user`)
      expect(await unused()).toMatchObject({ because: expect.stringContaining(table), next: undefined })
    },
  )

  test('of one view is another than that of a view of its name in another schema', async () => {
    await started()
    await sql`create schema rep authorization log_viewer`
    await makeView('select day, max(x) as x from shop.orders group by day', 'v', 'rep')
    await makeItsLog({ schema: 'rep', name: 'v' })
    await sql`update shop.orders set x = x + 1 where id = 7`
    await sql.unsafe(dropLog({ schema: 'rep', name: 'v' }))
    expect(await logged()).toBe(1)
    // The owner of the other log had a right in the schema for a moment, which looks as if that had been renamed.
    expect(await because()).toMatch(/^computes all of about 5 slices .*: table viewkeeper_logs.* has changed/)
    await sql`update shop.orders set x = x + 1 where id = 7`
    expect(await because()).toMatch(/^computes 1 of about 5 slices/)
  })

  test('of one view is another than that of a view whose name and schema have their dot elsewhere, end a comment, or quote', async () => {
    const views = [
      ['app', 'rep.v'],
      ['app.rep', 'v'],
      ['app.', 'v'],
      ['app', '.v'],
      ['app~', '*/v'],
      ['app', '/*v~.'],
      ['app', "o'brien %s"],
    ].map(([schema, name]) => ({ schema: schema!, name: name! }))
    for (const { schema, name } of views) {
      await sql.unsafe(`create schema if not exists "${schema}" authorization log_viewer; set role log_viewer;
        ${makeKept(`"${schema}"."${name}"`, query)}; reset role`)
      await makeItsLog({ schema, name })
    }
    await sql`update shop.orders set x = x + 1 where id = 7`
    const left = async () =>
      (
        await sql`select relname as name from pg_class where relnamespace = 'viewkeeper_logs'::regnamespace and relkind = 'r'`
      ).map(({ name }) => viewOfLog(name.replace(/_0$/, '')))
    expect(await left()).toEqual(expect.arrayContaining(views))
    for (const gone of views) {
      expect(await database.withConnection((own) => readLogged(own, gone))).toMatchObject({ by: 'day' })
      await sql.unsafe(dropLog(gone))
      expect(await left()).not.toContainEqual(gone)
    }
    expect(await left()).toEqual([])
    await sql.unsafe('drop schema "app.rep", "app.", "app~" cascade')
  })
})

describe('a log does not grow', () => {
  test('over a refresh, even if it is not believed', async () => {
    await started()
    await sql.unsafe(`grant select on ${log} to log_app; update shop.orders set x = x + 1`)
    expect(await logged()).toBe(5)
    await because()
    expect(await logged()).toBe(0)
  })

  test('beyond 10,000 rows: they are all slices to a refresh, and one row after a look', deep, async () => {
    await started()
    await sql.unsafe(
      `insert into ${log} (day) select date '2026-01-01' + i % 5 from generate_series(1, 10000) i`,
    )
    await database.withConnection(foldLogs)
    expect(await logged()).toBe(10_000)
    await sql`update shop.orders set x = x + 1 where id = 7`
    const [row] = await sql.unsafe(`select pg_relation_size('${log}') as size`)
    expect(Number(row?.size)).toBeGreaterThan(400_000)
    expect((await getView(database, 'app.v')).logBytes).toBe(Number(row?.size))
    await database.withConnection(foldLogs)
    expect(await sql.unsafe(`select whole from ${log}`)).toEqual([{ whole: true }])
    expect(await because()).toMatch(/^computes all of about 5 slices/)
    expect([await logged(), await different()]).toEqual([0, 0])
    await sql.unsafe(`insert into ${log} (day) select date '2026-01-01' from generate_series(1, 10001) i`)
    expect(await because()).toMatch(/^computes all of about 5 slices/)
    expect(await logged()).toBe(0)
    // A view that is gone leaves its log.
    await sql.unsafe(
      `drop table app.v; insert into ${log} (day) select date '2026-01-01' from generate_series(1, 20000) i`,
    )
    await database.withConnection(foldLogs)
    expect(await logged()).toBe(1)
  })

  test('by a row of another cluster: it is all slices once, and then gone', async () => {
    await started()
    await sql.unsafe(`insert into ${log} (day, at) values ('2026-01-02', '9000000000')`)
    expect(await because()).toMatch(/^computes all of about 5 slices/)
    expect(await because()).toMatch(/^computes 0 of about 5 slices/)
  })
})

test(
  'a log is made and dropped only where all its tables are locked at once, and nobody waits or is a victim meanwhile',
  deep,
  async () => {
    await sql.unsafe(
      'set role log_seller; create table shop.products (id int primary key, day date); grant select on shop.products to log_viewer; reset role',
    )
    await makeView(
      'select o.day, count(p.id) as n from shop.orders o left join shop.products p on p.day = o.day group by o.day',
    )
    const holder = await sql.reserve()
    const writer = await sql.reserve()
    await holder.unsafe('begin; insert into shop.products values (1)')
    const made = makeItsLog()
    await until('it has tried and let go', async () => {
      const [row] =
        await sql`select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`
      return row
    })
    // Whoever holds one table and wants the other is no victim.
    await holder.unsafe('update shop.orders set x = x + 1 where id = 1')
    await writer.unsafe("set lock_timeout = '5s'; update shop.orders set x = x + 1 where id = 2")
    await holder.unsafe('commit')
    await made
    await holder.unsafe('begin; select from shop.products')
    await expect(sql.unsafe(dropLog(view))).rejects.toMatchObject({
      code: '55P03',
      message: expect.stringMatching(
        /^the change log was not changed, because its tables were locked by process \d+ \(role postgres, .*shop\.products$/,
      ),
    })
    await holder.unsafe('commit; set lock_timeout = 0')
    await writer.unsafe('set lock_timeout = 0')
    await sql.unsafe(dropLog(view))
    expect(await sql`select from pg_proc where pronamespace = 'viewkeeper_logs'::regnamespace`).toEqual([])
    holder.release()
    writer.release()
  },
)

describe('what a stranger puts in the place of schema viewkeeper_logs', () => {
  /** A table with the name of the log, and code of hers that says as whom it was executed. */
  const strange = `
    create schema viewkeeper_logs; grant usage on schema viewkeeper_logs to public;
    create table viewkeeper_logs.loot (who name); grant insert on viewkeeper_logs.loot to public;
    create table ${log} (whole boolean default false, at xid8 default pg_current_xact_id(), day date, filler text);
    insert into ${log} (filler) select repeat('x', 100) from generate_series(1, 11000); grant all on ${log} to public;
    create function viewkeeper_logs.note() returns boolean language plpgsql volatile as $$ begin insert into viewkeeper_logs.loot values (current_user); return true; end $$;
    create function viewkeeper_logs.noted() returns trigger language plpgsql as $$ begin perform viewkeeper_logs.note(); return new; end $$;
    create trigger noted before insert on ${log} for each row execute function viewkeeper_logs.noted();
    create trigger all_noted before insert on ${log} for each statement execute function viewkeeper_logs.noted();
    alter table ${log} enable row level security; create policy noted on ${log} using (viewkeeper_logs.note());
    create function viewkeeper_logs."app.v_0_forget"(pg_snapshot) returns void language sql security definer as 'select viewkeeper_logs.note()'`
  const makeStrange = async () => {
    const [{ name }] = await sql<[{ name: string }]>`select current_database() as name`
    await sql.unsafe(`
      do $$ begin create role log_stranger; exception when duplicate_object then null; end $$; grant create on database ${name} to log_stranger`)
    await as('log_stranger', strange)
  }

  test('is executed by no look of the monitor and no refresh', async () => {
    await makeView()
    await makeStrange()
    await database.withConnection(foldLogs)
    expect(await because()).toMatch(/^computes all/)
    await sql`alter schema viewkeeper_logs owner to current_user`
    await database.withConnection(foldLogs)
    await because()
    expect(await sql`select distinct who from viewkeeper_logs.loot where who <> 'log_stranger'`).toEqual([])
  })

  test('is written by no writer, although triggers of the renamed schema stay', async () => {
    await started()
    await sql`alter schema viewkeeper_logs rename to viewkeeper_logs_before`
    await makeStrange()
    await as('log_app', `insert into shop.orders values (101, '2026-01-01', 1)`)
    await as('log_seller', 'truncate shop.orders')
    expect(await sql`select who from viewkeeper_logs.loot`).toEqual([])
    await sql`drop schema viewkeeper_logs_before cascade`
  })
})

test('no writer fails whose table has a log in a schema that nobody may use any more, and the next refresh computes all', async () => {
  await started()
  await sql`revoke usage on schema viewkeeper_logs from public`
  await as('log_app', `insert into shop.orders values (101, '2026-01-01', 1)`)
  await because()
  expect(await different()).toBe(0)
})

test.each([query, query.replace('shop.orders', 'app.between')])(
  'a refresh waits for who truncates and loads a table, also below a plain view: %s',
  async (of) => {
    await sql.unsafe('set role log_viewer; create view app.between as select * from shop.orders; reset role')
    await started(of)
    const holder = await holdLocks(
      url,
      `truncate shop.orders; insert into shop.orders select i, date '2026-02-01' + i % 5, i from generate_series(1, 10) i`,
    )
    const refreshed = refresh({ view: 'app.v', force: true }, callOn(database))
    await until('it waits', async () => {
      const [row] = await sql`select from pg_locks where not granted and relation = 'shop.orders'::regclass`
      return row
    })
    await holder.commit()
    expect(await refreshed).toMatchObject({ status: 'updated' })
    expect(await different()).toBe(0)
  },
)

test('a log is dropped together with its triggers, or not at all: while somebody reads it, nobody waits for more than a moment', async () => {
  await started()
  const holder = await holdLocks(url, `select count(*) from ${log}`)
  const dropped = sql.begin(async (own) =>
    own.unsafe(`set local application_name = 'the drop'; ${dropLog(view)}`),
  )
  const waits = () =>
    sql`select from pg_stat_activity where application_name = 'the drop' and wait_event_type in ('Lock', 'Timeout')`
  for (let written = 0; written < 30; written++) {
    await until('it waits', async () => (await waits()).length > 0)
    await as(
      'log_app',
      `set local lock_timeout = '1s'; insert into shop.orders values (${200 + written}, '2026-01-01', 1)`,
    )
    await as('log_viewer', `set local lock_timeout = '1s'; select count(*) from shop.orders`)
  }
  await holder.commit()
  await dropped
  expect(await sql`select to_regclass(${log}) as there`).toEqual([{ there: null }])
})

describe('what lets the triggers write is part of what a log stands on: also what comes and goes in between is seen', () => {
  const asGroup = `do $$ begin create role log_group; exception when duplicate_object then null; end $$`

  test.each([
    [
      'insert',
      '',
      `revoke insert on ${log} from log_seller`,
      'select 1',
      /log_seller may write \S+ by no right of its own: grant /,
    ],
    [
      'usage by a membership',
      `${asGroup}; revoke usage on schema viewkeeper_logs from public; grant usage on schema viewkeeper_logs to log_group, log_viewer; grant log_group to log_seller`,
      'revoke log_group from log_seller',
      'grant log_group to log_seller',
      /log_seller may (write|not use) .*: grant usage on schema viewkeeper_logs to log_seller/,
    ],
    [
      'insert by a membership',
      `${asGroup}; revoke insert on ${log} from log_seller; grant insert on ${log} to log_group; grant log_group to log_seller`,
      'revoke log_group from log_seller',
      'grant log_group to log_seller',
      /log_group has the right to insert/,
    ],
    [
      'insert as a superuser',
      `revoke insert on ${log} from log_seller; alter role log_seller superuser`,
      'alter role log_seller nosuperuser',
      'alter role log_seller superuser',
      /log_seller may write \S+ by no right of its own: grant /,
    ],
  ])('%s', async (_, given, taken, back, says) => {
    onTestFinished(() => void sql.unsafe('alter role log_seller nosuperuser'))
    await started()
    await sql.unsafe(given || taken)
    for (const changes of [[], [], [taken], [], [back, taken, back], []]) {
      for (const change of [...changes, '']) {
        await sql.unsafe(`update shop.orders set x = x + 1 where id = 7; ${change}`)
      }
      expect(await because()).toMatch(says)
      expect(await different()).toBe(0)
    }
  })
})
