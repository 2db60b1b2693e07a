import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { fromUrl } from '../../../../src/keeper/database-url.ts'
import { readLasting } from '../../../../src/record/watch/looks.ts'
import type { Result } from '../../../../src/run/call.ts'
import { create } from '../../../../src/run/create.ts'
import { refresh } from '../../../../src/run/refresh.ts'
import { connectTo } from '../../../../src/server/connect.ts'
import { eachCase } from '../../../support/deep.ts'
import { define } from '../../../support/record/rows.ts'
import { callOn, useDatabase } from '../../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../../support/views/batches.ts'
import { holdLocks } from '../../../support/waiting/holder.ts'
import { until } from '../../../support/waiting/until.ts'

const { sql, url, as } = useDatabase()
const suffix = url.slice(-8)
const [owner, shop, login] = [`owner_${suffix}`, `shop_${suffix}`, `login_${suffix}`]
const { database } = as(login)
/** Any refresh locks readers out no longer than this, so groups are refreshed in place. */
const inPlace = connectTo(fromUrl(as(login).url), { regularUpToMs: 86_400_000 })

// Neither our login nor the owner of the views may read, or even find, a table: the owner of the plain views may.
beforeAll(async () => {
  await sql.unsafe(`
    create role ${owner}; create role ${shop}; create role ${login} login password 'secret';
    grant ${owner}, ${shop} to ${login}; grant pg_read_all_stats to ${login};
    grant usage, create on schema public to ${owner}; grant create on database ${new URL(url).pathname.slice(1)} to ${login}, ${owner};
    grant usage on schema viewkeeper to ${login};
    grant select, insert, update, delete on all tables in schema viewkeeper to ${login};
    create schema shop authorization ${shop}; grant usage on schema shop to ${owner};
    set role ${shop};
    create table shop.plain (id int); create table shop.whole (id int) partition by range (id);
    create table shop.part partition of shop.whole for values from (0) to (100);
    create table shop.above (id int); create table shop.heir () inherits (shop.above);
    create table shop.counted (id int);
    create function shop.numbers() returns setof int language sql stable security definer begin atomic select id from shop.counted; end;
    create table shop.allowed (id int); create table shop.guarded (id int);
    create table shop.summed (id int);
    create function shop.plus_summed(int, int) returns int language sql stable security definer begin atomic select $1 + count(*)::int from shop.summed; end;
    create aggregate shop.sum_of(int) (sfunc = shop.plus_summed, stype = int, initcond = '0');
    create table shop.checked (id int);
    create function shop.is_full() returns boolean language sql stable security definer begin atomic select count(*) = 9 from shop.checked; end;
    create domain shop.full_id as int check (shop.is_full());
    create table shop.cast_by (id int);
    create type shop.number as (n int);
    create function shop.to_number(int) returns shop.number language sql stable security definer begin atomic select row(max(id))::shop.number from shop.cast_by where id <= $1; end;
    create cast (int as shop.number) with function shop.to_number(int);
    reset role; alter table shop.guarded owner to postgres; alter table shop.guarded enable row level security;
    create policy allowed on shop.guarded using (id in (select id from shop.allowed));
    grant select on shop.guarded to ${shop};
    insert into shop.guarded select generate_series(1, 9);
    set role ${shop};
    create view shop.below as select id from shop.plain;
    create view shop.plains as select id from shop.below;
    create view shop.parts as select id from shop.whole;
    create view shop.heirs as select id from shop.above;
    create view shop.called as select n as id from shop.numbers() n;
    create view shop.rows as select id from shop.guarded;
    create view shop.summing as select generate_series(1, shop.sum_of(n)) as id from (values (1)) one(n);
    create view shop.checking as select n::shop.full_id::int as id from generate_series(1, 9) n;
    create view shop.casting as select n as id from generate_series(1, 9) n where (n::shop.number).n is not null;
    grant select on all tables in schema shop to ${owner};
    revoke select on shop.plain, shop.below, shop.whole, shop.part, shop.above, shop.heir, shop.counted, shop.allowed, shop.summed, shop.checked, shop.cast_by from ${owner};
    reset role`)
  await define(sql, 'public.mv', { sql: 'select id from shop.plains' })
})

