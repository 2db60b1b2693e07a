import { describe, expect, test } from 'vitest'
import { refresh } from '../../../../src/run/refresh.ts'
import type { Problem } from '../../../../src/words/problem.ts'
import { describeInCatalog } from '../../../support/catalog/catalog.ts'
import { counts } from '../../../support/counts.ts'
import { deep, eachCase } from '../../../support/deep.ts'
import { killClientWhen } from '../../../support/processes/killed-client.ts'
import { callOn, readersOf, useDatabase } from '../../../support/servers/database.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../../support/views/slow-view.ts'
import { untilToldToComeBack } from '../../../support/waiting/told.ts'
import { until } from '../../../support/waiting/until.ts'

const { database, sql, url, as } = useDatabase()
const suffix = url.slice(-8)
const role = (name: string) => `${name}_${suffix}`
/** Readers that never pause may keep an exchange waiting for long. */
const call = (changes = {}) => callOn(database, changes)
const swap = (view: string, options = {}) => refresh({ view, strategy: 'swap', ...options }, call())

/** A tablespace inside the data folder, for tests; it belongs to the whole server. */
async function placeTablespace(name: string): Promise<void> {
  const session = await sql.reserve()
  await session`set allow_in_place_tablespaces = on`
  await session.unsafe(`create tablespace ${name} location ''`)
  session.release()
}

