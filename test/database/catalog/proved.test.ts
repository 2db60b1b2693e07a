import { beforeAll, describe, expect, test } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { notKnown } from '../../../src/slices/db/not-known.ts'
import { whyNotKnown } from '../../../src/slices/db/read-queries.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { administrator, schemaFolder } from '../../support/servers/database.ts'
import { startOwnServer } from '../../support/servers/own-server.ts'
import { major } from '../../support/servers/test-server.ts'
import { leftOut } from '../../support/views/left-out.ts'
import { builtIns, fieldsOfTrees, treesOfManyKinds } from './built-ins.ts'

// A server of its own: settings of the database and a restart concern all views.
const { server, sql } = await startOwnServer()
const saving = connectTo(fromUrl(server.url), { skipUnchanged: true })
const { scheduled, filled, longAgo } = leftOut('way', () => ({ sql, saving }))

/** Executes this in one transaction, and has the session report to the counters at its end and not some seconds later. */
const typed = (text: string) =>
  sql.begin(async (its) => {
    await its.unsafe(text)
    await its`select pg_stat_force_next_flush()`
  })

beforeAll(async () => {
  await typed(`
    create role way_reader;
    create schema way;
    create type way.mood as enum ('good', 'bad');
    create type way.calm as enum ('very');
    create domain way.temper as way.mood;
    create type way.pair as (a int, b int);
    create table way.t as select i, now() as at, 'good'::way.mood as mood, 'very'::way.calm as calm, 'good'::way.temper as temper,
        '=r/postgres'::aclitem as acl, row(i, -i)::way.pair as pair, row(-i, i)::way.pair as other, i as plain from generate_series(1, 3) i;
    create table way.said (n int);
    insert into way.said values (1);

    create function way.of_mood(way.mood) returns json language sql stable as 'select to_json(sum(n)) from way.said';
    create cast (way.mood as json) with function way.of_mood(way.mood);

    select lo_from_bytea(4711, 'then');
    create function way.kept(oid) returns bytea language internal immutable strict as 'be_lo_get';

    create function way.compared(way.pair, way.pair) returns int language sql immutable
      as 'select sign(($1.a - $2.a) * (select sum(n) from way.said))::int';
    ${[
      ['less', '<'],
      ['atmost', '<='],
      ['same', '='],
      ['atleast', '>='],
      ['more', '>'],
    ]
      .map(
        ([name, sign]) => `
    create function way.${name}(way.pair, way.pair) returns boolean language sql immutable as 'select way.compared($1, $2) ${sign} 0';
    create operator way.${sign} (leftarg = way.pair, rightarg = way.pair, function = way.${name});`,
      )
      .join('')}

    create function way.worded() returns text language sql stable as $$ select format_type('way.calm'::regtype, null) $$;
    create operator way.### (leftarg = int, rightarg = int, function = int4pl);
    create domain way.few as int check (value < 10);
    create table way.guarded as select 1 as i;
    alter table way.guarded enable row level security;`)
})

const made = async (queries: Record<string, string>) => {
  for (const [name, query] of Object.entries(queries))
    await sql.unsafe(
      `drop materialized view if exists way.${name}; create materialized view way.${name} as ${query}`,
    )
  await filled(...Object.keys(queries))
}
/** What the view shows, and what its query gives, both as a session sees it that begins now. */
const shown = async (query: string) => {
  const fresh = administrator(server.url)
  const [row] = await fresh.unsafe<[{ shows: string; gives: string }]>(`
    select (select string_agg(v::text, ',' order by v::text) from way.v) as shows, (select string_agg(q::text, ',' order by q::text) from (${query}) q) as gives`)
  await fresh.end()
  return row
}
const because = async (name: string) => {
  const [{ oid }] = await sql<[{ oid: number }]>`select ${`way.${name}`}::text::regclass::oid::int8 as oid`
  return saving.withConnection((its) => whyNotKnown(its, Number(oid)))
}
const setDatabase = (setting: string) => `alter database postgres set ${setting}`

/** Each is left out until something changes that no counter counts. */
const settled: [what: string, query: string, change: string][] = [
  [
    'the abbreviation of a time zone, which the server calls immutable,',
    `select at at time zone 'IST' from way.t`,
    setDatabase(`timezone_abbreviations = 'India'`),
  ],
  ['quoted names', `select quote_ident('plain') || i from way.t`, setDatabase('quote_all_identifiers = on')],
  ['the time zone', 'select at::date as day, at::text from way.t', setDatabase(`timezone = 'Asia/Tokyo'`)],
  ['labels of an enum', 'select calm from way.t', `alter type way.calm rename value 'very' to 'a little'`],
  ['the names of a row', 'select row_to_json(said) from way.said', 'alter table way.said rename n to m'],
]
// The server reads a zone in a text since 17.
if (major >= 17)
  settled.push([
    'the abbreviation of a time zone in a text',
    `select to_timestamp('2020-01-01 IST', 'YYYY-MM-DD TZ')`,
    setDatabase(`timezone_abbreviations = 'India'`),
  ])
