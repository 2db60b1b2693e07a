import { execFile, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Definition, definitionDefaults } from '../../../src/catalog/plan/definition.ts'
import { type DataDiff, diffView } from '../../../src/migrate/authoring/diff.ts'
import { quoteIdentifier } from '../../../src/sql/names.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { counts as many } from '../../support/counts.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { seedOf } from '../../support/seeded.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url, as } = useDatabase()
const [owner, reader] = ['owner', 'reader'].map((name) => `${name}_${url.slice(-8)}`) as [
  string,
  string,
  string,
]
const cli = fileURLToPath(new URL('../../../cli/viewkeeper.js', import.meta.url))

beforeAll(async () => {
  await sql.unsafe(`
    create collation public.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create role ${owner} login password 'secret'; create role ${reader} login password 'secret'; grant create on database ${new URL(url).pathname.slice(1)} to ${owner}`)
})

const definitionOf = (fields: { schema: string; name: string; sql: string }): Definition => ({
  ...definitionDefaults,
  ...fields,
})
const counts = ({ before, after, added, gone, changed }: DataDiff) => ({
  before,
  after,
  added,
  gone,
  changed,
})

/** Rows as the server writes their values: two values are the same if their texts are. Null is null. */
type Row = (string | null)[]

/** Compares rows one by one, each with all others. A key with a null identifies no row; letters of a key are equal in both cases. */
function compareSlowly(before: Row[], after: Row[], key: number[] | null) {
  const found = { before: before.length, after: after.length, added: 0, gone: 0, changed: 0 }
  const keyOf = (row: Row) => {
    const values = key?.map((at) => row[at]?.toLowerCase().replace(/\.0$/, ''))
    return values === undefined || values.some((value) => value === undefined) ? null : JSON.stringify(values)
  }
  const changedIn = [0, 0, 0, 0, 0, 0]
  const left = [...before]
  for (const row of after) {
    const same = (other: Row) =>
      keyOf(row) === null
        ? keyOf(other) === null && JSON.stringify(other) === JSON.stringify(row)
        : keyOf(other) === keyOf(row)
    const at = left.findIndex(same)
    if (at < 0) found.added++
    else {
      const [old = []] = left.splice(at, 1)
      const columns = row.flatMap((value, n) => (value === old[n] ? [] : [n]))
      if (columns.length > 0) found.changed++
      for (const n of columns) changedIn[n] = (changedIn[n] ?? 0) + 1
    }
  }
  return { ...found, gone: left.length, changedIn }
}

const nullable = (...values: string[]) => fc.constantFrom(...values, null)
const rows = fc.array(
  fc.tuple(
    nullable('1', '2', '3', '4'),
    nullable('a', 'A', 'b', 'B'),
    nullable('1', '1.0', 'NaN'),
    nullable('0', '-0', 'NaN', 'Infinity'),
    nullable('{"a":1}', '{"a": 1}', '[]'),
    nullable('(1,2)', '(2,1)'),
  ),
  { maxLength: 12 },
)
const keys = fc.constantFrom<number[] | null>([0], [0, 1], [1], [2], [1, 2], null)

/** The rows of a list of which each has another key. */
const uniqueIn = (list: Row[], key: number[] | null): Row[] =>
  list.filter(
    (row, at) =>
      compareSlowly(list.slice(0, at), [row], key).gone === at ||
      key?.some((n) => row[n] === null) ||
      key === null,
  )

eachCase([5, many.properties], { quick: 1 })(
  'finds what a slow comparison of all rows finds, in %i pairs of lists',
  async (numRuns) => {
    const names = ['n', 'letter', 'amount', 'real', 'doc', 'at']
    await sql.unsafe(
      `drop schema if exists slow cascade; create schema slow; create table slow.t (n int, letter text collate public.ci, amount numeric, real float8, doc json, at point)`,
    )
    const put = async (list: Row[]) => {
      await sql`truncate slow.t`
      await sql`insert into slow.t select (r ->> 0)::int, r ->> 1, (r ->> 2)::numeric, (r ->> 3)::float8, (r ->> 4)::json, (r ->> 5)::point
      from jsonb_array_elements(${sql.json(list)}) r`
    }
    let differing = 0
    await fc.assert(
      fc.asyncProperty(rows, rows, keys, async (first, second, key) => {
        const [before, after] = [uniqueIn(first, key), uniqueIn(second, key)]
        await put(before)
        await sql.unsafe(
          `drop materialized view if exists slow.v; create materialized view slow.v as select * from slow.t`,
        )
        if (key !== null) await sql.unsafe(`create unique index on slow.v (${key.map((at) => names[at])})`)
        await put(after)
        const found = await diffView(database, { schema: 'slow', name: 'v' }, null)
        const { changedIn, ...expected } = compareSlowly(before, after, key)
        expect(counts(found)).toEqual(expected)
        expect(found.columns.map(({ changed }) => changed)).toEqual(changedIn)
        expect(found.examples.length).toBe(
          Math.min(3, found.added) + Math.min(3, found.gone) + Math.min(4, found.changed),
        )
        differing += found.added + found.gone + found.changed
      }),
      { numRuns, seed: seedOf(1) },
    )
    expect(differing).toBeGreaterThan(0)
  },
)