/** The tables that are loaded, and the plain view through which a materialized view reads each. */
const reads: [table: string, through: string][] = [
  ['plain', 'plains'],
  ['part', 'parts'],
  ['heir', 'heirs'],
  ['counted', 'called'],
  ['allowed', 'rows'],
  ['summed', 'summing'],
  ['checked', 'checking'],
  ['cast_by', 'casting'],
]

beforeEach(async () => {
  for (const [table] of reads)
    await sql.unsafe(`truncate shop.${table}; insert into shop.${table} select generate_series(1, 9)`)
})

const make = (view: string, from: string) =>
  sql.unsafe(`
    drop materialized view if exists ${view} cascade; create materialized view ${view} as select id from ${from};
    create unique index on ${view} (id); alter materialized view ${view} owner to ${owner}`)

const rowsOf = async (view: string) => (await sql.unsafe(`select from ${view}`)).length

/** Empties and loads a table in one transaction, which ends once what `run` does waits for it. */
async function whileLoaded<T>(table: string, run: () => Promise<T>): Promise<T> {
  const load = await holdLocks(
    url,
    `truncate shop.${table}; insert into shop.${table} select generate_series(1, 9)`,
  )
  const ended = run()
  await until('a run waits for the load', async () => {
    const waiting = await sql`
      select from pg_stat_activity a join pg_locks l using (pid)
       where a.datname = current_database() and a.application_name like 'viewkeeper%' and not l.granted
         and ${load.pid} = any (pg_blocking_pids(a.pid))`
    return waiting.length > 0
  })
  // Whoever waits for a minute is told.
  await until('the wait is seen', async () => (await readLasting(sql, '0 s')).waits.length > 0)
  await load.commit()
  return ended
}

const expectWhole = async (result: Result) => {
  expect(result.error).toBeUndefined()
  expect(await rowsOf('mv')).toBe(9)
}

describe('a view is never filled from a table that somebody is just loading', () => {
  eachCase(
    (['swap', 'regular', 'concurrent'] as const).flatMap((strategy) =>
      reads.map(([table, through]) => ({ strategy, table, through })),
    ),
    { quick: 2 },
  )('$strategy, through $through', async ({ strategy, table, through }) => {
    await make('mv', `shop.${through}`)
    await expectWhole(
      await whileLoaded(table, () => refresh({ view: 'mv', strategy, force: true }, callOn(database))),
    )
  })

  test('nor on a server without XML', async () => {
    const signature = 'pg_catalog.table_to_xmlschema(regclass, boolean, boolean, text)'
    await sql.unsafe(`
      alter function ${signature} rename to with_xml;
      create function ${signature} returns xml language plpgsql as $$ begin raise feature_not_supported; end $$`)
    await make('mv', 'shop.heirs')
    const run = () => refresh({ view: 'mv', strategy: 'regular', force: true }, callOn(database))
    await expectWhole(
      await whileLoaded('heir', run).finally(() =>
        sql.unsafe(
          `drop function ${signature}; alter function pg_catalog.with_xml rename to table_to_xmlschema`,
        ),
      ),
    )
  })

  test('nor when it is made', async () => {
    await sql`drop materialized view if exists mv cascade`
    await define(sql, 'public.mv', { owner })
    await expectWhole(await whileLoaded('plain', () => create({ view: 'public.mv' }, callOn(database))))
  })

  eachCase(
    [
      ['by shadows', database, 'swap'],
      ['where it is', inPlace, 'regular'],
    ] as const,
    { quick: 1 },
  )('nor in a group of a batch that is refreshed %s', async (_, by, strategy) => {
    await make('mv', 'shop.plains')
    await make('reader', 'mv')
    const views = ['public.mv', 'public.reader']
    for (const view of views) await define(sql, view, { sql: 'select 1', refresh_strategy: 'auto' })
    // Then it is known how long each takes.
    await advanceToEnd(by, await begin(by, { views }))
    const batchId = await begin(by, { views })
    await whileLoaded('plain', () => advanceToEnd(by, batchId))
    expect([await rowsOf('mv'), await rowsOf('reader')]).toEqual([9, 9])
    const runs =
      await sql`select distinct status, meta #>> '{response,strategy}' as strategy from viewkeeper.runs where batch_id = ${batchId}`
    expect(runs).toEqual([{ status: 'success', strategy }])
  })
})