if (major >= 18) {
  settled.push([
    'a column that is computed when it is read',
    'select local from way.virtual',
    setDatabase(`timezone_abbreviations = 'India'`),
  ])
}

eachCase(settled, { quick: 2 })('a view with %s is left out until that changes', async (_, query, change) => {
  if (major >= 18)
    await typed(`
      create table if not exists way.virtual (at timestamptz, local timestamp generated always as (at at time zone 'IST') virtual);
      truncate way.virtual; insert into way.virtual values ('2020-01-01')`)
  const withTable = query.includes(' from ') ? query : `${query}, i from way.t`
  await made({ v: withTable })
  expect(await scheduled('v')).toBe('skipped')
  await longAgo('v')
  try {
    await typed(change)
    expect(await scheduled('v')).toBe('updated')
    const row = await shown(withTable)
    expect(row?.shows).toBe(row?.gives)
  } finally {
    await sql`alter database postgres reset all`
    await sql`do $$ begin alter table way.said rename m to n; exception when undefined_column then end $$`
    await sql`do $$ begin alter type way.calm rename value 'a little' to 'very'; exception when others then end $$`
  }
})

/** Each is refreshed every time, because nobody knows what it depends on; the control has all but that. */
eachCase(
  [
    [
      'a cast to json, which to_jsonb looks for',
      'select i, to_jsonb(mood) from way.t',
      'select i, to_jsonb(calm) from way.t',
      'insert into way.said values (2)',
      /uses way\.mood/,
    ],
    [
      'such a cast below a domain, in a row',
      'select json_agg(r) from (select i, temper from way.t) r',
      'select json_agg(r) from (select i, calm from way.t) r',
      'insert into way.said values (3)',
      /uses way\.mood/,
    ],
    [
      'privileges as a text',
      'select i, acl::text from way.t',
      'select i, calm::text from way.t',
      'alter role way_reader rename to way_reader_2',
      /uses aclitem/,
    ],
    [
      'an immutable function in C that reads',
      'select i, way.kept(4711) from way.t',
      'select i, sha256(i::text::bytea) from way.t',
      `select lo_put(4711, 0, 'now!')`,
      /calls way\.kept\(oid\)/,
    ],
    [
      'a function with a text as body',
      'select i, way.worded() from way.t',
      'select i, upper(i::text) from way.t',
      'insert into way.said values (7)',
      /calls way\.worded\(\)/,
    ],
    [
      'an operator that somebody has made',
      'select i operator(way.###) 1 as i from way.t',
      'select i + 1 as i from way.t',
      'insert into way.said values (4)',
      /operator way\.###/,
    ],
    [
      'the check of a domain',
      'select i::way.few as i from way.t',
      'select i::int as i from way.t',
      'insert into way.said values (5)',
      /uses way\.few/,
    ],
    [
      'row security',
      'select i from way.guarded',
      'select i from way.t',
      'insert into way.said values (6)',
      /reads way\.guarded/,
    ],
  ],
  { quick: 2 },
)('a view with %s is refreshed, and one without is left out', async (_, query, control, change, reason) => {
  await made({ v: query, control })
  await typed(change)
  expect(await scheduled('control')).toBe('skipped')
  expect(await scheduled('v')).toBe('updated')
  expect(await because('v')).toMatch(reason)
  const row = await shown(query)
  expect(row?.shows).toBe(row?.gives)
})

eachCase(
  [
    ['distinct', 'select distinct pair from way.t'],
    ['group by', 'select pair, count(*) from way.t group by pair'],
    ['order by', 'select pair from way.t order by pair limit 1'],
    ['the order of a window', 'select i, rank() over (order by pair) from way.t'],
    ['greatest', 'select greatest(pair, other) from way.t'],
    ['an aggregate', 'select array_agg(i order by pair) from way.t'],
    ['a row of it', 'select (i, pair) < (i, other) from way.t'],
    ['a comparison of arrays', 'select array[pair] < array[other] from way.t'],
  ],
  { quick: 2 },
)('an operator class behind %s is not known, where the server takes its own one it is', async (_, query) => {
  await sql.unsafe('drop operator family if exists way.pairs using btree cascade')
  await made({ control: query })
  expect(await scheduled('control')).toBe('skipped')
  await sql.unsafe(`
    create operator class way.pairs default for type way.pair using btree as operator 1 way.<, operator 2 way.<=, operator 3 way.=,
      operator 4 way.>=, operator 5 way.>, function 1 way.compared(way.pair, way.pair)`)
  await made({ v: query })
  await typed('update way.said set n = -n')
  expect(await scheduled('v')).toBe('updated')
  const row = await shown(query)
  expect(row?.shows).toBe(row?.gives)
})

test.each([
  ['an enum', 'select calm from way.t'],
  ['a composite type', 'select pair, (pair).a from way.t'],
  ['a domain without a check, an array, a range and several', 'select free, spans, span from way.made_of'],
])('%s is what it consists of, so a view with it is left out', async (_, query) => {
  await typed(`
    drop operator family if exists way.pairs using btree cascade;
    do $$ begin
      create domain way.free as text;
      create type way.span as range (subtype = numeric, multirange_type_name = way.spans);
      create table way.made_of (free way.free[], span way.span, spans way.spans);
    exception when duplicate_object then end $$`)
  await made({ v: query })
  expect(await scheduled('v')).toBe('skipped')
})

