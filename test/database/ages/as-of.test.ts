import { beforeAll, describe, expect, test } from 'vitest'
import type { Strategy } from '../../../src/catalog/plan/definition.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { putBack, setAside } from '../../../src/set-aside/set-aside.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { eachCase } from '../../support/deep.ts'
import { deleteRows, insertRow } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { rewrite } from '../../support/views/rewritten.ts'

const { sql, database } = useDatabase()
const one = (name: string, strategy: Strategy) => refresh({ view: `age.${name}`, strategy }, callOn(database))
const all = async (exchange: 'together' | 'each') =>
  advanceToEnd(database, await begin(database, { pattern: 'age.*', exchange }))
const aside = { requestedBy: 'wilma', dryRun: false, huntMs: 60_000 }
const back = { given: [], forgotten: [], dryRun: false, requestedBy: 'wilma' }

/** Four levels: `a` reads a table, `b` reads `a` through a plain view, `c` reads `b` and the table, `d` reads `c`. */
beforeAll(async () => {
  await sql.unsafe(`
    create schema age;
    create table age.t as select 1 as n;
    create materialized view age.a as select n from age.t;
    create view age.between as select n from age.a;
    create materialized view age.b as select n from age.between;
    create materialized view age.c as select b.n from age.b, age.t;
    create materialized view age.d as select n from age.c;
    create unique index on age.a (n);
    create unique index on age.c (n);`)
})

const readAges = () => sql<
  { name: string; at: string | null; by: string | null; isAge: boolean; isTold: boolean }[]
>`
  select name, as_of::text as at, held_back_by as by,
         viewkeeper.as_of(view) is not distinct from as_of as "isTold",
         abs(extract(epoch from clock_timestamp() - coalesce(as_of, last_success_at) - staleness)) < 1 as "isAge"
    from viewkeeper.view_status where schema_name = 'age' order by 1`

/** What happens, and what each view is as of then: the step at which `a` saw the table, or `?` if nobody knows. */
const steps: [what: string, act: () => Promise<unknown>, ages: string][] = [
  ['a regular', () => one('a', 'regular'), 'a1'],
  ['b regular', () => one('b', 'regular'), 'a1 b1'],
  ['c concurrent before it has ever been filled by us', () => one('c', 'concurrent'), 'a1 b1 c1'],
  ['d regular', () => one('d', 'regular'), 'a1 b1 c1 d1'],
  ['a concurrent: its readers stay as old as they are', () => one('a', 'concurrent'), 'a5 b1 c1 d1'],
  ['d of an old parent', () => one('d', 'auto'), 'a5 b1 c1 d1'],
  ['c with its reader', () => one('c', 'swap'), 'a5 b1 c1 d1'],
  ['b with all that read it', () => one('b', 'swap'), 'a5 b5 c5 d5'],
  ['a batch exchanges all at one moment', () => all('together'), 'a9 b9 c9 d9'],
  ['a batch, each view by itself', () => all('each'), 'a10 b10 c10 d10'],
  ['somebody refreshes a', () => sql`refresh materialized view age.a`, 'a? b10 c10 d10'],
  ['b of a parent whose age nobody knows', () => one('b', 'regular'), 'a? b? c10 d10'],
  ['a again', () => one('a', 'regular'), 'a13 b? c10 d10'],
  ['c of a parent whose age nobody knows', () => one('c', 'regular'), 'a13 b? c? d10'],
  ['b again', () => one('b', 'regular'), 'a13 b13 c? d10'],
  [
    'somebody makes d anew',
    () => sql.unsafe('drop materialized view age.d; create materialized view age.d as select n from age.c'),
    'a13 b13 c? d?',
  ],
  ['c with d', () => one('c', 'swap'), 'a13 b13 c13 d13'],
  [
    'somebody rewrites the file of b: the data are the same, but nobody can know',
    () => rewrite(sql, 'age.b'),
    'a13 b? c13 d13',
  ],
  ['b once more', () => one('b', 'regular'), 'a13 b13 c13 d13'],
  [
    'somebody refreshes a concurrently',
    () => sql`refresh materialized view concurrently age.a`,
    'a? b13 c13 d13',
  ],
  ['b of that', () => one('b', 'regular'), 'a? b? c13 d13'],
  ['a once more', () => one('a', 'swap'), 'a22 b? c13 d13'],
  ['b with all that read it once more', () => one('b', 'swap'), 'a22 b22 c22 d22'],
  [
    'somebody grants a, which may hide a refresh',
    () => sql`grant select on age.a to public`,
    'a? b22 c22 d22',
  ],
  ['a after that', () => one('a', 'swap'), 'a25 b22 c22 d22'],
  ['b is set aside', () => setAside(database, { ...aside, reading: ['age.a'] }), 'a25 b? c? d?'],
  ['and put back', () => putBack(database, back), 'a25 b25 c25 d25'],
]
test('a view is as of the oldest data in it, through four levels, whatever has filled it', async () => {
  const moments = new Map<string | null, number | string>([[null, '?']])
  for (const [at, [what, act, expected]] of steps.entries()) {
    await act()
    const ages = await readAges()
    const own = ages[0]?.at ?? null
    if (!moments.has(own)) moments.set(own, at + 1)
    const told = ages.map(({ name, at: moment }) => `${name}${moments.get(moment)}`).join(' ')
    expect(`${what}: ${told}`).toBe(`${what}: ${expected}`)
    for (const { name, at: moment, by, isAge, isTold } of ages) {
      expect({ isAge, isTold }).toEqual({ isAge: true, isTold: true })
      if (name !== 'a' && moment !== null) expect(by).toBe('age.a')
    }
  }
})

