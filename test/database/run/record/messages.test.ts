import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { problemAnswer } from '../../../../src/api/http.ts'
import { routes } from '../../../../src/api/routes.ts'
import { migrateUp } from '../../../../src/migrate/migrate.ts'
import type { Problem } from '../../../../src/words/problem.ts'
import type { RunError } from '../../../../src/words/run.ts'
import { servedOn } from '../../../support/api/served.ts'
import { eachCase } from '../../../support/deep.ts'
import { define, insertRow } from '../../../support/record/rows.ts'
import { callOn, useDatabase } from '../../../support/servers/database.ts'
import { definition, migrateCall, useFolders } from '../../../support/views/frozen.ts'
import { refusalOf } from '../../../support/waiting/refusal.ts'

// What an error has to name, and what it may not: names of the catalog say what to do, row data are shown to nobody.

const { url, sql, database } = useDatabase()
const folder = useFolders()

const refresh = (view: string, options = {}) =>
  refusalOf(routes.refreshView.answer(servedOn(database), { view, ...options }, callOn(database)))
const create = (view: string, options = {}) =>
  refusalOf(routes.createView.answer(servedOn(database), { view, ...options }, callOn(database)))

/** What an answer says of the failure: without the run, its moment, and what readers see meanwhile. */
const said = ({ message }: Problem): string =>
  message
    .replace(/^Run \d+ (?:of (\S+) failed|could not create (\S+)) at .*? UTC: /, '$1$2: ')
    .replace(/ Readers still see the data of .*? UTC\./, '')

const lastError = async (): Promise<RunError> =>
  (await sql`select error from viewkeeper.runs order by id desc limit 1`)[0]?.error

describe('two equal rows under a unique index: the index and its columns are named, and no value, in', () => {
  const whatToDo =
    'The query returns rows that are equal in these columns. Change the query so that it returns one of them, or drop the index.'

  beforeEach(async () => {
    await sql.unsafe(`
      drop table if exists keyed cascade;
      create table keyed (id integer, "Day" text, n integer);
      insert into keyed values (1, 'secret_1', 1);
      create materialized view keys as select id, "Day", n from keyed;
      create unique index "By Day" on keys (id, "Day") include (n)`)
  })

  test.each([
    ['regular', 'as those that are there', "values (1, 'secret_1', 2)", 'unique violation', 23505],
    ['swap', 'as those that are there', "values (1, 'secret_1', 2)", 'unique violation', 23505],
    ['concurrent', 'only', "values (2, 'secret_2', 1), (2, 'secret_2', 2)", 'unique violation', 23505],
    [
      'concurrent',
      'and all others',
      "select 2, 'secret_2', 1 from generate_series(1, 2)",
      'cardinality violation',
      21000,
    ],
  ])(
    'a %s refresh, of rows that are equal in these columns %s',
    async (strategy, _, rows, violation, sqlstate) => {
      await sql.unsafe(`insert into keyed ${rows}`)
      const refusal = await refresh('keys', { strategy })
      expect(refusal.code).toBe('ViewSqlFailed')
      expect(said(refusal)).toBe(
        `public.keys: ${violation} in index "By Day" (id, "Day") (ViewSqlFailed, ${sqlstate}). ${whatToDo}`,
      )
      expect(JSON.stringify([problemAnswer(refusal), await lastError()])).not.toContain('secret')
    },
  )

  test.each([{}, { force: true }])('a create %j', async (options) => {
    await sql`drop table if exists keyed cascade`
    await sql`drop materialized view if exists made`
    await define(sql, 'public.made', {
      sql: "select 1 as id, 'secret' as s from generate_series(1, 2)",
      indexes: sql.json([{ name: 'made_key', unique: true, on: '(id)' }]),
    })
    if ('force' in options) await sql`create materialized view made as select 1 as id`
    expect(said(await create('made', options))).toBe(
      `public.made: unique violation in index made_key (id) (ViewSqlFailed, 23505). ${whatToDo}`,
    )
    expect(JSON.stringify(await lastError())).not.toContain('secret')
  })
})

test.each([
  [
    'a unique violation of a table that a function of the view writes to is not said to be in an index of the view',
    'writing',
    `create table written (id integer constraint other_key primary key);
     create function writes() returns integer language plpgsql as
       $$ begin insert into public.written values (1), (1); return 1; end $$;
     create materialized view writing as select writes() as id with no data;
     create unique index writing_key on writing (id)`,
    'public.writing: unique violation (ViewSqlFailed, 23505).',
  ],
  [
    'a subquery of the view with two rows is not said to be in an index of the view',
    'single',
    `create table twice (id integer); insert into twice values (1);
     create materialized view single as select (select id from twice) as id;
     create unique index single_key on single (id);
     insert into twice values (2)`,
    'public.single: cardinality violation (ViewSqlFailed, 21000).',
  ],
  [
    'a setting that the server refuses is named, with its value',
    'tuned',
    'create materialized view tuned as select 1 as id',
    'public.tuned: invalid value for parameter "work_mem": "much" (ViewSqlFailed, 22023)',
  ],
])('%s', async (_, view, made, message) => {
  await sql.unsafe(made)
  if (view === 'tuned') await insertRow(sql, 'definitions', { view, settings: { work_mem: 'much' } })
  expect(said(await refresh(view, view === 'single' ? { strategy: 'concurrent' } : {}))).toContain(message)
})