test('compares the columns that an authored query keeps, whatever they are called, and says which come, go and change their type', async () => {
  const odd = ['a"; drop table x; --', "it's", 'row', 'n', 'ünï', 'hash', 'v0', '\\']
  const list = odd.map((name, at) => `${at} + i as ${quoteIdentifier(name)}`).join(', ')
  await sql.unsafe(`
    create schema "Odd "";"; create materialized view "Odd "";"."V.v" as select i as id, ${list}, 1 as old from generate_series(1, 20) i;
    create unique index on "Odd "";"."V.v" (${quoteIdentifier(odd[0] as string)}, id) include (old)`)
  const changed = odd.map(
    (name, at) =>
      `${at === 3 ? `(${at} + i)::bigint` : `${at} + i + (i = 7 and ${at} = 6)::int`} as ${quoteIdentifier(name)}`,
  )
  const definition = definitionOf({
    schema: 'Odd ";',
    name: 'V.v',
    sql: `select true as fresh, ${changed.reverse().join(', ')}, i as id from generate_series(2, 21) i -- the end`,
  })
  const found = await diffView(database, definition, definition)
  expect(counts(found)).toEqual({ before: 20, after: 20, added: 1, gone: 1, changed: 1 })
  expect(found).toMatchObject({
    key: [odd[0], 'id'],
    oldColumns: [{ name: 'old', type: 'integer' }],
    newColumns: [{ name: 'fresh', type: 'boolean' }],
    columns: expect.arrayContaining([
      { name: 'n', type: 'integer', now: 'bigint', changed: 0 },
      { name: 'v0', type: 'integer', now: 'integer', changed: 1 },
    ]),
  })
})

test('says that new data are not unique in the key', async () => {
  await sql.unsafe(`
    create schema twice; create table twice.t (id int); insert into twice.t values (1), (2);
    create materialized view twice.v as select * from twice.t; create unique index on twice.v (id); insert into twice.t values (1), (1)`)
  const found = await diffView(database, { schema: 'twice', name: 'v' }, null)
  expect({ ...counts(found), repeated: found.repeated }).toEqual({
    before: 2,
    after: 4,
    added: 2,
    gone: 0,
    changed: 0,
    repeated: 2,
  })
})

describe('rights', () => {
  const view = { schema: 'theirs', name: 'v' }

  beforeAll(async () => {
    await sql.unsafe(`
      create schema theirs authorization ${owner}; set role ${owner};
      create table theirs.t (id int, secret text); insert into theirs.t values (1, 'old');
      create materialized view theirs.v as select * from theirs.t; create unique index on theirs.v (id);
      update theirs.t set secret = 'new'; reset role; grant usage on schema theirs to ${reader}; grant select on theirs.v to ${reader};`)
  })

  test('the owner, who is no superuser, sees both', async () => {
    const found = await diffView(as(owner).database, view, null)
    expect(found.examples).toEqual([['changed', ['1', 'old'], ['1', 'new']]])
  })

  test('a person sees no row without the right to act as the owner, nor one that the owner may not read', async () => {
    expect(await refusalOf(diffView(as(reader).database, view, null))).toMatchObject({
      code: 'InsufficientPrivilege',
      message: expect.stringContaining('theirs.v'),
    })
    await sql.unsafe(`create table theirs.hidden (id int)`)
    const definition = definitionOf({ ...view, sql: 'select id, id::text as secret from theirs.hidden' })
    expect(await refusalOf(diffView(as(owner).database, definition, definition))).toMatchObject({
      code: 'InsufficientPrivilege',
      message: expect.stringContaining('hidden'),
    })
  })

  test('code of others is executed as its owner, in a seal that only reads', async () => {
    await sql.unsafe(`
      set role ${owner}; create function theirs.f() returns text language plpgsql as $$ begin return current_user; end $$;
      create function theirs.w() returns int language plpgsql as $$ begin insert into theirs.t values (9); return 1; end $$;
      create materialized view theirs.who as select theirs.f() as who; create materialized view theirs.writes as select theirs.w() as w where false;
      create table theirs.one (id int); insert into theirs.one values (1);
      create materialized view theirs.later as select theirs.w() from theirs.one where id > 1; update theirs.one set id = 2; reset role`)
    expect(await diffView(database, { schema: 'theirs', name: 'who' }, null)).toMatchObject({
      changed: 0,
      before: 1,
      added: 0,
    })
    expect(await refusalOf(diffView(database, { schema: 'theirs', name: 'later' }, null))).toMatchObject({
      code: 'ViewSqlFailed',
      message: expect.stringContaining('25006'),
    })
    expect(await sql`select * from theirs.t where id = 9`).toEqual([])
  })
})

