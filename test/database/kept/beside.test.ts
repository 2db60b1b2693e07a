import { beforeEach, describe, expect, test } from 'vitest'
import { diffView } from '../../../src/migrate/authoring/diff.ts'
import { readDependencies } from '../../../src/record/definitions/read-graph.ts'
import { readFacts } from '../../../src/record/definitions/state-facts.ts'
import { viewFacts } from '../../../src/resources/views.ts'
import type { Result } from '../../../src/run/call.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { keptMark } from '../../../src/sql/names.ts'
import { getView } from '../../../src/watch/read-views.ts'
import { define, emptyTables } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { accountOf, advanceToEnd, begin } from '../../support/views/batches.ts'
import { whileLocked } from '../../support/waiting/holder.ts'

const { database, sql, url } = useDatabase()
const request = (view = 'app.daily') => refresh({ view }, callOn(database))
const sentence = ({ error }: Result) => error && `${error.class}: ${error.message}`

beforeEach(async () => {
  await emptyTables(sql, 'definitions', 'batches')
  await sql.unsafe(`
    drop schema if exists app cascade; create schema app;
    create table app.orders (id int primary key generated always as identity, day date, amount int);
    insert into app.orders (day, amount) select date '2026-11-01' + i % 10, i from generate_series(1, 200) i;
    create materialized view app.clean as select * from app.orders where amount > 0;
    create view app.daily_query as select day, count(*) as n from app.clean group by day;
    comment on view app.daily_query is '${keptMark}';
    create table app.daily as select * from app.daily_query with no data;
    create unique index daily_key on app.daily (day);
    create materialized view app.months as select date_trunc('month', day) as month, sum(n) as n from app.daily group by 1`)
})