test('a role that is gone when the run needs it is named', async () => {
  const keeper = `keeper_${url.slice(-8)}`
  await sql.unsafe(`
    create role ${keeper}; create role ${keeper}_views; alter schema viewkeeper owner to ${keeper};
    create function drops_role() returns trigger language plpgsql as $$ begin drop role ${keeper}_views; return new; end $$;
    create trigger drops_role after insert on viewkeeper.runs for each row execute function drops_role()`)
  await define(sql, 'public.ownerless', { sql: 'select 1 as id' })
  try {
    expect(said(await create('ownerless'))).toBe(
      `public.ownerless: role "${keeper}_views" does not exist (ViewSqlFailed, 22023).`,
    )
  } finally {
    await sql.unsafe(`
      drop trigger drops_role on viewkeeper.runs; alter schema viewkeeper owner to current_user; drop role ${keeper}`)
  }
})

test('a swap that would change the view says what would change', async () => {
  await sql.unsafe(`
    create materialized view sparse as select 1 as id, 2 as n;
    create unique index sparse_key on sparse (id); create index sparse_n on sparse (n);
    create function fills_less() returns event_trigger language plpgsql as $$ declare made text; begin
      for made in select object_identity from pg_event_trigger_ddl_commands()
                   where object_type = 'index' and object_identity ~ 'viewkeeper_\\d+_i0' loop
        execute 'alter index ' || made || ' set (fillfactor = 50)';
      end loop; end $$;
    create event trigger fills_less on ddl_command_end when tag in ('CREATE INDEX') execute function fills_less()`)
  try {
    const refusal = await refresh('sparse', { strategy: 'swap' })
    expect([refusal.code, said(refusal)]).toEqual([
      'SwapImpossible',
      'public.sparse: A swap would change public.sparse: its shadow differs from the view. Use strategy "concurrent" or "regular" (SwapImpossible). ' +
        'They differ in: indexes (sparse_key).',
    ])
  } finally {
    await sql`drop event trigger fills_less`
  }
})

test('a view that is unpopulated when a concurrent refresh begins is told to be, and what to do', async () => {
  await sql.unsafe(`
    create table base (id integer);
    create materialized view emptied as select id from base; create unique index on emptied (id);
    create function empties() returns trigger language plpgsql as $$ begin
      if new.status = 'pending' then refresh materialized view public.emptied with no data; end if;
      return new; end $$;
    create trigger empties after insert on viewkeeper.runs for each row execute function empties()`)
  try {
    expect(said(await refresh('emptied', { strategy: 'concurrent' }))).toBe(
      'public.emptied: feature not supported (ViewSqlFailed, 0A000). public.emptied is not populated: refresh it with strategy "regular" first.',
    )
  } finally {
    await sql`drop trigger empties on viewkeeper.runs`
  }
})

describe('own SQL of a migration that the server refuses says', () => {
  const refused = async (text: string) => {
    const frozen = await folder(`own ${Math.random()}`)
    await frozen.write('001_own.up.sql', text)
    await frozen.write('001_own.down.sql', 'select 1;')
    return (await refusalOf(migrateUp(migrateCall(database), await frozen.read()))).message
  }

  beforeAll(async () => {
    await sql.unsafe(`
      create table based (id integer, amount numeric); insert into based values (471147114, 471147114), (471147114, 471147114);
      create view over_based as select amount from based;
      create materialized view on_based as select amount from based`)
  })

  const raising = (sqlstate: string) =>
    `do $$ declare n integer := (select max(id) from based); begin raise exception 'm' using errcode = '${sqlstate}', detail = n, constraint = n; end $$;`

  test.each<[string, string, RegExp]>([
    [
      'which views keep a column from being altered',
      'alter table based alter column amount type text;',
      /\(0A000\)\. rule _RETURN on (materialized )?view "?(over|on)_based"? depends on column "amount"\. The database is/,
    ],
    [
      'which views keep a table from being dropped',
      'drop table based;',
      /\(2BP01\)\. .*view "?over_based"? depends on table "?based"?; materialized view "?on_based"? depends on table "?based"?/,
    ],
    ['which role', 'set local role Nobody_Here;', /: role "nobody_here" does not exist \(22023\)\./],
    [
      'which index has equal keys',
      'create unique index based_key on based (id);',
      /: unique violation in index based_key \(23505\)\./,
    ],
    ...['0A000', '2BP01', '22023', '23505'].map((sqlstate): [string, string, RegExp] => [
      `nothing that a function raises as ${sqlstate} beside its message`,
      raising(sqlstate),
      new RegExp(`\\(${sqlstate}\\)`),
    ]),
    [
      'nothing of a value that the server refuses for a setting',
      "select set_config('work_mem', (select 'x' || max(id) from based), true);",
      /: /,
    ],
  ])('%s', async (_, text, message) => {
    const told = await refused(text)
    expect(told).toMatch(/^migrations\/001_own\.up\.sql: /)
    expect(told).toMatch(message)
    expect(told).not.toContain('471147114')
  })
})