describe('a swap', () => {
  test('renews the data and leaves the rest of the catalog exactly as it was', async () => {
    const [owner, reader, granter, stranger] = ['owner', 'reader', 'granter', 'stranger'].map(role)
    const tablespace = role('elsewhere')
    await placeTablespace(tablespace)
    await sql.unsafe(`
      create role ${owner}; create role ${reader}; create role ${granter}; create role ${stranger};
      create extension if not exists pg_trgm;
      create schema "Odd Schema";
      grant all on schema "Odd Schema" to ${owner}, ${reader}, ${granter}, ${stranger};
      create table "Odd Schema".base (id integer, grp text, body text, n numeric, tenant text);
      grant all on "Odd Schema".base to ${owner}, ${stranger};
      insert into "Odd Schema".base select i, 'g' || i % 10, repeat('x', i), i / 3.0, 't' || i % 2 from generate_series(1, 500) i;
      create materialized view "Odd Schema"."It's ""odd""" with (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled = off) as
        with c as (select * from "Odd Schema".base) select id, grp, body, n, grp || ';--' as "strange col", tenant from c`)
    const view = `"Odd Schema"."It's ""odd"""`
    await sql.unsafe(`
      alter materialized view ${view} owner to ${owner};
      create unique index "by Id" on ${view} (id) include (grp);
      create unique index odd_nulls on ${view} (id, "strange col") nulls not distinct where id > 0;
      create index odd_expr on ${view} (lower(grp) collate "C" desc nulls last, (n + 1));
      create index odd_trgm on ${view} using gin (body gin_trgm_ops) with (fastupdate = off);
      create index odd_pattern on ${view} (grp text_pattern_ops) with (fillfactor = 50);
      create index odd_hash on ${view} using hash (grp);
      create index odd_brin on ${view} using brin (id) with (pages_per_range = 4);
      alter index "Odd Schema".odd_expr alter column 2 set statistics 77;
      alter materialized view ${view} set tablespace ${tablespace};
      alter index "Odd Schema".odd_brin set tablespace ${tablespace};
      grant create on tablespace ${tablespace} to ${owner};
      alter materialized view ${view} cluster on "by Id";
      comment on index "Odd Schema"."by Id" is 'it''s the "key" \\ backslash';
      comment on materialized view ${view} is 'a ''comment''; with $$ and $viewkeeper$ in it';
      comment on column ${view}."strange col" is 'strange';
      alter materialized view ${view} alter column body set storage external;
      alter materialized view ${view} alter column body set compression pglz;
      alter materialized view ${view} alter column grp set statistics 500;
      alter materialized view ${view} alter column grp set (n_distinct = 10);
      create statistics "Odd Schema"."Stat 1" (ndistinct, dependencies) on grp, tenant from ${view};
      create statistics "Odd Schema".stat_2 (mcv) on (lower(grp)), tenant from ${view};
      alter statistics "Odd Schema".stat_2 set statistics 55;
      alter statistics "Odd Schema".stat_2 owner to ${stranger};
      comment on statistics "Odd Schema"."Stat 1" is 'about groups';
      grant select on ${view} to ${granter} with grant option;
      grant select (id, "strange col") on ${view} to ${reader};
      grant update (grp) on ${view} to ${reader} with grant option;
      grant select on ${view} to public;
      revoke update on ${view} from ${owner};
      set role ${granter};
      grant select on ${view} to ${stranger};
      grant select on ${view} to ${reader} with grant option;
      reset role;
      set role ${reader};
      grant select on ${view} to ${stranger};
      reset role;
      create view "Odd Schema".plain with (security_barrier = true) as select id, "strange col" from ${view} where id > 10;
      create view "Odd Schema".invoker with (security_invoker = true) as select * from ${view};
      create view "Odd Schema".both_of_them as select p.id, v.grp from "Odd Schema".plain p join ${view} v using (id);
      alter view "Odd Schema".plain owner to ${stranger};
      comment on view "Odd Schema".plain is 'stays';
      grant select on "Odd Schema".plain to ${reader};
      create rule no_insert as on insert to "Odd Schema".plain do instead nothing;
      create function "Odd Schema".quiet() returns trigger language plpgsql as 'begin return null; end';
      create trigger on_update instead of update on "Odd Schema".invoker for each row execute function "Odd Schema".quiet();
      alter default privileges in schema "Odd Schema" grant insert, select on tables to ${stranger};
      create function "Odd Schema".stringy() returns bigint language sql as 'select count(*) from ${view.replaceAll("'", "''")}';
      insert into "Odd Schema".base values (501, 'new', 'new', 1, 't')`)
    const before = await describeInCatalog(sql, view)
    const result = await swap(view, {})
    expect(result).toMatchObject({
      status: 'updated',
      response: { strategy: 'swap', rowCountAfter: 501 },
    })
    expect(await describeInCatalog(sql, view)).toEqual(before)
    expect(await sql.unsafe(`select count(*)::int as n from ${view}`)).toEqual([{ n: 501 }])
    expect(await sql.unsafe('select count(*)::int as n from "Odd Schema".both_of_them')).toEqual([{ n: 491 }])
    expect(await sql.unsafe('select "Odd Schema".stringy()::int as n')).toEqual([{ n: 501 }])
    expect((await swap(view)).status).toBe('updated')
    expect(await describeInCatalog(sql, view)).toEqual(before)
  })

  test('gives the shadow no default privileges, neither of the owner nor of our role', async () => {
    const [owner, friend, guest] = ['owner', 'friend', 'guest'].map((name) => role(`default_${name}`))
    await sql.unsafe(`
      create role ${owner}; create role ${friend}; create role ${guest};
      create schema defaults authorization ${owner};
      create table defaults.base as select 1 as id;
      grant select on defaults.base to ${owner};
      create materialized view defaults.one as select * from defaults.base;
      alter materialized view defaults.one owner to ${owner};
      alter default privileges for role ${owner} in schema defaults grant update on tables to ${friend};
      alter default privileges in schema defaults grant insert on tables to ${guest}, public`)
    const before = await describeInCatalog(sql, 'defaults.one')
    expect(await swap('defaults.one')).toMatchObject({ status: 'updated', response: { strategy: 'swap' } })
    expect(await describeInCatalog(sql, 'defaults.one')).toEqual(before)
  })

  describe('of a view whose privileges nobody has touched', () => {
    const [owner, guest, app] = ['untouched_owner', 'untouched_guest', 'untouched_app'].map(role)
    /** The privileges on the view and its columns, as the catalog keeps them. */
    const kept = async () => {
      const [row] = await sql`
        select c.relacl::text as view, to_jsonb(array(select a.attacl::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 order by a.attnum)) as columns,
               has_table_privilege(${guest as string}, c.oid, 'select') as "guestReads",
               (select count(*)::int from pg_namespace where nspname like 'viewkeeper\\_%') as "schemasLeft"
          from pg_class c where c.oid = 'untouched.one'::regclass`
      return row
    }
    const nothing = { view: null, columns: [null, null], guestReads: false, schemasLeft: 0 }
    const make = async (more = '') => {
      await sql.unsafe(`
        do $$ begin if to_regrole('${owner}') is null then
          create role ${owner}; create role ${guest}; create role ${app} login password 'secret'; grant ${owner} to ${app};
          grant usage on schema viewkeeper to ${app}; grant all on all tables in schema viewkeeper to ${app};
        end if; end $$;
        drop schema if exists untouched cascade; create schema untouched authorization ${owner};
        set role ${owner};
        create materialized view untouched.one as select i as id, i % 2 as odd from generate_series(1, 9) i;
        create unique index one_key on untouched.one (id);
        create view untouched.above as select id from untouched.one;
        ${more};
        reset role`)
      return describeInCatalog(sql, 'untouched.one')
    }
    const ofSchema = `alter default privileges in schema untouched grant select, insert on tables to ${guest}`

    test('leaves them untouched under default privileges of the schema, also on columns', async () => {
      const before = await make(ofSchema)
      for (const _ of [1, 2]) {
        expect(await swap('untouched.one')).toMatchObject({ status: 'updated' })
        expect(await kept()).toEqual(nothing)
        expect(await describeInCatalog(sql, 'untouched.one')).toEqual(before)
      }
    })

    test.each(['', ofSchema])('leaves them untouched if only columns have privileges; %s', async (more) => {
      const before = await make(`grant select (odd) on untouched.one to ${guest}; ${more}`)
      expect(await swap('untouched.one')).toMatchObject({ status: 'updated' })
      expect(await kept()).toMatchObject({
        view: null,
        columns: [null, expect.stringContaining(guest as string)],
      })
      expect(await describeInCatalog(sql, 'untouched.one')).toEqual(before)
    })

    test('writes the same privileges down if the login may not make schemas', async () => {
      await make(ofSchema)
      const result = await refresh(
        { view: 'untouched.one', strategy: 'swap' },
        callOn(as(app as string).database),
      )
      expect(result).toMatchObject({ status: 'updated' })
      expect(await kept()).toMatchObject({
        view: expect.stringMatching(/^\{\w+=\w+\/\w+\}$/),
        guestReads: false,
      })
    })

    test('writes the same privileges down under default privileges of every schema, which nothing prevents', async () => {
      await make(`alter default privileges grant select on tables to ${guest}`)
      expect(await swap('untouched.one')).toMatchObject({ status: 'updated' })
      await sql.unsafe(`alter default privileges for role ${owner} revoke select on tables from ${guest}`)
      expect(await kept()).toMatchObject({
        view: expect.stringMatching(/^\{\w+=\w+\/\w+\}$/),
        guestReads: false,
      })
    })
  })

  test('works for a role that is no superuser but a member of all the owners', async () => {
    const [boss, other, app] = ['boss', 'other', 'app'].map(role)
    await sql.unsafe(`
      create role ${boss}; create role ${other}; create role ${app} login password 'secret';
      grant ${boss}, ${other} to ${app};
      create schema shop; grant all on schema shop to ${boss}, ${other};
      grant usage on schema viewkeeper to ${app}; grant all on all tables in schema viewkeeper to ${app};
      create table shop.orders as select i as id, i % 2 as tenant from generate_series(1, 90) i;
      alter table shop.orders enable row level security;
      create policy one_tenant on shop.orders to ${boss} using (tenant = 1);
      grant select on shop.orders to ${boss};
      create materialized view shop.sales as select * from shop.orders with no data;
      alter materialized view shop.sales owner to ${boss};
      refresh materialized view shop.sales;
      create statistics shop.stat on id, tenant from shop.sales;
      alter statistics shop.stat owner to ${other};
      grant select on shop.sales to ${other} with grant option;
      create view shop.top with (security_invoker = true) as select * from shop.sales where id > 5;
      alter view shop.top owner to ${other}`)
    const before = await describeInCatalog(sql, 'shop.sales')
    const result = await refresh({ view: 'shop.sales' }, callOn(as(app as string).database))
    // Row security still applies to the owner, who sees one tenant. A superuser would see both.
    expect(result).toMatchObject({
      status: 'updated',
      response: { strategy: 'swap', rowCountAfter: 45 },
    })
    expect(await describeInCatalog(sql, 'shop.sales')).toEqual(before)
    expect((await swap('shop.sales', {})).response.rowCountAfter).toBe(45)
    expect(await describeInCatalog(sql, 'shop.sales')).toEqual(before)
  })

  eachCase(
    [
      ['a row type in a column', 'create table %d (v %v)', /column v of table public\.dep/],
      [
        'a row type that a function with a parsed body returns',
        'create function %d() returns setof %v begin atomic select * from %v; end',
        /function public\.dep\(\)/,
      ],
      ['a row type that a plain view shows', 'create view %d as select v from %v v', /view public\.dep/],
      [
        'a function with a parsed body',
        'create function %d() returns bigint begin atomic select count(*) from %v; end',
        /function public\.dep\(\)/,
      ],
      [
        'a policy',
        'create table %d (id integer); create policy p on %d using (id in (select id from %v))',
        /policy p on table public\.dep/,
      ],
      [
        'a rule on a table',
        'create table %d (id integer); create rule r as on insert to %d do also select * from %v',
        /rule r on table public\.dep/,
      ],
    ],
    { quick: 3 },
  )('is refused because of %s, by name, and auto picks another strategy', async (_, statement, named) => {
    await sql.unsafe(
      'drop materialized view if exists blocked cascade; drop table if exists dep cascade; drop routine if exists dep',
    )
    await sql.unsafe('create materialized view blocked as select 1 as id')
    await sql.unsafe(statement.replaceAll('%d', 'dep').replaceAll('%v', 'blocked'))
    expect(await swap('blocked')).toMatchObject({
      status: 'error',
      error: { class: 'SwapImpossible', message: expect.stringMatching(named) },
    })
    const auto = await refresh({ view: 'blocked' }, call())
    expect(auto).toMatchObject({
      status: 'updated',
      response: { strategy: 'regular', because: expect.stringMatching(named) },
    })
  })

  test.each([
    ['an index', "create index on selfish ((id + 'selfish'::regclass::oid::int8))"],
    ['statistics', "create statistics selfish_s on (id + 'selfish'::regclass::oid::int8), n from selfish"],
  ])('is refused before the fill if %s names the view itself, and leaves nothing', async (_, made) => {
    await sql.unsafe(`
      drop materialized view if exists selfish; drop sequence if exists fills; create sequence fills;
      create materialized view selfish as select nextval('fills') as id, 1 as n; ${made}`)
    const before = await describeInCatalog(sql, 'selfish')
    expect(await swap('selfish')).toMatchObject({ status: 'error', error: { class: 'SwapImpossible' } })
    expect(await describeInCatalog(sql, 'selfish')).toEqual(before)
    expect(await sql`select last_value::int from fills`).toEqual([{ last_value: 1 }])
  })

  eachCase(
    [
      ['an index', 'create index late on altered (id)'],
      ['a comment', "comment on materialized view altered is 'late'"],
      ['a view that reads it', 'create view late_view as select * from altered'],
      ['a rename', 'alter materialized view altered rename to altered_elsewhere'],
    ],
    { quick: 1 },
  )('that meets %s made during the rebuild exchanges nothing, and reports it', async (_, statement) => {
    await sql.unsafe(`
      drop materialized view if exists altered cascade; drop materialized view if exists altered_elsewhere cascade;
      drop function if exists altered_gate cascade`)
    await makeGatedView(sql, 'altered')
    const result = await withGateClosed(sql, 'altered', async (open) => {
      const answer = swap('altered')
      await untilAtGate(sql, 'altered')
      await sql.unsafe(statement)
      await open()
      return answer
    })
    expect(result).toMatchObject({ status: 'error', error: { class: 'CatalogChanged' } })
    const leftovers = await sql`select relname from pg_class where relname like 'viewkeeper\\_%'`
    expect(leftovers).toEqual([])
    const name = statement.includes('rename') ? 'altered_elsewhere' : 'altered'
    expect(await swap(name)).toMatchObject({ status: 'updated' })
  })

  test(
    'again and again under readers of every kind never gives them an error or an empty view',
    deep,
    async () => {
      await sql.unsafe(`
      create table pool (id integer, n integer);
      insert into pool select i, 0 from generate_series(1, 300) i;
      create materialized view watched as select * from pool;
      create unique index watched_key on watched (id);
      create view through as select * from watched where id > 0`)
      let stop = false
      const seen: number[] = []
      const reader = async (query: string, setUp = 'select 1') => {
        const own = readersOf(url)
        const session = await own.reserve()
        await session.unsafe(setUp)
        while (!stop) {
          const [row] = await session.unsafe(query, [], { prepare: true })
          seen.push(row?.n)
        }
        await session.unsafe('rollback').catch(() => {})
        session.release()
        await own.end()
      }
      const readers = [
        reader('select count(*)::int as n from watched'),
        reader('select count(*)::int as n from through'),
        reader('select count(*)::int as n from watched join through using (id)'),
        snapshots(),
      ]
      async function snapshots() {
        const own = readersOf(url)
        while (!stop) {
          await own.begin('isolation level repeatable read', async (transaction) => {
            await transaction`select 1`
            for (let i = 0; i < 5 && !stop; i++)
              seen.push((await transaction`select count(*)::int as n from watched`)[0]?.n)
          })
        }
        await own.end()
      }
      for (let i = 0; i < counts.swapsUnderReaders; i++) {
        await sql`update pool set n = n + 1`
        expect(await swap('watched')).toMatchObject({ status: 'updated' })
      }
      stop = true
      await Promise.all(readers)
      expect(seen.length).toBeGreaterThan(counts.swapsUnderReaders * 4)
      expect(seen.filter((n) => n !== 300)).toEqual([])
      expect(await sql`select min(n)::int as n from watched`).toEqual([{ n: counts.swapsUnderReaders }])
    },
  )

  test(
    'whose server process is terminated at any moment leaves the old view or the new view, and nothing else',
    deep,
    async () => {
      await sql.unsafe(`
      create materialized view shaken as select i as id, repeat('x', 100) as pad from generate_series(1, 20000) i;
      create unique index shaken_key on shaken (id); create index shaken_pad on shaken (pad);
      comment on materialized view shaken is 'firm'; grant select on shaken to public;
      create statistics shaken_stat on id, pad from shaken;
      create view above_shaken as select * from shaken`)
      const before = await describeInCatalog(sql, 'shaken')
      const ends: string[] = []
      // On a quick machine most swaps are over before they are ended: the rounds go on until one was ended.
      for (let round = 0; round < counts.terminatedSwaps || !ends.includes('error'); round++) {
        let answered = false
        const answer = swap('shaken').finally(() => {
          answered = true
        })
        // If the swap is over before its process was seen, the round ends too.
        const pid = await until('the swap has its server process', async () => {
          const [row] = await sql`
          select pid from pg_stat_activity
           where application_name like 'viewkeeper run %' and datname = current_database()`
          return (row?.pid as number | undefined) ?? (answered ? -1 : undefined)
        })
        await sql`select pg_sleep(random() * 0.15), pg_terminate_backend(${pid}) where ${pid} > 0`
        // A process that ends before it has recorded the run leaves nothing to answer with.
        const end = await answer.catch((problem: Problem) => ({ status: problem.code }))
        ends.push(end.status)
        expect(await describeInCatalog(sql, 'shaken'), `round ${round}`).toEqual(before)
      }
      expect(ends).toContain('error')
      expect(['updated', 'error', 'DatabaseUnavailable']).toEqual(expect.arrayContaining(ends))
      expect(await swap('shaken')).toMatchObject({ status: 'updated' })
    },
  )

  test.each(['building', 'exchange'] as const)(
    'succeeds if its client is killed in %s',
    deep,
    async (when) => {
      const name = `killed_${when.replace('-', '_')}`
      await makeGatedView(sql, name)
      const before = await describeInCatalog(sql, name)
      if (when === 'building') {
        await withGateClosed(sql, name, async (open) => {
          await killClientWhen(url, { view: name, strategy: 'swap' }, () => untilAtGate(sql, name))
          await open()
          await untilSuccess(name)
        })
      } else {
        const reader = await sql.reserve()
        await reader`begin`
        await reader.unsafe(`select * from ${name}`)
        await killClientWhen(url, { view: name, strategy: 'swap' }, () => untilToldToComeBack(sql))
        await reader`commit`
        reader.release()
        await untilSuccess(name)
      }
      expect(await describeInCatalog(sql, name)).toEqual(before)
    },
  )
})

const untilSuccess = (view: string) =>
  until(`a run of ${view} succeeds`, async () => {
    const [run] =
      await sql`select status from viewkeeper.runs where view_name = ${view} order by id desc limit 1`
    return run?.status === 'success'
  })
