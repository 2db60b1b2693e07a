import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readSnapshot } from '../../../src/catalog/db/read-live-view.ts'
import { liveDifferences } from '../../../src/catalog/plan/differences.ts'
import type { ViewSnapshot } from '../../../src/catalog/plan/live-view.ts'
import { treeDifferences } from '../../../src/catalog/plan/tree/differences.ts'
import { readView } from '../../../src/record/definitions/look.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { longSession } from '../../../src/set-aside/take.ts'
import { readShadow } from '../../../src/trial/db/read-shadow.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { callAlter, callPutBack, callSetAside } from '../../support/views/alter.ts'
import { oddQueries, oddTables } from '../../support/views/odd-queries.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const { database, sql } = useDatabase()

/** What a query gives, whatever the order of its rows. */
const rowsOf = (view: string) =>
  sql.unsafe(`select v::text as row from ${view} v order by 1`).then((rows) => rows.map(({ row }) => row))

const oidOf = (view: string) => sql`select ${view}::regclass::oid::int8 as oid`

const makeOdd = (view: string, query: string) =>
  sql.unsafe(`set search_path = odd, public; create materialized view ${view} as ${query}; reset search_path`)

beforeAll(async () => {
  await sql.unsafe(oddTables)
})

describe('a query of an odd grammar', () => {
  // Some use the row type of a table, which then keeps its columns.
  afterAll(async () => {
    for (const name of Object.keys(oddQueries))
      await sql.unsafe(`drop materialized view if exists odd.v_${name}`)
  })

  eachCase(Object.entries(oddQueries), { quick: 4 })(
    'means the same after a swap: %s',
    async (name, query) => {
      const view = `odd.v_${name}`
      await makeOdd(view, query)
      const before = await rowsOf(view)
      await expect(refresh({ view, strategy: 'swap' }, callOn(database))).resolves.toMatchObject({
        status: 'updated',
      })
      expect(await rowsOf(view)).toEqual(before)
      await sql.unsafe(`refresh materialized view ${view}`)
      expect(await rowsOf(view)).toEqual(before)
    },
  )

  const forms = [
    'in',
    'between',
    'row_star',
    'values_beside',
    'joins',
    'natural',
    'distinct_from',
    'using_twice',
  ] as const
  eachCase(forms, { quick: 1 })(
    'needs no normal form once the server has read its own text of it: %s',
    async (name) => {
      const view = `odd.f_${name}`
      await makeOdd(view, oddQueries[name])
      const swap = () => refresh({ view, strategy: 'swap' }, callOn(database))
      const rename = (is: string, to: string) =>
        sql.unsafe(`alter function pg_catalog.${is}(text, text) rename to ${to}`)
      await swap()
      // Only normal forms call it.
      await rename('regexp_split_to_table', 'not_called')
      try {
        await expect(swap()).resolves.toMatchObject({ status: 'updated' })
      } finally {
        await rename('not_called', 'regexp_split_to_table')
      }
      await sql.unsafe(`drop materialized view ${view}`)
    },
  )
})

describe('a query that the server would read with another operator, because others may create in the schema of its own', () => {
  const place = /its .*: operator public\.=\(.*citext,.*citext\) is read as operator .*=\(text,text\)/

  beforeAll(async () => {
    await sql.unsafe('grant create on schema public to public')
  })

  afterAll(async () => {
    await sql.unsafe('revoke create on schema public from public')
  })

  const forms = ['distinct_from', 'using', 'case', 'nullif'] as const
  eachCase(forms, { quick: 1 })('is refreshed in another way, never swapped: %s', async (name) => {
    const view = `odd.w_${name}`
    await makeOdd(view, oddQueries[name])
    const before = [await rowsOf(view), await oidOf(view)]
    expect(await refresh({ view, strategy: 'swap' }, callOn(database))).toMatchObject({
      status: 'error',
      error: { class: 'SwapImpossible', detail: expect.stringMatching(place) },
    })
    expect(await refresh({ view }, callOn(database))).toMatchObject({
      status: 'updated',
      response: { strategy: 'regular', because: expect.stringMatching(place) },
    })
    expect([await rowsOf(view), await oidOf(view)]).toEqual(before)
  })

  test('is refreshed in another way also if the query is of a plain view above', async () => {
    await sql.unsafe(`
      create materialized view odd.below as select id, mail from odd.users;
      create view odd.above as select id from odd.below join odd.blocked using (mail)`)
    const before = await rowsOf('odd.above')
    expect(await refresh({ view: 'odd.below' }, callOn(database))).toMatchObject({
      status: 'updated',
      response: {
        strategy: 'regular',
        because: expect.stringMatching(/A swap would change view odd\.above/),
      },
    })
    expect(await rowsOf('odd.above')).toEqual(before)
    await sql.unsafe('revoke create on schema public from public')
    expect(await refresh({ view: 'odd.below', strategy: 'swap' }, callOn(database))).toMatchObject({
      status: 'updated',
    })
    expect(await rowsOf('odd.above')).toEqual(before)
  })
})