describe('what the own code of a view raises is its own failure, whatever SQLSTATE it chooses', () => {
  const raising = async (name: string, raise: string) => {
    await sql.unsafe(`
      create table if not exists switch (is_on boolean);
      create or replace function raises_${name}() returns integer language plpgsql as $$ begin
        if (select is_on from public.switch limit 1) then ${raise}; end if; return 1; end $$;
      truncate switch;
      create materialized view raising_${name} as select raises_${name}() as id;
      create unique index on raising_${name} (id);
      insert into switch values (true)`)
    return `raising_${name}`
  }

  eachCase(
    [
      'VK002',
      'VK100',
      '2BP01',
      '42501',
      '55P03',
      '40P01',
      '53100',
      '53300',
      '57014',
      '57P01',
      '3F000',
      'XX000',
      '55000',
    ],
    { quick: 1 },
  )('%s', async (sqlstate) => {
    const view = await raising(
      sqlstate.toLowerCase(),
      `raise exception 'not yours' using errcode = '${sqlstate}', constraint = 'raising_key'`,
    )
    for (const strategy of ['regular', 'concurrent', 'swap']) {
      const { code, details } = await refresh(view, { strategy })
      expect([strategy, code, details.sqlstate]).toEqual([strategy, 'ViewSqlFailed', sqlstate])
      expect((await lastError()).hint).toBeUndefined()
    }
  })

  test('also in a function whose name is another word of the context', async () => {
    await sql.unsafe(`
      create table held (id integer);
      create function "at RAISE"() returns integer language plpgsql as
        $$ begin lock table public.held in access exclusive mode nowait; return 1; end $$;
      create materialized view waiting as select "at RAISE"() as id with no data`)
    const holder = await sql.reserve()
    await holder.unsafe('begin; lock table held')
    try {
      const { code } = await refresh('waiting', { strategy: 'regular', timeoutSeconds: 3 })
      expect(code).toMatch(/LockTimeout|StatementTimeout/)
    } finally {
      await holder.unsafe('rollback')
      holder.release()
    }
  })

  test('2BP01 of a function that drops something', async () => {
    await sql.unsafe(`
      create table dropped (id integer); create view above_dropped as select * from dropped;
      create function drops() returns integer language plpgsql as $$ begin drop table public.dropped; return 1; end $$;
      create materialized view dropping as select drops() as id with no data`)
    expect((await refresh('dropping', { strategy: 'regular' })).code).toBe('ViewSqlFailed')
  })

  test('a right that the server itself misses stays a missing privilege', async () => {
    const role = `reader_${url.slice(-8)}`
    await sql.unsafe(`
      create table closed (id integer);
      create function reads() returns bigint language plpgsql as $$ begin return (select count(*) from public.closed); end $$;
      create role ${role}; grant all on schema public to ${role};
      create materialized view reading as select reads() as id with no data;
      alter materialized view reading owner to ${role}`)
    expect(await refresh('reading', { strategy: 'regular' })).toMatchObject({
      code: 'InsufficientPrivilege',
      details: { sqlstate: '42501' },
    })
    await sql.unsafe(`drop materialized view reading; drop owned by ${role}; drop role ${role}`)
  })
})

test('the hint comes after the error, in the answer of a run and in that of a migration', async () => {
  await sql.unsafe(`
    create function hints() returns event_trigger language plpgsql as $$ begin
      if current_setting('application_name') like 'viewkeeper run %' then
        raise exception 'the error' using detail = 'the detail', hint = 'the hint';
      end if; end $$`)
  await define(sql, 'public.hinted', { sql: 'select 1 as id' })
  const frozen = await folder('hinted')
  await frozen.freeze([definition('hinted_too', 'select 1 as id')])
  await sql`create event trigger hints on ddl_command_end when tag in ('CREATE MATERIALIZED VIEW') execute function hints()`
  try {
    expect(said(await create('hinted'))).toBe(
      'public.hinted: the error (EventTriggerFailed, P0001). the detail. the hint.',
    )
    expect((await refusalOf(migrateUp(migrateCall(database), await frozen.read()))).message).toMatch(
      /^migrations\/001_hinted_too\.up\.sql: the error \(P0001\), run \d+\. the detail\. the hint\. The database is/,
    )
  } finally {
    await sql`drop event trigger hints`
  }
})