test('says that a function has to name a schema, on every server', async () => {
  await sql.unsafe(`
    create schema pathed; create table pathed.counted (id int); create function pathed.f() returns bigint language plpgsql as 'begin return 0; end';
    create materialized view pathed.v as select pathed.f() as n;
    create or replace function pathed.f() returns bigint language plpgsql as 'begin return (select count(*) from counted); end'`)
  const compared = () => diffView(database, { schema: 'pathed', name: 'v' }, null)
  expect(await refusalOf(compared())).toMatchObject({
    code: 'ViewSqlFailed',
    message: expect.stringContaining('alter function pathed.f() set search_path'),
  })
  await sql.unsafe('alter function pathed.f() set search_path = pathed')
  expect(await compared()).toMatchObject({ before: 1, changed: 0 })
})

test('locks nobody out, and leaves nothing when it is killed', deep, async () => {
  await sql.unsafe(`
    create schema killed; create table killed.t (id int, s float8); insert into killed.t values (1, 0);
    create materialized view killed.v as select id, pg_sleep(s)::text from killed.t; update killed.t set s = 600`)
  const before = await wholeCatalog(sql)
  const child = spawn(process.execPath, [cli, 'diff', 'killed.v'], {
    env: { ...process.env, DATABASE_URL: url },
    stdio: 'ignore',
  })
  const sessions = () => sql<{ pid: number; waits: string }[]>`
    select pid, wait_event as waits from pg_stat_activity where application_name = 'viewkeeper diff' and datname = current_database()`
  const [{ pid = 0 } = {}] = await until('the query sleeps', async () => {
    const found = await sessions()
    return found.some(({ waits }) => waits === 'PgSleep') ? found : undefined
  })
  expect(
    await sql`select distinct mode from pg_locks where pid = ${pid} and relation = 'killed.v'::regclass`,
  ).toEqual([{ mode: 'AccessShareLock' }])
  child.kill('SIGKILL')
  await expect.poll(sessions).toEqual([])
  expect(await wholeCatalog(sql)).toEqual(before)
})

test('prints rows on the terminal, and none in Markdown', deep, async () => {
  await sql.unsafe(`
    create schema told; create table told.t (id int, name text); insert into told.t values (1, 'secret|1'), (2, 'kept');
    create materialized view told.v as select * from told.t; create unique index on told.v (id); update told.t set name = 'secret' where id = 1`)
  const run = async (...words: string[]) =>
    (
      await promisify(execFile)(process.execPath, [cli, 'diff', 'told.v', ...words], {
        env: { ...process.env, DATABASE_URL: url, NO_COLOR: '1' },
      })
    ).stdout
  expect(await run()).toContain('~ id=1  name: secret|1 → secret')
  const markdown = await run('--markdown')
  expect(markdown).toContain('| changed in name | 1 | 50.00 % |')
  expect(markdown).not.toContain('secret')
})

test('a view without columns has as many rows as its query', async () => {
  await sql.unsafe(`
    create table rowless (id int); insert into rowless values (1), (2);
    create materialized view columnless as select from rowless; insert into rowless values (3)`)
  expect(await diffView(database, { schema: 'public', name: 'columnless' }, null)).toMatchObject({
    before: 2,
    after: 3,
    added: 1,
    gone: 0,
    columns: [],
  })
})

describe.each(['LATIN1', 'EUC_JP'])('in a database in %s', (encoding) => {
  const other = useDatabase({ encoding })

  test('compares texts beyond ASCII', async () => {
    const [one, two] = encoding === 'LATIN1' ? ['é', 'ü'] : ['東', '京']
    await other.sql.unsafe(`create table t (id int, "${one}" text); insert into t values (1, '${one}'), (2, '${one}');
      create materialized view v as select * from t; create unique index on v (id); update t set "${one}" = '${two}' where id = 1`)
    const found = await diffView(other.database, { schema: 'public', name: 'v' }, null)
    expect(found.examples).toEqual([['changed', ['1', one], ['1', two]]])
  })
})

test('data over citext and ltree do not differ from themselves: they are compared with a copy that the tree proves, not with a text that finds other operators', async () => {
  await sql.unsafe(`
    create extension if not exists citext; create extension if not exists ltree; create schema kinds;
    create table kinds.users (id int primary key, mail citext, path ltree); insert into kinds.users values (1, 'Ann@x.org', 'a.b'), (2, 'ben@x.org', 'a.c')`)
  const queries = {
    others: "select id from kinds.users where mail is distinct from 'ANN@x.org'::citext",
    moved: "select id from kinds.users where path is distinct from 'a.b'::ltree",
    cases:
      "select id, case mail when 'ann@x.org'::citext then 'blocked' else 'free' end as s from kinds.users",
  }
  for (const [name, query] of Object.entries(queries)) {
    await sql.unsafe(`create materialized view kinds.${name} as ${query}`)
    const view = { schema: 'kinds', name }
    const same = { added: 0, gone: 0, changed: 0 }
    expect(await diffView(database, view, null)).toMatchObject(same)
    expect(await diffView(database, view, definitionOf({ ...view, sql: query }))).toMatchObject(same)
  }
  await sql.unsafe('grant create on schema public to public')
  const refusal = await refusalOf(diffView(database, { schema: 'kinds', name: 'others' }, null))
  expect(refusal.message).toContain('reads its own text of the query in another way')
  await sql.unsafe('revoke create on schema public from public')
})