test('a list that goes on in one of two queries is told by its field, without what both have', async () => {
  await makeOdd('odd.short', 'select id from users')
  await makeOdd('odd.longer', 'select id, mail from users')
  const query = treeDifferences(`'odd.short'::regclass::oid`, `'odd.longer'::regclass::oid`)
  const [row] = await sql.unsafe<{ differences: string }[]>(`select (${query}) as differences`)
  expect(row?.differences).toMatch(/^its FROM: \w+\.selectedCols is read otherwise$/)
})

test('a path of JSON means the same after a swap, however the server writes it; before 17 it has no tables of them', async () => {
  const [server] = await sql<
    { major: number }[]
  >`select current_setting('server_version_num')::int / 10000 as major`
  const columns = `x text path '$.a' keep quotes, y jsonb format json path '$.a' with conditional wrapper, z jsonb path '$.a' without wrapper`
  const json = `json_table(u.j, '$' columns (${columns}))`
  await makeOdd(
    'odd.v_paths',
    `select u.id, t.* from users u left join blocked using (mail), ${(server?.major ?? 0) < 17 ? 'jsonb_to_record(u.j) as' : json} t${(server?.major ?? 0) < 17 ? ' (x text, y jsonb, z jsonb)' : ''}`,
  )
  const before = await rowsOf('odd.v_paths')
  expect(await refresh({ view: 'odd.v_paths', strategy: 'swap' }, callOn(database))).toMatchObject({
    status: 'updated',
  })
  expect(await rowsOf('odd.v_paths')).toEqual(before)
})

test('a group of such queries means the same after the exchange', async () => {
  await sql.unsafe(`
    create materialized view odd.one as select id, mail, path from odd.users;
    create view odd.two as select id, mail, path from odd.one where mail is distinct from 'BEN@x.org'::citext;
    create materialized view odd.three as select id, case mail when 'ANN@X.org' then 'x' else 'y' end as s from odd.two join odd.blocked using (mail, path);
    create index three_index on odd.three ((s is distinct from 'y')) where id is distinct from 3;
    create view odd.four as select nullif(o.mail, 'ANN@x.org') as m from odd.three join odd.one o using (id)`)
  const rows = async () => [await rowsOf('odd.two'), await rowsOf('odd.three'), await rowsOf('odd.four')]
  const before = await rows()
  expect(before).toEqual([['(1,Ann@x.org,top.a)', '(3,,)'], ['(1,x)'], ['()']])
  expect(await refresh({ view: 'odd.one', strategy: 'swap' }, callOn(database))).toMatchObject({
    status: 'updated',
  })
  expect(await rows()).toEqual(before)
  await sql.unsafe('refresh materialized view odd.one; refresh materialized view odd.three')
  expect(await rows()).toEqual(before)
})

test(
  'queries that are set aside or that stand in the way of a change mean the same after it',
  deep,
  async () => {
    const views = [
      'distinct_from',
      'using',
      'case',
      'nullif',
      'row_of_mixed',
      'distinct_ltree',
      'in',
    ] as const
    for (const name of views) await makeOdd(`odd.a_${name}`, oddQueries[name])
    await sql.unsafe(
      'create view odd.a_above as select id from odd.a_using join odd.a_distinct_from using (id)',
    )
    const rows = () => Promise.all([...views.map((name) => rowsOf(`odd.a_${name}`)), rowsOf('odd.a_above')])
    const before = await rows()
    await callAlter(database, 'alter table odd.users alter column id type bigint')
    expect(await rows()).toEqual(before)
    await callSetAside(database, ['odd.users', 'odd.blocked'])
    await callPutBack(database)
    expect(await rows()).toEqual(before)
    await sql.unsafe('grant create on schema public to public')
    const refusal = await refusalOf(callAlter(database, 'alter table odd.users alter column id type integer'))
    expect(refusal.message).toMatch(/materialized view odd\.\S+ (are not as before|no longer fits)/)
    await sql.unsafe('revoke create on schema public from public')
    expect(await rows()).toEqual(before)
  },
)

