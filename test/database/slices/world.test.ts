import { beforeAll, expect, test } from 'vitest'
import { useDatabase } from '../../support/servers/database.ts'

const { sql } = useDatabase()

beforeAll(() =>
  sql.unsafe(`
    create schema app; create schema other;
    create type app.mood as enum ('good');
    create type app.pair as (a int);
    create domain app.few as int check (value < 10);
    create table app.row (a int);
    create collation app.sorted from "C";
    create function app.plus(int, int) returns int language sql immutable begin atomic select $1 + $2; end;
    create operator app.|+| (leftarg = int, rightarg = int, function = app.plus);
    create aggregate app.total(int) (sfunc = app.plus, stype = int, initcond = '0');
    create function app.of_mood(app.mood) returns int language sql immutable begin atomic select 1; end;
    create cast (app.mood as int) with function app.of_mood(app.mood);
    create function app.noted() returns trigger language plpgsql as 'begin return null; end';
    create table app.t (id int primary key, m app.mood, p app.pair, f app.few, r app.row, s text collate app.sorted, d int default 1);
    create trigger noted after insert on app.t for each statement execute function app.noted();
    create table app.parts (id int) partition by list (id);
    create table app.part partition of app.parts for values in (1);
    create table app.grand (id int);
    create table app.elder () inherits (app.grand);
    create table app.heir () inherits (app.elder);
    create view app.inner_one as select id from app.part;
    create materialized view app.below as select id from app.t;
    create unique index on app.below (id);
    create table app.log (id int primary key);
    create view app.v as
      select t.id operator(app.|+|) 1 as n, t.m::int as mood, app.total(t.d) as total, t.p, t.f, t.r, t.s
        from app.t join app.inner_one i using (id) join app.elder e using (id) join app.below b using (id) group by t.id;
    create publication everything for all tables;
    create table other.away (id int)`),
)

const world = async () =>
  (
    await sql.unsafe<[{ text: string }]>(
      `select viewkeeper.world('app.v'::regclass, array['app.log'::regclass::oid], true)::text as text`,
    )
  )[0].text
const after = async (change: string) => {
  const before = await world()
  await sql.unsafe(change)
  const [row] = await sql<[{ changed: string | null }]>`
    select viewkeeper.changed(${before}::text::jsonb, ${await world()}::text::jsonb) as changed`
  return row.changed
}

test.each([
  ['table app.t', 'alter table app.t add column more int'],
  ['table app.t', 'alter table app.t rename more to less'],
  ['table app.t', 'alter table app.t alter less set default 7'],
  ['table app.t', 'truncate app.t'],
  ['table app.t', 'alter table app.t disable trigger noted; alter table app.t enable trigger noted'],
  [
    'table app.t',
    `create or replace function app.noted() returns trigger language plpgsql as 'begin return new; end'`,
  ],
  ['table app.t', 'drop trigger noted on app.t'],
  ['table app.t', 'create rule less as on insert to app.t do instead nothing'],
  ['table app.t', 'create policy none on app.t using (false)'],
  ['table app.t', 'create publication one for table app.t'],
  [
    'table app.parts',
    'create table app.under (id int) partition by list (id); alter table app.parts detach partition app.part; alter table app.under attach partition app.part for values in (1)',
  ],
  [
    'table app.parts',
    'alter table app.under detach partition app.part; alter table app.parts attach partition app.part for values in (1)',
  ],
  [
    'table app.parts',
    'create trigger noted after insert on app.parts for each statement execute function app.noted()',
  ],
  [
    'table app.grand',
    'create trigger noted after insert on app.grand for each statement execute function app.noted()',
  ],
  ['table app.heir', 'alter table app.heir add column more int'],
  ['table app.elder', 'create table app.child () inherits (app.elder)'],
  ['view app.inner_one', 'create or replace view app.inner_one as select id from app.part where id > 0'],
  ['view app.inner_one', 'alter view app.inner_one set (security_barrier)'],
  ['materialized view app.below', 'refresh materialized view app.below'],
  ['materialized view app.below', 'refresh materialized view concurrently app.below'],
  ['type app.mood', `alter type app.mood add value 'bad'`],
  ['type app.mood', `alter type app.mood rename value 'good' to 'fine'`],
  ['type app.pair', 'alter type app.pair rename attribute a to b'],
  ['type app."row"', 'alter table app.row add column b int'],
  ['type app.few', 'alter domain app.few add check (value <> 3)'],
  ['collation app.ordered', 'alter collation app.sorted rename to ordered'],
  [
    'function app.plus(integer,integer)',
    'create or replace function app.plus(int, int) returns int language sql immutable begin atomic select $1 - $2; end',
  ],
  ['function app.of_mood(app.mood)', 'alter function app.of_mood(app.mood) stable'],
  [
    'aggregate app.total(integer)',
    'create or replace aggregate app.total(int) (sfunc = app.plus, stype = int, initcond = 1)',
  ],
  ['table app.log', 'truncate app.log'],
  ['table app.log', 'drop table app.log; create table app.log (id int primary key)'],
  [
    'table pg_catalog.pg_subscription_rel',
    `create subscription s connection 'dbname=none' publication p with (connect = false);
     insert into pg_subscription_rel (srsubid, srrelid, srsubstate) select oid, 'app.t'::regclass, 'r' from pg_subscription where subname = 's';
     alter subscription s set (slot_name = none); drop subscription s; select pg_stat_force_next_flush()`,
  ],
  ['setting TimeZone', `set timezone = 'Asia/Tokyo'`],
  [
    'setting IntervalStyle',
    `set intervalstyle = 'iso_8601'; set viewkeeper.login_settings = '{"IntervalStyle": "sql_standard"}'`,
  ],
])('the world of a view names %s after %s', async (what, change) => {
  expect(await after(change)).toBe(`${what} has changed`)
})

test('nothing has changed after what others do elsewhere, and after what a server does by itself', async () => {
  for (const change of [
    `create type other.kind as enum ('a'); create type other.pair as (a int); alter table other.away add column b int`,
    'create function other.f() returns int language sql as $$ select 1 $$',
    'insert into app.t (id) values (1); update app.t set d = 2; delete from app.t',
    'analyze app.t',
    'vacuum app.t',
    'create index on app.t (d)',
    'reindex table app.t',
    'insert into app.log values (1); delete from app.log',
  ])
    expect([change, await after(change)]).toEqual([change, null])
})