describe('a view that reads an old view', () => {
  beforeAll(async () => {
    await sql.unsafe(`
      create schema reach;
      create table reach.t as select 1 as n;
      create type reach.mood as enum ('good');
      create materialized view reach.old as select n from reach.t;
      create function reach.sum(int) returns bigint language sql stable begin atomic select $1 + sum(n) from reach.old; end;
      create function reach.add(int, int) returns bigint language sql stable begin atomic select $1 + sum(n) from reach.old; end;
      create operator reach.|+| (leftarg = int, rightarg = int, function = reach.add);
      create function reach.ok(int) returns boolean language sql stable begin atomic select reach.sum($1) > 0; end;
      create domain reach.checked as int check (reach.ok(value));
      create domain reach.inner_one as reach.checked;
      create table reach.guarded as select 1 as n;
      alter table reach.guarded enable row level security;
      create policy only_some on reach.guarded using (n in (select n from reach.old));
      create function reach.of_mood(reach.mood) returns int language sql stable begin atomic select count(*)::int from reach.old; end;
      create cast (reach.mood as int) with function reach.of_mood(reach.mood);
      create function reach.next(bigint, int) returns bigint language sql stable begin atomic select coalesce($1, 0) + reach.sum($2); end;
      create aggregate reach.sums(int) (sfunc = reach.next, stype = bigint);
      create type reach.shown as enum ('so');
      create function reach.as_json(reach.shown) returns json language sql stable begin atomic select to_json(count(*)) from reach.old; end;
      create cast (reach.shown as json) with function reach.as_json(reach.shown);
      create table reach.moods as select 'so'::reach.shown as mood;
      create type reach.pair as (a int);
      create function reach.compare(reach.pair, reach.pair) returns int language sql immutable begin atomic select $1.a - $2.a + (select count(*)::int from reach.old) * 0; end;
      create operator class reach.pairs default for type reach.pair using btree as function 1 reach.compare(reach.pair, reach.pair);
      create table reach.pairs as select row(1)::reach.pair as pair;
      create view reach.above_pairs as select pair from reach.pairs`)
    await refresh({ view: 'reach.old', strategy: 'regular' }, callOn(database))
  })
  const filled = async (query: string, dependsOn: string[] = []) => {
    await sql.unsafe(
      `drop materialized view if exists reach.v; create materialized view reach.v as ${query} with no data`,
    )
    await deleteRows(sql, 'definitions', { view: 'reach.v' })
    await insertRow(sql, 'definitions', { view: 'reach.v', dependsOn })
    const { status } = await refresh({ view: 'reach.v', strategy: 'regular' }, callOn(database))
    expect(status).toBe('updated')
    const [row] = await sql`
      select v.as_of = old.as_of as "asOld", v.as_of is null as unknown, v.held_back_by as by, r.inputs ->> 'because' as because
        from viewkeeper.view_status v join viewkeeper.runs r on r.id = v.last_run_id cross join viewkeeper.view_status old
       where v.name = 'v' and old.name = 'old' and v.schema_name = 'reach' and old.schema_name = 'reach'`
    return row
  }

  eachCase(
    [
      ['a parsed body', 'select reach.sum(n) from reach.t'],
      ['an operator', 'select n operator(reach.|+|) 1 as n from reach.t'],
      ['the check of a domain', 'select n::reach.checked as n from reach.t'],
      ['the check of a domain below a domain', 'select n::reach.inner_one as n from reach.t'],
      ['an array of such a domain', `select '{1}'::text::reach.checked[] as n from reach.t`],
      ['row security', 'select n from reach.guarded'],
      ['a cast', `select 'good'::reach.mood::int as n from reach.t`],
      ['an aggregate', 'select reach.sums(n) from reach.t'],
      ['the cast of a column to json', 'select to_jsonb(mood) as n from reach.moods'],
      ['the cast of a column of a whole row', 'select row_to_json(m)::text as n from reach.moods m'],
      ['an operator class', 'select greatest(pair, pair) as n from reach.pairs'],
      ['an operator class below a plain view', 'select greatest(pair, pair) as n from reach.above_pairs'],
    ],
    { quick: 2 },
  )('through %s is as old as that', async (_, query) => {
    expect(await filled(query)).toMatchObject({ asOld: true, by: 'reach.old' })
  })

  test('is of an age that nobody knows where a function of the server executes a text, through whatever it is called', async () => {
    await sql.unsafe(`
      create operator reach.~> (leftarg = tsquery, rightarg = text, function = ts_rewrite);
      create aggregate reach.rewrites(text) (sfunc = ts_rewrite, stype = tsquery, initcond = 'a');
      create function reach.stat(text) returns bigint language sql stable begin atomic select count(*) from ts_stat($1); end;
      create operator reach.^^ (rightarg = text, function = reach.stat);
      create function reach.by_default(text default (query_to_xml('select 1', true, true, ''))::text) returns text language sql stable begin atomic select $1; end;
      create function reach.by_check(int) returns boolean language sql stable begin atomic select reach.stat($$select 'a'::tsvector$$) > $1; end;
      create domain reach.stated as int check (reach.by_check(value));
      create domain reach.directly as tsquery check (ts_rewrite(value, $$select 'a'::tsquery, 'b'::tsquery$$) is not null);
      create function reach.distance(reach.pair, reach.pair) returns float8 language sql immutable begin atomic select reach.stat($$select 'a'::tsvector$$)::float8; end;
      create type reach.stretch as range (subtype = reach.pair, subtype_diff = reach.distance, subtype_opclass = reach.pairs);
      create table reach.of_pairs (span reach.stretch);
      create table reach.told (n int);
      alter table reach.told enable row level security;
      create policy told on reach.told using (ts_rewrite('a'::tsquery, $$select 'a'::tsquery, 'b'::tsquery$$) is not null);
      create type reach.raw;
      create function reach.raw_in(cstring) returns reach.raw language internal stable strict as 'textin';
      create function reach.raw_out(reach.raw) returns cstring language internal immutable strict as 'textout';
      create type reach.raw (input = reach.raw_in, output = reach.raw_out, like = text);
      create table reach.raws (r reach.raw)`)
    for (const [kind, query, because] of [
      [
        'an operator',
        `select 'a'::tsquery operator(reach.~>) $$select 'a'::tsquery, 'b'::tsquery$$::text as q`,
        /executes the SQL of a text/,
      ],
      [
        'an operator over a body',
        `select operator(reach.^^) $$select 'a'::tsvector$$::text as q`,
        /executes the SQL of a text/,
      ],
      [
        'an aggregate',
        `select reach.rewrites($$select 'a'::tsquery, 'b'::tsquery$$) as q`,
        /executes the SQL of a text/,
      ],
      ['a default', 'select reach.by_default() as q', /executes the SQL of a text/],
      ['the check of a domain', 'select 1::reach.stated as q', /executes the SQL of a text/],
      ['such a check itself', `select 'a'::tsquery::reach.directly as q`, /executes the SQL of a text/],
      ['a range', 'select span from reach.of_pairs', /executes the SQL of a text/],
      ['row security', 'select n from reach.told', /executes the SQL of a text/],
      ['a type input function', `select r from reach.raws`, /calls reach\.raw_in/],
    ] as const) {
      await sql.unsafe(
        `drop materialized view if exists reach.v; create materialized view reach.v as ${query} with no data`,
      )
      const [row] =
        await sql`select viewkeeper.seen('reach.v'::regclass, 'reach', 'nobody') #>> '{inputs,because}' as because`
      expect([kind, row?.because]).toEqual([kind, expect.stringMatching(because)])
    }
  })

  eachCase(
    [
      ['a text', 'select reach.by_text() as n from reach.t', /calls reach\.by_text\(\)/],
      ['a text below a parsed body', 'select reach.by_body() as n from reach.t', /calls reach\.by_text\(\)/],
      [
        'a text as the check of a domain',
        'select n::reach.by_check as n from reach.t',
        /calls reach\.by_value\(/,
      ],
      [
        'SQL that the server executes',
        `select query_to_xml('select n from reach.old', true, true, '')::text as n from reach.t`,
        /executes the SQL of a text/,
      ],
    ],
    { quick: 1 },
  )(
    'through %s is of an age that nobody knows, unless its author says what is read there',
    async (_, query, because) => {
      await sql.unsafe(`
      create or replace function reach.by_text() returns bigint language sql stable as 'select count(*) from reach.old';
      create or replace function reach.by_body() returns bigint language sql stable begin atomic select reach.by_text(); end;
      create or replace function reach.by_value(int) returns boolean language plpgsql stable as 'begin return (select count(*) from reach.old) > 0; end';
      do $$ begin
        create domain reach.by_check as int check (reach.by_value(value));
      exception when duplicate_object then end $$`)
      expect(await filled(query)).toEqual({
        asOld: null,
        unknown: true,
        by: null,
        because: expect.stringMatching(because),
      })
      const { causes } = await getWhy(database, 'reach.v', { schedules: unscheduled, typed: null })
      expect(causes.find(({ code }) => code === 'UnknownAge')?.text).toMatch(because)
      expect(await filled(query, ['old'])).toMatchObject({ asOld: true, by: 'reach.old' })
    },
  )

  test('may be abroad, also far below a table', async () => {
    await sql.unsafe(`
      create foreign data wrapper nowhere;
      create server nowhere foreign data wrapper nowhere;
      create table reach.elder (n int);
      create foreign table reach.abroad () inherits (reach.elder) server nowhere;
      create materialized view reach.far as select n from reach.elder with no data`)
    await insertRow(sql, 'definitions', { view: 'reach.far', dependsOn: ['old'] })
    const seen = async (name: string) =>
      (await sql`select viewkeeper.seen('reach.far'::regclass, 'reach', ${name}) as seen`)[0]?.seen
    expect(await seen('other')).toEqual({
      asOf: null,
      heldBackBy: null,
      inputs: { because: 'it reads the foreign table reach.abroad' },
    })
    expect(await seen('far')).toMatchObject({ heldBackBy: 'reach.old' })
  })

  test('and only tables, types and functions in C that are immutable is of this moment', async () => {
    await sql`create or replace function reach.plain(int) returns int language internal immutable strict as 'int4abs'`
    expect(await filled(`select reach.plain(n) as n, 'good'::reach.mood as mood from reach.t`)).toEqual({
      asOld: false,
      unknown: false,
      by: null,
      because: null,
    })
  })
})