describe('columns beside a join', deep, () => {
  const joined = {
    inner: 'select o.id, k.name from beside.o join beside.k on k.id = o.c',
    full: 'select id, name from beside.o full join beside.k using (id)',
    nested: 'select k.name, p.v from beside.p left join (beside.o join beside.k using (id)) using (id)',
    row: 'select row_to_json(x)::text as r from (select o.id, k.name from beside.o join beside.k using (id)) x join beside.p on true',
    function: 'select f.id, k.name from beside.f() f join beside.k using (id)',
    cast: "select k.id, (row(1, 2, 'x')::beside.p).t as r from beside.k join beside.p using (id)",
  }
  const views = Object.keys(joined).map((name) => `beside.${name}`)
  const definitions = Object.entries(joined).map(([name, query]) => ({
    schema: 'beside',
    name,
    sql: query,
    indexes: [],
    comment: null,
    grants: [],
  }))
  const differences = () =>
    longSession(database, 'viewkeeper drift', async (connection) => {
      const found: unknown[] = []
      // PostgreSQL reads no frozen row with fewer fields than its type has by now.
      for (const each of definitions.filter(({ name }) => name !== 'cast')) {
        const { oid, owner } = await readView(connection, each)
        const { live } = (await readSnapshot(connection, oid)) as ViewSnapshot
        found.push(...liveDifferences(live, await readShadow(connection, each, owner, live)))
      }
      return found
    })

  beforeAll(async () => {
    await sql.unsafe(`
      create schema beside; create table beside.o (id int primary key, c int, old int); create table beside.k (id int, name text, old int); create table beside.p (id int, v int, t text);
      insert into beside.o values (1, 1, 1), (2, 1, 2); insert into beside.k values (1, 'one', 1); insert into beside.p values (1, 2, 'x');
      create function beside.f() returns setof beside.o language sql stable as 'select o from beside.o o'`)
    for (const { name, sql: query } of definitions)
      await sql.unsafe(`create materialized view beside.${name} as ${query}`)
  })

  eachCase(
    [
      'add added int',
      'alter old type bigint',
      'drop old',
      'add old int',
      'rename old to name2',
      'add name3 int',
    ],
    { quick: 1 },
  )('do not matter to a swap, drift, an alter and what is set aside: %s', async (change) => {
    const before = await Promise.all(views.map(rowsOf))
    const inBoth = (some: string) => sql.unsafe(`alter table beside.o ${some}; alter table beside.k ${some}`)
    await inBoth(change)
    if (change.startsWith('add')) await sql.unsafe(`alter table beside.p ${change}`)
    expect(await differences()).toEqual([])
    for (const view of views)
      await expect(refresh({ view, strategy: 'swap' }, callOn(database))).resolves.toMatchObject({
        status: 'updated',
      })
    await inBoth('add once int')
    await callAlter(database, 'alter table beside.k alter name type varchar')
    await callSetAside(database, ['beside.o', 'beside.k', 'beside.p'])
    await inBoth('add twice int')
    await sql.unsafe('alter table beside.k alter name type text')
    expect(await callPutBack(database)).toMatchObject({ misfits: [], left: [] })
    await inBoth('drop once, drop twice')
    expect(await Promise.all(views.map(rowsOf))).toEqual(before)
  })

  test('are fields of a row of the whole join: it is refused with what differs, and refreshed in another way', async () => {
    await sql.unsafe(
      `create materialized view beside.whole as select row_to_json(q)::text as r from (beside.o join beside.k using (id)) q`,
    )
    await sql.unsafe('alter table beside.o rename c to named')
    const before = await rowsOf('beside.whole')
    const because = expect.stringContaining('its FROM: RANGETBLENTRY_OF_ROW.columns is read otherwise')
    expect(await refresh({ view: 'beside.whole', strategy: 'swap' }, callOn(database))).toMatchObject({
      error: { class: 'SwapImpossible', detail: because },
    })
    expect(await refresh({ view: 'beside.whole' }, callOn(database))).toMatchObject({
      status: 'updated',
      response: { strategy: 'regular', because },
    })
    expect(await rowsOf('beside.whole')).toEqual(before)
  })
})