describe('an incremental table', () => {
  test('stands in the graph between what its query reads and what reads it', async () => {
    const reads = await readDependencies(sql)
    expect(reads.get('app.daily')).toEqual(['app.clean'])
    expect(reads.get('app.months')).toEqual(['app.daily'])
    const { views } = await readFacts(sql)
    expect(views.map(({ view, populated }) => [view, populated])).toEqual([
      ['app.clean', true],
      ['app.daily', true],
      ['app.months', true],
    ])
  })

  test('is refreshed in a batch after what it reads, and before what reads it', async () => {
    const batchId = await begin(database, { pattern: 'app.*', strategy: 'swap' })
    await sql`insert into app.orders (day, amount) values ('2026-12-01', 7)`
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    expect(Object.keys(await accountOf(sql, batchId))).toHaveLength(3)
    expect(await sql`select sum(n)::int as n from app.months`).toEqual([{ n: 201 }])
    expect(await sql`select name from viewkeeper.view_status where as_of is null`).toEqual([])
  })

  test('is shown with its query, and compared with it', async () => {
    await request('app.clean')
    await request()
    const shown = await getView(database, 'app.daily')
    expect(shown).toMatchObject({
      sql: expect.stringContaining('count(*) AS n'),
      comment: null,
      populated: true,
    })
    const facts = viewFacts(shown as never, new Date())
    expect(facts).toContainEqual(['strategy', 'difference, as of each incremental table'])
    await sql`insert into app.orders (day, amount) values ('2026-11-02', 7), ('2026-12-01', 7)`
    await sql`refresh materialized view app.clean`
    expect(await diffView(database, { schema: 'app', name: 'daily' }, null)).toMatchObject({
      key: ['day'],
      added: 1,
      gone: 0,
      changed: 1,
    })
  })

  test('keeps its rows from before if a check fails, and says how to see the bad ones', async () => {
    await request()
    const before = await sql`select * from app.daily order by 1`
    await define(sql, 'app.daily', { checks: { few: 'select from daily where n > 20' } })
    await sql`insert into app.orders (day, amount) values ('2026-11-02', 7)`
    await request('app.clean')
    expect((await request()).error).toMatchObject({
      class: 'CheckFailed',
      detail: 'Found: 1 row.',
      hint: expect.stringMatching(
        /^To see them, log in as \S+, the owner of the view: with "daily" as \( SELECT (clean\.)?day,\s+count\(\*\) AS n/i,
      ),
    })
    expect(await sql`select * from app.daily order by 1`).toEqual(before)
  })

  test('tells the age of what it reads, and what reads it tells that', async () => {
    await request('app.clean')
    await request()
    await request('app.months')
    const ages = await sql`select name, as_of, held_back_by from viewkeeper.view_status order by 1`
    expect(new Set(ages.map(({ as_of }) => String(as_of))).size).toBe(1)
    expect(ages.map(({ name, held_back_by }) => [name, held_back_by])).toEqual([
      ['clean', null],
      ['daily', 'app.clean'],
      ['months', 'app.clean'],
    ])
  })

  test('keeps its foreign keys, triggers, policies and publication, and its readers wait for nothing', async () => {
    await request()
    await sql.unsafe(`
      create table app.notes (day date references app.daily (day), note text);
      insert into app.notes values ('2026-11-02', 'kept');
      create table app.heard (was text, day date);
      create function app.hears() returns trigger language plpgsql as $$ begin insert into app.heard values (tg_op, new.day); return null; end $$;
      create trigger hears after insert or update on app.daily for each row execute function app.hears();
      alter table app.daily enable row level security; create policy all_days on app.daily using (true);
      alter table app.daily replica identity full; create publication kept_one for table app.daily`)
    await sql`insert into app.orders (day, amount) values ('2026-11-02', 7), ('2026-12-01', 7)`
    await request('app.clean')
    await whileLocked(url, 'lock table app.daily in row share mode', async () => {
      expect(await request()).toMatchObject({ status: 'updated' })
    })
    expect(await sql`select was, day::text from app.heard order by 1`).toEqual([
      { was: 'INSERT', day: '2026-12-01' },
      { was: 'UPDATE', day: '2026-11-02' },
    ])
    expect(await sql`select n::int from app.daily join app.notes using (day)`).toEqual([{ n: 21 }])
    await sql`drop publication kept_one`
  })

  test.each([
    ['alter table app.daily force row level security', /forces its policies on its owner/],
    ['create rule none as on insert to app.daily do instead nothing', /it has rules/],
    [
      'alter table app.daily add column more int',
      /its query has other columns than the table\. Type: alter table "app"\."daily" drop column more$/,
    ],
    [
      'drop materialized view app.months; alter table app.daily alter column n type numeric',
      /Type: alter table "app"\."daily" alter column n type bigint$/,
    ],
    [
      `create constraint trigger later after insert on app.daily deferrable initially deferred for each row execute function app.nothing()`,
      /its trigger later is deferred/,
    ],
  ])('is not written after %s', async (change, because) => {
    await sql.unsafe(
      `create function app.nothing() returns trigger language plpgsql as $$ begin return null; end $$; ${change}`,
    )
    expect(sentence(await request())).toMatch(because)
    expect(await sql`select count(*)::int as n from app.daily`).toEqual([{ n: 0 }])
  })

  test('is written as its owner, whose code cannot leave the role', async () => {
    const owner = `keeper_${url.slice(-8)}`
    await sql.unsafe(`
      create role ${owner}; grant all on schema app to ${owner}; grant select on app.clean to ${owner}; grant ${owner} to current_user;
      alter table app.daily owner to ${owner}; alter view app.daily_query owner to ${owner};
      create function app.leaves() returns trigger language plpgsql as $$ begin
        perform set_config('role', 'none', true); return new; end $$;
      create trigger leaves after insert on app.daily for each row execute function app.leaves()`)
    expect(sentence(await request())).toMatch(
      /^TableRefused: insufficient privilege in trigger leaves of app\.daily$/,
    )
    await sql.unsafe(`drop trigger leaves on app.daily`)
    expect(await request()).toMatchObject({ status: 'updated' })
    await sql.unsafe(`drop owned by ${owner} cascade; drop role ${owner}`)
  })
})