test(
  'a database made from a template, and one made from that, leave out nothing that the template could',
  deep,
  async () => {
    await sql.unsafe('create database origin')
    const at = (name: string) => {
      const url = server.url.replace(/\/postgres$/, `/${name}`)
      const its = administrator(url)
      const by = connectTo(fromUrl(url), { skipUnchanged: true })
      return { its, ...leftOut('public', () => ({ sql: its, saving: by })), by }
    }
    const origin = at('origin')
    await migrate(origin.by, schemaFolder)
    await origin.its.unsafe(
      'select pg_stat_force_next_flush(); create table t as select 1 as i; create materialized view v as select i from t; create materialized view top as select i from v',
    )
    await origin.filled('v', 'top')
    expect([await origin.scheduled('v'), await origin.scheduled('top')]).toEqual(['skipped', 'skipped'])
    await origin.longAgo('v')
    await origin.its.end()
    for (const [name, template] of [
      ['clone', 'origin'],
      ['clone_of_clone', 'clone'],
    ]) {
      await sql.unsafe(`create database ${name} template ${template}`)
      const clone = at(name!)
      await clone.its.unsafe('truncate t; insert into t values (2); select pg_stat_force_next_flush()')
      const [known] =
        await clone.its`select count(*)::int as of from viewkeeper.view_status where as_of is not null`
      expect(known).toEqual({ of: 0 })
      expect([await clone.scheduled('v'), await clone.scheduled('top')]).toEqual(['updated', 'updated'])
      expect(await clone.its`select i from top`).toEqual([{ i: 2 }])
      await clone.longAgo('v')
      await clone.longAgo('top')
      expect([await clone.scheduled('v'), await clone.scheduled('top')]).toEqual(['skipped', 'skipped'])
      await clone.its.end()
    }
  },
)

describe('what is known of the server', () => {
  const refusal = (named: Partial<Parameters<typeof notKnown>[0]>) => {
    const none = `'{}'::oid[]`
    return notKnown({ tags: `'{}'::text[]`, types: none, functions: none, operators: none, ...named })
  }
  const readKnown = async (where: string) =>
    (
      await sql.unsafe(`
        select p.oid::regprocedure::text as name from pg_proc p where p.oid < 10000 and ${where}
           and ${refusal({ functions: 'array[p.oid]' })} is null order by 1`)
    ).map(({ name }) => name)

  test('are these functions that are stable, and no volatile one', async () => {
    const there = new Set(
      (await sql`select p.oid::regprocedure::text as name from pg_proc p where p.oid < 10000`).map(
        ({ name }) => name,
      ),
    )
    expect((await readKnown(`p.provolatile = 's'`)).sort()).toEqual(
      builtIns.stable.filter((name) => there.has(name)).sort(),
    )
    expect(await readKnown(`p.provolatile = 'v'`)).toEqual([])
  })

  test('are all functions that are immutable but these', async () => {
    const refused = await sql.unsafe(`
      select p.oid::regprocedure::text as name from pg_proc p where p.oid < 10000 and p.provolatile = 'i'
         and ${refusal({ functions: 'array[p.oid]' })} is not null order by 1`)
    expect(refused.map(({ name }) => name)).toEqual(builtIns.immutableButRefused)
  })

  test('are these types', async () => {
    const known = await sql.unsafe(`
      select t.typname as name from pg_type t where t.oid < 16384 and t.typelem = 0 and ${refusal({ types: 'array[t.oid]' })} is null`)
    expect(known.map(({ name }) => name).sort()).toEqual(builtIns.types)
  })

  test('are all fields of stored queries: each names objects that are looked at, or none', async () => {
    await sql.unsafe(treesOfManyKinds)
    const found = await sql.unsafe<{ field: string }[]>(
      String.raw`select distinct m[1] as field from pg_rewrite w, regexp_matches(regexp_replace(w.ev_action::text, '\\.', '_', 'g'), ':(\w+) ', 'g') m`,
    )
    const unknown = found.map(({ field }) => field).filter((field) => !fieldsOfTrees.has(field))
    expect(unknown).toEqual([])
    const nodes = await sql.unsafe(String.raw`
      select tag from (select distinct m[1] as tag from pg_rewrite w join pg_class c on c.oid = w.ev_class and c.relnamespace = 'trees'::regnamespace,
             regexp_matches(regexp_replace(w.ev_action::text, '\\.', '_', 'g'), '\{(\w+)', 'g') m) x
       where ${refusal({ tags: 'array[tag]' })} is not null order by 1`)
    expect(nodes.map(({ tag }) => tag)).toEqual([
      'ROWMARKCLAUSE',
      'SQLVALUEFUNCTION',
      'TABLESAMPLECLAUSE',
      'XMLEXPR',
    ])
  })
})
