import { beforeEach, describe, expect, test } from 'vitest'
import { findFailed } from '../../../src/record/runs/failing.ts'
import type { Result } from '../../../src/run/call.ts'
import { drop } from '../../../src/run/drop.ts'
import { type RefreshRequest, refresh } from '../../../src/run/refresh.ts'
import { makeLog } from '../../../src/slices/plan/log.ts'
import { planLog, whyNoLog } from '../../../src/slices/slices.ts'
import { keptMark } from '../../../src/sql/names.ts'
import { getView } from '../../../src/watch/read-views.ts'
import { emptyTables, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'

const { database, sql } = useDatabase()
const call = (changes = {}) => callOn(database, changes)
const request = (changes: Partial<RefreshRequest> = {}) => refresh({ view: 'app.daily', ...changes }, call())
const done = async (changes?: Partial<RefreshRequest>) => {
  const result = await request(changes)
  expect(result).toMatchObject({ status: 'updated' })
  return result.response?.because
}
const sentence = ({ error }: Result) => error && `${error.class}: ${error.message}`

beforeEach(async () => {
  await emptyTables(sql, 'definitions')
  await sql.unsafe(`
    drop schema if exists app cascade; create schema app;
    create table app.orders (id int primary key generated always as identity, day date, region text, amount int);
    insert into app.orders (day, region, amount) select date '2026-11-01' + i % 10, 'r' || i % 3, i from generate_series(1, 200) i;
    create view app.daily_query as select day, count(*) as n, sum(amount) as total from app.orders group by day;
    comment on view app.daily_query is '${keptMark}';
    create table app.daily as select * from app.daily_query with no data;
    create unique index daily_key on app.daily (day)`)
})

/** Executes SQL of somebody, which the server counts at once. */
const byHand = (statements: string) =>
  sql.begin((own) => own.unsafe(`${statements}; select pg_stat_force_next_flush()`))

/** In how many rows the table differs from its query. */
const differences = async () =>
  (
    await sql.unsafe(
      `select count(*)::int as n from ((table app.daily except all table app.daily_query) union all (table app.daily_query except all table app.daily)) d`,
    )
  )[0]?.n

describe('a refresh of an incremental table', () => {
  test('writes the rows that differ, and no others', async () => {
    expect(await done()).toBe('computes all rows, and writes those that differ; 10 rows written')
    expect(await differences()).toBe(0)
    expect(await done()).toBe('computes all rows, and writes those that differ; 0 rows written')
    const before = await sql`select day, xmin::text, ctid::text from app.daily order by 1`
    await sql`insert into app.orders (day, amount) values ('2026-11-02', 5), (null, 3), ('2026-12-24', 1)`
    await sql`delete from app.orders where day = '2026-11-03'`
    expect(await done()).toBe('computes all rows, and writes those that differ; 4 rows written')
    expect(await differences()).toBe(0)
    const after = await sql`select day, xmin::text, ctid::text from app.daily order by 1`
    const same = before.filter((row) => after.some((each) => JSON.stringify(each) === JSON.stringify(row)))
    expect(same).toHaveLength(8)
    const [run] =
      await sql`select result, meta #>> '{response,strategy}' as strategy from viewkeeper.runs order by id desc limit 1`
    expect(run).toEqual({ result: 'updated', strategy: 'difference' })
  })

  test('without a unique index numbers equal rows', async () => {
    await sql.unsafe(`drop index app.daily_key; drop view app.daily_query; drop table app.daily;
      create view app.daily_query as select region, case when amount % 7 = 0 then json_build_object('a', amount % 2) end as doc from app.orders;
      comment on view app.daily_query is '${keptMark}';
      create table app.daily as select * from app.daily_query with no data`)
    expect(await done()).toContain('200 rows written')
    await sql`update app.orders set amount = amount + 7 where id <= 14`
    await sql`delete from app.orders where id between 100 and 120`
    await done()
    const [row] = await sql`select (select count(*)::int from app.daily) as n,
      (select jsonb_object_agg(k, n) from (select concat(region, doc) as k, count(*) as n from app.daily group by 1) x)
      = (select jsonb_object_agg(k, n) from (select concat(region, doc) as k, count(*) as n from app.daily_query group by 1) x) as same`
    expect(row).toEqual({ n: 179, same: true })
  })

  test('compares a key of a domain by its index, and by no operator that somebody has made beside that', async () => {
    await sql.unsafe(`
      create schema "an Ext"; create extension citext schema "an Ext"; create domain app.mail as "an Ext".citext; create sequence app.calls;
      create function app.spy(app.mail, app.mail) returns boolean language sql as 'select nextval(''app.calls'') > 0';
      create operator "an Ext".= (leftarg = app.mail, rightarg = app.mail, function = app.spy);
      create view app.mails_query as select id, region::app.mail as mail from app.orders;
      comment on view app.mails_query is '${keptMark}'; create table app.mails as select * from app.mails_query with no data; create unique index on app.mails (id, mail)`)
    for (const written of ['200 rows', '1 row']) {
      expect(await done({ view: 'app.mails' })).toContain(`${written} written`)
      await sql`update app.orders set region = 'R1' where id = 1`
    }
    expect(await sql`select is_called from app.calls`).toEqual([{ is_called: false }])
    await sql`drop schema "an Ext" cascade`
  })

  test('is refused with another strategy, by name', async () => {
    for (const strategy of ['regular', 'concurrent', 'swap'] as const)
      expect(sentence(await request({ strategy }))).toBe(
        `InvalidRequest: app.daily is an incremental table, of which a refresh writes the rows that differ, whatever the strategy: leave out "${strategy}".`,
      )
  })

  test('computes the slices that were asked for, and is no newer for it', async () => {
    await done()
    const age = async () =>
      (await sql`select as_of, held_back_by from viewkeeper.view_status where name = 'daily'`)[0]
    const { as_of } = (await age())!
    expect(as_of).toBeInstanceOf(Date)
    await sql`update app.orders set amount = amount + 1`
    expect(await done({ slices: { from: '2026-11-02', to: '2026-11-04' } })).toBe(
      'computes 3 of about 10 slices of day anew, from 2026-11-02 to 2026-11-04; 3 rows written',
    )
    expect(await differences()).toBe(14)
    expect(await age()).toEqual({ as_of, held_back_by: 'app.daily' })
  })

  test('ends no failure if it is of the slices that were asked for', async () => {
    const fails = async () => [
      (await findFailed(sql, [{ schema: 'app', name: 'daily' }])).length === 1,
      (await getView(database, 'app.daily')).state,
    ]
    await done()
    await sql`insert into app.orders (day, amount) values ('2026-11-02', 1)`
    await sql`alter table app.daily add constraint few check (n < 21)`
    expect(await request()).toMatchObject({ status: 'error' })
    await done({ slices: { from: '2026-11-05', to: '2026-11-06' } })
    expect(await fails()).toEqual([true, 'failed'])
    await sql`alter table app.daily drop constraint few`
    await done()
    await done({ slices: { from: '2026-11-05', to: '2026-11-06' } })
    expect(await fails()).toEqual([false, 'unlimited'])
  })

  describe('with a change log', () => {
    beforeEach(async () => {
      const [{ oid, query }] = await sql<[{ oid: number; query: number }]>`
        select 'app.daily'::regclass::oid::int8 as oid, 'app.daily_query'::regclass::oid::int8 as query`
      const log = await planLog(sql, { oid, query, schema: 'app', name: 'daily' })
      for (const statement of makeLog(log)) await sql.unsafe(statement)
      await sql.begin(async (transaction) => {
        await transaction`select set_config('search_path', 'pg_catalog, pg_temp', true)`
        expect(await whyNoLog(transaction as never, log)).toBeNull()
      })
    })

    test('computes the slices that it names', async () => {
      expect(await done()).toBe(
        'computes all of about 10 slices of day anew: the last refresh has not read the log; 10 rows written',
      )
      await sql`update app.orders set amount = amount + 1 where day = '2026-11-02'`
      await sql`insert into app.orders (day, amount) values (null, 3)`
      expect(await done()).toMatch(
        /^computes 2 of about 10 slices of day anew, those that changes have touched; all of them took .*?; 2 rows written$/,
      )
      expect(await differences()).toBe(0)
      expect(await done()).toMatch(/^computes 0 of about 10 slices .*; 0 rows written$/)
    })

    test('finds what was written by hand at the next full refresh', async () => {
      await done()
      await byHand("update app.daily set n = 0 where day = '2026-11-02'")
      expect(await done()).toContain('; 0 rows written')
      const meta = sql`jsonb_set(meta, '{response,slices,wholeAt}', '"2020-01-01"')`
      await updateRows(sql, 'runs', {}, { meta })
      expect(await done()).toBe(
        'computes all of about 10 slices of day anew: once a day all are; of 10 slices that no change has touched, 1 differed; others had written 1 of its rows; 1 row written',
      )
      expect(await differences()).toBe(0)
    })
  })

  test('is dropped with its rows', async () => {
    expect(await drop({ view: 'app.daily' }, call())).toMatchObject({ status: 'deleted' })
    expect(await sql`select to_regclass('app.daily') as there`).toEqual([{ there: null }])
  })
})

test('a row that has moved into slices that were asked for is told as that: the slice from which it came has it, too', async () => {
  await sql.unsafe(`
    drop view app.daily_query; drop table app.daily; create view app.daily_query as select id, day from app.orders;
    comment on view app.daily_query is '${keptMark}';
    create table app.daily as select * from app.daily_query with no data; create unique index daily_key on app.daily (id)`)
  await done()
  await sql`update app.orders set day = '2026-11-05' where id = 1`
  const slices = { by: 'day', from: '2026-11-05', to: '2026-11-06' }
  const failed = await request({ slices })
  expect(sentence(failed)).toBe('TableRefused: unique violation in index daily_key (id)')
  expect(failed.error?.hint).toMatch(
    /^A row with such a key is in a slice that was not computed, .* bad-row shows\.$/,
  )
  await done()
  expect(await request({ slices })).toMatchObject({ status: 'updated' })
  expect(await differences()).toBe(0)
})

describe('what others have put on an incremental table is named, with what to do, if it refuses the rows', () => {
  const raising = (what: string) => `
    create function app.audit() returns trigger language plpgsql as $$ begin ${what} return new; end $$;
    create trigger "Audit" after insert or update on app.daily for each row execute function app.audit()`
  const disabled = 'Correct its function app.audit(), or: alter table app.daily disable trigger "Audit";'
  test.each([
    [
      '23514',
      'alter table app.daily add constraint small check (total < 100000)',
      'check violation in constraint small of app.daily',
      'The rows have to meet it, or: alter table app.daily drop constraint small;',
    ],
    [
      '23502',
      'alter table app.daily alter day set not null',
      'not null violation in column day of app.daily',
      'It may not be null. Change the query, or: alter table app.daily alter column day drop not null;',
    ],
    [
      '23503',
      'create table app."Days" (day date primary key); insert into app."Days" select day from app.daily; alter table app.daily add constraint known foreign key (day) references app."Days"',
      'foreign key violation in foreign key known of app.daily',
      'The rows have to meet it, or: alter table app.daily drop constraint known;',
    ],
    [
      '23503',
      "create table app.notes (day date references app.daily (day)); insert into app.notes values ('2026-11-03')",
      'foreign key violation in foreign key notes_day_fkey of app.notes',
      'Rows of app.notes refer to rows that are no longer in app.daily: delete these first, or make the foreign key anew with "on delete cascade".',
    ],
    [
      '23P01',
      'alter table app.daily add constraint apart exclude (total with =)',
      'exclusion violation in constraint apart of app.daily',
      'The rows have to meet it, or: alter table app.daily drop constraint apart;',
    ],
    [
      'P0001',
      raising("raise exception 'secret %', new.total;"),
      'a function raised an exception in trigger "Audit" of app.daily',
      disabled,
    ],
    [
      '22012',
      raising('perform new.total / (new.total - new.total);'),
      'division by zero in trigger "Audit" of app.daily',
      disabled,
    ],
    [
      '23514',
      `create table app.log (n bigint constraint positive check (n < 100000)); ${raising('insert into app.log values (new.total);')}`,
      'check violation in constraint positive of app.log in trigger "Audit" of app.daily',
      disabled,
    ],
  ])('%s, by %s', async (sqlstate, made, what, hint) => {
    await done()
    await sql.unsafe(made)
    await sql.unsafe(`
      insert into app.orders (day, amount) values (null, 123456), ('2026-12-24', 777777);
      update app.orders set amount = 777777 - (select sum(amount) from app.orders where day = '2026-11-05') + amount where id = (select min(id) from app.orders where day = '2026-11-05');
      delete from app.orders where day = '2026-11-03'`)
    const before = await sql`select * from app.daily order by day`
    const result = await request()
    expect(result).toMatchObject({ status: 'error' })
    expect(sentence(result)).toBe(`TableRefused: ${what}`)
    expect(result.error).toMatchObject({ sqlstate, hint })
    expect(JSON.stringify(result.error)).not.toMatch(/secret|777777|123456/)
    expect(await sql`select * from app.daily order by day`).toEqual(before)
  })

  test('and so is a function that the server names with all of its name in quotes, as a database may want it', async () => {
    const [{ name }] = await sql<[{ name: string }]>`select current_database() as name`
    const quoting = (on: 'on' | 'off') =>
      sql.unsafe(`alter database ${name} set quote_all_identifiers to ${on}`)
    await done()
    await sql.unsafe(raising("raise exception 'secret %', new.total;"))
    await sql`insert into app.orders (day, amount) values ('2026-12-24', 777777)`
    await quoting('on')
    try {
      expect((await request()).error).toMatchObject({
        message: 'a function raised an exception in trigger "Audit" of app.daily',
        hint: disabled,
        context: 'app.audit() line 1',
      })
      await sql.unsafe(`
        create materialized view app.whole as select 1 as id;
        create function app.meddle() returns event_trigger language plpgsql as $$ begin raise exception 'not today'; end $$;
        create event trigger "Meddle" on ddl_command_end when tag in ('REFRESH MATERIALIZED VIEW') execute function app.meddle()`)
      expect((await request({ view: 'app.whole' })).error).toMatchObject({
        class: 'EventTriggerFailed',
        context: 'event trigger "Meddle"\napp.meddle() line 1',
      })
    } finally {
      await quoting('off')
      await sql.unsafe('drop event trigger if exists "Meddle"')
    }
  })
})
