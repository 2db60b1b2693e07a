import { beforeEach, describe, expect, test } from 'vitest'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { eachCase } from '../../support/deep.ts'
import { deleteRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { definition, type FrozenFolder, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const folder = useFolders()
const { database, sql, url } = useDatabase()
let folders = 0

beforeEach(async () => {
  await deleteRows(sql, 'migrations')
  await sql.unsafe('drop schema public cascade; create schema public')
})

/** A folder whose only migration is this SQL, and its way back. */
async function own(up: string, down?: string): Promise<FrozenFolder> {
  const frozen = await folder(`own_${++folders}`)
  await frozen.write('001_own.up.sql', up)
  if (down !== undefined) await frozen.write('001_own.down.sql', down)
  return frozen
}

const up = async (frozen: FrozenFolder) => migrateUp(migrateCall(database), await frozen.read())
const down = async (frozen: FrozenFolder) => migrateDown(migrateCall(database), await frozen.read(), 1)
const journaled = async () =>
  (await sql`select name from viewkeeper.migrations order by number`).map(({ name }) => name)

/** Applies what has to fail, and gives what is said; nothing of it is there. */
async function refusedUp(frozen: FrozenFolder): Promise<string> {
  const before = await wholeCatalog(sql)
  const refusal = await refusalOf(up(frozen))
  expect(await wholeCatalog(sql)).toEqual(before)
  expect(await journaled()).toEqual([])
  expect(refusal.code).toBe('MigrationFailed')
  return refusal.message
}

describe("somebody's own SQL", () => {
  test('runs as it stands, with functions and semicolons in it, and back again', async () => {
    const frozen = await own(
      `-- two tables; and what fills them
       create table a (id integer);
       create function fill(n integer) returns void language plpgsql as $body$
       begin
         insert into a select generate_series(1, n); -- ; here, too
       end $body$;
       create function counted() returns bigint begin atomic select count(*) from a; end;
       select fill(3);
       insert into a values (4);
       comment on table a is 'it''s; $$';`,
      'drop function fill, counted; drop table a;',
    )
    expect(await up(frozen)).toEqual({
      applied: [{ name: '001_own', way: 'up', does: 'sql', runId: null, durationMs: null }],
      ahead: [],
    })
    expect(await sql`select counted()::int as n`).toEqual([{ n: 4 }])
    expect(await journaled()).toEqual(['001_own'])
    expect(await down(frozen)).toMatchObject({ undone: [{ name: '001_own', way: 'down', does: 'sql' }] })
    expect(await sql`select to_regclass('a') as a, to_regproc('fill') as fill`).toEqual([
      { a: null, fill: null },
    ])
    expect(await journaled()).toEqual([])
  })

  test('that fails half-way leaves nothing, and says where', async () => {
    const frozen = await own(
      'create table a (id integer);\n\ninsert into a values (1);\nselect nothing\n  from a;\n',
    )
    expect(await refusedUp(frozen)).toContain('001_own.up.sql, line 4: column "nothing"')
  })

  test('whose way back fails half-way leaves everything', async () => {
    const frozen = await own('create table a (id integer);', 'drop table a;\ndrop table b;')
    await up(frozen)
    const refusal = await refusalOf(down(frozen))
    expect(refusal.message).toMatch(/^migrations\/001_own\.down\.sql: table "b" does not exist \(42P01\)/)
    expect(await sql`select to_regclass('a')::text as a`).toEqual([{ a: 'a' }])
    expect(await journaled()).toEqual(['001_own'])
  })

  test('finds names by the search path of the role', async () => {
    const frozen = await own('create table by_path (id integer);')
    await up(frozen)
    expect(await sql`select to_regclass('public.by_path')::text as there`).toEqual([{ there: 'by_path' }])
  })

  eachCase(['set search_path = ', 'set session search_path to ', `select set_config('search_path', '`], {
    quick: 1,
  })('may set the search path for itself: "%s…"', async (begins) => {
    const path = begins.includes('set_config') ? `${begins}shop', false);` : `${begins}shop;`
    const view = definition('in_shop', 'select id from shop.goods', { schema: 'shop' })
    const frozen = await own(
      'drop schema if exists shop cascade; create schema shop; create table shop.goods as select 1 as id;',
    )
    await frozen.freeze([view])
    await frozen.write('003_path.up.sql', `${path}\ncreate table more as select 2 as id;`)
    await frozen.freeze([{ ...view, comment: 'c' }])
    await frozen.freeze([{ ...view, comment: 'c', sql: 'select id from shop.more' }])
    expect((await up(frozen)).applied.map(({ does }) => does)).toEqual([
      'sql',
      'create',
      'sql',
      'alter',
      'rebuild',
    ])
    expect(await sql`select id from shop.in_shop`).toEqual([{ id: 2 }])
  })

  test('may take a role and settings for itself, and nothing after it has them', async () => {
    const role = `plain_role_${url.slice(-8)}`
    await sql.unsafe(`create role ${role}; grant usage, create on schema public to ${role}`)
    // No short limits: the statements that give the session its own settings again run under them.
    const settings = (when: string) =>
      `create table settings_${when} as select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock, current_setting('role') as role;`
    const frozen = await own(
      `${settings('before')} set role ${role}; create table of_role as select 1 as id; set statement_timeout = '7min'; set lock_timeout = '7min';`,
    )
    await frozen.write('002_after.up.sql', settings('after'))
    await frozen.freeze([definition('after_role', 'select id from public.of_role')])
    expect((await up(frozen)).applied.map(({ does }) => does)).toEqual(['sql', 'sql', 'create'])
    expect(await sql`table settings_after`).toEqual(await sql`table settings_before`)
    const owners = await sql`
      select relname as name, relowner::regrole::text as owner from pg_class
       where relname in ('of_role', 'after_role') order by 1`
    expect(owners).toEqual([
      { name: 'after_role', owner: 'postgres' },
      { name: 'of_role', owner: role },
    ])
  })

  test('stands between views in the order of the numbers', async () => {
    const frozen = await folder('between')
    await frozen.freeze([definition('below', 'select 1 as id')])
    await frozen.write('002_between.up.sql', 'create view between_them as select id from below;')
    await frozen.write('002_between.down.sql', 'drop view between_them;')
    await frozen.freeze([
      definition('below', 'select 1 as id'),
      definition('above', 'select id from public.between_them'),
    ])
    expect((await up(frozen)).applied.map(({ does }) => does)).toEqual(['create', 'sql', 'create'])
    const { undone } = await migrateDown(migrateCall(database), await frozen.read(), 3)
    expect(undone.map(({ does }) => does)).toEqual(['drop', 'sql', 'drop'])
    expect(
      await sql`select from pg_class where relkind in ('m', 'v') and relnamespace = 'public'::regnamespace`,
    ).toEqual([])
  })

  test('that fails on data shows none of it', async () => {
    await sql`create table secrets (s text)`
    await sql`insert into secrets values ('4111-1111')`
    const message = await refusedUp(await own('alter table secrets alter s type integer using s::integer;'))
    expect(message).toContain('22P02')
    expect(message).not.toContain('4111-1111')
  })

  const a = 'create table a (id integer)'
  eachCase(
    [
      ['ends the transaction', `${a}; commit; create table b (id integer);`],
      ['has a transaction of its own', `begin;\n${a};\ncommit;\nselect 1 / 0;`],
      ['has one of its own that is sound', `begin;\n${a};\ncommit;`],
      ['undoes its own work', `${a}; rollback;`],
      ['ends the transaction between odd names', "create table \"it's\" (id integer); commit; select 'x';"],
      ['ends the transaction in other words', `${a}; END WORK;`],
      ['prepares the transaction', `${a}; prepare transaction 'later';`],
      ['begins another one at once', `${a}; commit and chain;`],
      ['goes back to a savepoint that is not its own', `${a}; rollback to s0;`],
      ['ends a savepoint that is not its own', `savepoint mine; ${a}; release s0;`],
      [
        'ends it behind quotes that only the server can read',
        `${a}; select $é$'$é$; commit; select $é$'$é$;`,
      ],
      ['ends the transaction in a block', `${a}; do $$ begin commit; end $$;`],
      ['ends the transaction in a statement of a block', `${a}; do $$ begin execute 'commit'; end $$;`],
      [
        'calls a procedure that ends the transaction',
        `${a}; create procedure p() language plpgsql as $$ begin commit; end $$; call p();`,
      ],
      [
        'ends the transaction after a savepoint',
        `${a}; savepoint s; select $é$'$é$; commit; select $é$'$é$;`,
      ],
      ['ends the transaction beside a savepoint', `${a}; savepoint $é$'$é$; commit; select $é$'$é$;`],
      [
        'ends the transaction after a limit of its own',
        `set local statement_timeout = '1min'; ${a}; commit;`,
      ],
    ],
    { quick: 4 },
  )('that %s is refused, for all of it is to stay or nothing', async (_, text) => {
    expect(await refusedUp(await own(text))).toMatch(/^migrations\/001_own\.up\.sql/)
  })

  test.each([
    ['commit;', /\(0A000\).* Leave out statements that begin or end a transaction/],
    ['create table a (id integer); copy a from stdin;', /\(0A000\).* "copy" from or to the client/],
    ['create table a (id integer); vacuum a;', /VACUUM.*\(25001\).* Execute it by hand/],
    ['create table a (id integer);\n\\d a', /, line 2: syntax error at or near "\\"/],
  ])('that no transaction can hold is refused with what to do: %s', async (text, message) => {
    expect(await refusedUp(await own(text))).toMatch(message)
  })

  test('of thousands of statements runs, and names the line of each', async () => {
    const inserts = Array.from({ length: 2500 }, (_, at) => `insert into a values (${at}, 'it''s; 🙂');\n`)
    const text = `create table a (id integer, word text);\n${inserts.join('')}`
    const broken = `${text}select nothing\n  from a;\n`
    expect(await refusedUp(await own(broken))).toMatch(/, line 2502: column "nothing" does not exist/)
    expect(await refusedUp(await own(`${text}commit;\n`))).toMatch(/\(0A000\)/)
    await up(await own(text))
    expect(await sql`select count(*)::integer as n from a`).toEqual([{ n: 2500 }])
  })

  test.each([
    ['ends with "select into"', 'select 1 as id into a;', 'select id from a'],
    ['ends with "select into" and a comment', 'select 1 as id\n  into a -- done', 'select id from a'],
    [
      'sets savepoints',
      'create table a (id integer); savepoint s; insert into a values (1); release savepoint s;',
      'select id from a',
    ],
    [
      'goes back to a savepoint',
      'savepoint "S"; create table b (id integer); rollback to savepoint "S"; create table a as select 2 as id; rollback work to "S"; create table a as select 1 as id',
      'select id from a',
    ],
    [
      'begins with a savepoint',
      '/* first */ savepoint s; create table a as select 1 as id; release s;',
      'select id from public.a',
    ],
    [
      'has rules of several statements beside a limit',
      `set local statement_timeout = '1min'; create table a (id integer); create table b (id integer);
       create rule r as on insert to b do also (insert into a values (new.id); select 1);
       insert into b values (1);`,
      'select id from a',
    ],
    [
      'quotes with dollars of any kind',
      "create table a as select 1 as id; select $viewkeeper$ end $viewkeeper$, $$ '; commit; \\' $$, $a$ $$ $a$;",
      'select id from a',
    ],
  ])('that %s runs', async (_, text, read) => {
    await up(await own(text))
    expect(await sql.unsafe(read)).toEqual([{ id: 1 }])
  })

  test.each(["set local statement_timeout = '50ms'", "select set_config('statement_timeout', '50ms', true)"])(
    'may limit its own statements, from the next one on: %s',
    async (limit) => {
      const frozen = await own(`create table a (id integer);\n${limit};\nselect pg_sleep(20);`)
      expect(await refusedUp(frozen)).toContain('(57014)')
    },
  )

  test('that fails after a limit of its own names the line, whatever the lines before hold', async () => {
    const frozen = await own(
      "select '🙂 one\ntwo'; /* three\n */ set local statement_timeout = '1min';\ncreate table a (id integer);\nselect '🙂', nothing from a;",
    )
    expect(await refusedUp(frozen)).toMatch(/, line 5: column "nothing" does not exist/)
  })

  test.each([
    ['a text', `create table a (id integer); comment on table a is 'first; commit; then';`],
    ['a text with a backslash', `create table a (id integer); comment on table a is E'it\\'s; commit; so';`],
    [
      'a text about an odd name',
      `create table "it's" (id integer); comment on table "it's" is 'first; commit; then';`,
    ],
    ['comments within comments', 'create table a (id integer); /* one /* two */; commit; */'],
    ['a body', 'create procedure p() language plpgsql as $$ begin commit; end $$;'],
    [
      'a body with a case',
      'create function f(a integer) returns integer begin atomic select 1; select case when a > 1 then 2 end; end;',
    ],
  ])('that only speaks of the end of a transaction, in %s, is run', async (_, text) => {
    expect((await up(await own(text))).applied).toMatchObject([{ does: 'sql' }])
  })

  test('that holds nothing is done at once', async () => {
    const frozen = await own('-- nothing yet\n', '')
    expect((await up(frozen)).applied).toMatchObject([{ does: 'sql' }])
    expect((await down(frozen)).undone).toMatchObject([{ does: 'sql' }])
  })
})

describe('an index that is built concurrently', () => {
  beforeEach(async () => {
    await sql`create table a (id integer, n integer)`
    await sql`insert into a values (1, 1), (2, 1)`
  })

  const isValid = async (index: string) =>
    (await sql`select indisvalid as valid from pg_index where indexrelid = to_regclass(${index})`)[0]?.valid

  test.each([
    ['create index concurrently a_n on a (n);', 'public.a_n'],
    [
      '-- why\ncreate unique index concurrently if not exists a_id\n  on public.a (id) -- the key\n;\n',
      'public.a_id',
    ],
    ['CREATE INDEX CONCURRENTLY "A ""n""" ON "public"."a" USING btree (n) WHERE n > 0', 'public."A ""n"""'],
  ])('is alone in its file: %s', async (text, index) => {
    const frozen = await own(text)
    expect((await up(frozen)).applied).toMatchObject([{ does: 'sql' }])
    expect(await isValid(index)).toBe(true)
    expect(await journaled()).toEqual(['001_own'])
    expect((await up(frozen)).applied).toEqual([])
  })

  test('may be on a view, and is there after the next rebuild', async () => {
    const view = definition('indexed', 'select id, n from public.a')
    const frozen = await folder('on_view')
    await frozen.freeze([view])
    await frozen.write('002_index.up.sql', 'create index concurrently indexed_n on indexed (n);')
    await frozen.freeze([{ ...view, sql: 'select id, n, 1 as m from public.a' }])
    expect((await up(frozen)).applied.map(({ does }) => does)).toEqual(['create', 'sql', 'rebuild'])
    expect(await isValid('public.indexed_n')).toBe(true)
  })

  test('fails on its data, is not recorded, and is built when it is tried again', async () => {
    const frozen = await own('create unique index concurrently a_n on a (n);')
    const refusal = await refusalOf(up(frozen))
    expect(refusal.message).toMatch(/^migrations\/001_own\.up\.sql: .*\(23505\)/)
    expect(await isValid('public.a_n')).toBe(false)
    expect(await journaled()).toEqual([])
    await sql`update a set n = id`
    expect((await up(frozen)).applied).toMatchObject([{ does: 'sql' }])
    expect(await isValid('public.a_n')).toBe(true)
    expect(await journaled()).toEqual(['001_own'])
  })

  test('fails without a word of the data, and does not claim that nothing is there', async () => {
    await sql`update a set n = 411141114`
    const { message } = await refusalOf(up(await own('create unique index concurrently a_n on a (n);')))
    expect(message).not.toContain('411141114')
    expect(message).not.toContain('as it was before')
  })

  test('is there already, valid, because the deploy was cut off: it is recorded', async () => {
    await sql`create index a_n on a (n)`
    const [before] = await sql`select 'a_n'::regclass::oid as oid`
    await up(await own('create index concurrently a_n on a (n);'))
    expect(await sql`select 'a_n'::regclass::oid as oid`).toEqual([before])
    expect(await journaled()).toEqual(['001_own'])
  })

  test('goes again by its way back', async () => {
    for (const text of ['drop index a_n;', 'drop index concurrently a_n;']) {
      const frozen = await own('create index concurrently a_n on a (n);', text)
      await up(frozen)
      expect(await down(frozen), text).toMatchObject({ undone: [{ does: 'sql' }] })
      expect(await isValid('public.a_n')).toBeUndefined()
    }
  })

  test.each([
    ['beside another statement', 'create index concurrently a_n on a (n); select 1;'],
    ['beside another', 'create index concurrently a_n on a (n);\ncreate index concurrently a_m on a (n);'],
    ['after another statement', 'create table b (id integer); create index concurrently a_n on a (n);'],
    ['without a name', 'create index concurrently on a (n);'],
  ])('%s is refused', async (_, text) => {
    expect(await refusedUp(await own(text))).toContain('must be alone in its file')
  })

  test('is only one where the SQL says so, not where a text or a comment does', async () => {
    const frozen = await own(
      `create table b (id integer); -- create index concurrently comes later
       /* create index concurrently, too */
       comment on table b is 'create index concurrently, some day';`,
    )
    expect((await up(frozen)).applied).toMatchObject([{ does: 'sql' }])
  })

  test('that is misspelled names the line of the file', async () => {
    const frozen = await own('-- one\n-- two\ncreate index concurrently a_n on a (n)\n  wher n > 0;\n')
    expect(await refusedUp(frozen)).toMatch(/^migrations\/001_own\.up\.sql, line 4: syntax error/)
  })

  test('on a table that is not there is told by name', async () => {
    expect(await refusedUp(await own('create index concurrently a_n on nowhere (n);'))).toMatch(
      /"nowhere".*42P01/,
    )
  })
})