test('a view that would come back with another meaning stays aside, although the table below has changed; what it names may be made anew', async () => {
  await sql.unsafe(`
    create schema moved; create function odd.twice(int) returns int language sql immutable as 'select $1 * 2';
    create table odd.people as select id::int as id, mail, 1 as n from odd.users;
    create materialized view odd.b_mails as select id from odd.people where mail is distinct from 'ANN@x.org'::citext;
    create materialized view odd.b_twice as select id, odd.twice(id) as t, n from odd.people;
    create view odd.b_above as select id from odd.b_mails`)
  const views = ['odd.b_mails', 'odd.b_twice', 'odd.b_above']
  const rows = () => Promise.all(views.map(rowsOf))
  const before = await rows()
  await callSetAside(database, ['odd.people'])
  const back = () => callPutBack(database)
  await sql.unsafe(`
    alter table odd.people alter n type bigint; alter table odd.people add more int;
    drop function odd.twice; create function odd.twice(int) returns int language sql immutable as 'select $1 + $1';
    alter operator public.= (citext, citext) set schema moved`)
  const done = await back()
  expect(done).toMatchObject({
    misfits: [
      {
        name: 'odd.b_mails',
        because: expect.stringContaining('the query and expressions of materialized view odd.b_mails'),
      },
    ],
    left: ['odd.b_above'],
  })
  await sql.unsafe('alter operator moved.= (citext, citext) set schema public')
  expect(await back()).toMatchObject({ misfits: [], left: [] })
  await sql.unsafe('refresh materialized view odd.b_mails')
  expect(await rows()).toEqual(before)
})

test(
  'what a view names may be dropped and made again while the view is aside: it comes back only if it means what it has meant',
  deep,
  async () => {
    await sql.unsafe('create schema anew')
    const below = `
    create type anew.grade as enum ('low', 'high');
    create table anew.people (id int, mail citext, grade anew.grade);
    insert into anew.people values (1, 'Ann@x.org', 'low'), (2, 'ann@X.org', 'high'), (3, 'zoe@x.org', 'low');
    create function anew.twice(anew.grade, int) returns int language sql immutable as 'select $2 * 2';
    create collation anew.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`
    await sql.unsafe(below)
    await sql.unsafe(`
    create materialized view anew.view as select id, anew.twice(grade, id) as t, p as whole from anew.people p
      where mail is distinct from 'ANN@x.org'::citext and grade = 'low'::anew.grade and 'anew.people'::regclass is not null and mail::text collate anew.nocase <> 'x'
        and grade in ('low', 'high');
    create index view_twice on anew.view (anew.twice('high', id))`)
    await callSetAside(database, ['anew.people'])
    const back = () => callPutBack(database)
    await sql.unsafe(`
    drop table anew.people; drop function anew.twice; drop type anew.grade; drop collation anew.nocase; ${below.replace("'low'", "'lowest', 'low'")};
    create schema elsewhere; alter operator public.= (citext, citext) set schema elsewhere`)
    expect(await back()).toMatchObject({
      misfits: [
        { because: expect.stringContaining('the query and expressions of materialized view anew.view') },
      ],
    })
    await sql.unsafe('alter operator elsewhere.= (citext, citext) set schema public')
    expect(await back()).toMatchObject({ misfits: [], left: [] })
    expect(await rowsOf('anew.view')).toEqual(['(3,6,"(3,zoe@x.org,low)")'])
  },
)

test('drift tells a query that an older version has read back with another operator', async () => {
  const query = `select id from odd.users where mail is distinct from 'ANN@x.org'::citext`
  const frozen = { schema: 'odd', name: 'frozen', sql: query, indexes: [], comment: null, grants: [] }
  const differences = () =>
    longSession(database, 'viewkeeper drift', async (connection) => {
      const { oid, owner } = await readView(connection, frozen)
      const { live } = (await readSnapshot(connection, oid)) as ViewSnapshot
      return liveDifferences(live, await readShadow(connection, frozen, owner, live))
    })
  await sql.unsafe(`create materialized view odd.frozen as ${query}`)
  expect(await differences()).toEqual([])
  await sql.unsafe(`
    drop materialized view odd.frozen; set search_path = pg_catalog, pg_temp;
    create materialized view odd.frozen as ${query.replace('::citext', '::public.citext')}; reset search_path`)
  expect(await differences()).toMatchObject([{ kind: 'query' }])
})
