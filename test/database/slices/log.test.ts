import { beforeAll, describe, expect, test } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { readView } from '../../../src/record/definitions/look.ts'
import { readKnown } from '../../../src/record/runs/known-slices.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Sql } from '../../../src/server/database.ts'
import { readLogged } from '../../../src/slices/db/kept.ts'
import { planLog, whyNoLog } from '../../../src/slices/db/log.ts'
import { type ChangeLog, makeLog } from '../../../src/slices/plan/log.ts'
import { readsOfProof } from '../../../src/slices/plan/trust.ts'
import { deep } from '../../support/deep.ts'
import { administrator, callOn, useDatabase } from '../../support/servers/database.ts'
import { countedWay } from '../../support/servers/wire.ts'
import { fillByLog } from '../../support/slices/by-log.ts'
import { makeKept } from '../../support/slices/kept-table.ts'
import { endProcess } from '../../support/views/slow-view.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()
/** So many of them compute some slices; how many others there are, depends on how often the writers get a turn. */
const refreshes = process.env.SOAK === 'true' ? 1500 : 60
const name = { schema: 'public', name: 'sales' }

beforeAll(async () => {
  await sql.unsafe(`
    create table sellers (id int primary key); insert into sellers select generate_series(0, 200);
    create table orders (id bigint generated always as identity, region int not null, day date, product int, amount int,
      seller int references sellers on delete cascade on update set null) partition by list (region);
    create table orders_1 partition of orders for values in (1);
    create table orders_2 partition of orders for values in (2);
    create index on orders (day); create index on orders (product);
    create table products (id int primary key, kind text);
    insert into products select i, 'kind ' || i % 3 from generate_series(1, 9) i;
    insert into orders (region, day, product, amount, seller) select 1 + i % 2, case when i % 50 > 0 then date '2026-01-01' + i % 30 end, 1 + i % 9, i, i % 200 from generate_series(1, 600) i;
    ${makeKept('sales', `select o.day, p.kind, count(*) as orders, sum(o.amount) as amount from orders o join products p on p.id = o.product group by o.day, p.kind`)}; insert into sales table sales_query`)
})

/** By what a refresh knows that the proof of the log holds as it did; null: there is no log. */
const standsOn = async (part: Sql) => {
  const view = await readView(part, name)
  const logged = await readLogged(part, name)
  if (logged === null) return null
  const query = view.query as number
  const logs = logged.parts.map(({ log }) => log)
  const known = await readKnown(part, view, {
    query,
    logs,
    proof: readsOfProof(name, ''),
    finds: 'null::jsonb',
  })
  return [known?.text, known?.proof]
}

const readLog = async (): Promise<ChangeLog> => {
  return database.withConnection(async (own) => planLog(own, await readView(own, name), 'day'))
}

test('a log is made, and believed only as long as it is exactly that', async () => {
  const log = await readLog()
  expect(log).toMatchObject({ by: 'day' })
  expect(
    log.tables.map(({ key, joined, relations }) => [key, joined, relations.map((each) => each.name)]),
  ).toEqual([
    [
      { column: 'day', declared: 'date', type: 'date', plain: 'date' },
      null,
      ['public.orders', 'public.orders_1', 'public.orders_2'],
    ],
    [
      { column: 'id', declared: 'integer', type: 'integer', plain: 'integer' },
      { table: expect.any(Number), column: 'product', key: 'day' },
      ['public.products'],
    ],
  ])
  expect(await whyNoLog(sql, log)).toBeUndefined()
  for (const statement of makeLog(log)) await sql.unsafe(statement)
  expect(await whyNoLog(sql, log)).toBeNull()
  for (const harm of [
    'alter table orders_1 disable trigger "public.sales_0_update"',
    'alter table orders_1 enable trigger "public.sales_0_update"',
    'drop trigger "public.sales_1_truncate" on products',
    'alter table viewkeeper_logs."public.sales_0" set unlogged',
    'alter table viewkeeper_logs."public.sales_0" enable row level security',
    'grant delete on viewkeeper_logs."public.sales_0" to pg_monitor',
    'grant select on viewkeeper_logs."public.sales_0" to public',
    'create rule r as on insert to viewkeeper_logs."public.sales_0" do instead nothing',
    'alter function viewkeeper_logs."public.sales_0"() security invoker',
    'alter function viewkeeper_logs."public.sales_0"() set search_path to public',
    'alter function viewkeeper_logs."public.sales_0"() owner to pg_monitor',
    'create or replace function viewkeeper_logs."public.sales_0"() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin return null; end $$',
    'alter table viewkeeper_logs."public.sales_0" alter column day type timestamptz',
    'alter table viewkeeper_logs."public.sales_0" owner to pg_monitor',
    'alter table viewkeeper_logs."public.sales_0" alter at set default $$3$$',
    'alter table viewkeeper_logs."public.sales_0" alter whole set default true',
    'alter table viewkeeper_logs."public.sales_0" alter whole drop not null',
    'alter table viewkeeper_logs."public.sales_0" alter day set not null',
    'alter table viewkeeper_logs."public.sales_0" add other int generated always as (1) stored',
    `alter table viewkeeper_logs."public.sales_0" add check (day <> '2026-01-02')`,
    'create unique index on viewkeeper_logs."public.sales_0" (day)',
    'alter table viewkeeper_logs."public.sales_0" replica identity default',
    'create trigger t before insert on viewkeeper_logs."public.sales_0" for each row execute function suppress_redundant_updates_trigger()',
    'create table of_mine () inherits (viewkeeper_logs."public.sales_0")',
    'drop table viewkeeper_logs."public.sales_0"; create view viewkeeper_logs."public.sales_0" as select null::date as day, false as whole, pg_current_xact_id() as at',
    'grant update (day) on viewkeeper_logs."public.sales_0" to pg_monitor',
    'grant pg_write_all_data to pg_monitor',
    'grant create on schema viewkeeper_logs to public',
    'alter function viewkeeper_logs."public.sales_0"() stable',
    'alter function viewkeeper_logs."public.sales_0"() strict',
    'alter function viewkeeper_logs."public.sales_0_forget"(pg_snapshot) security invoker',
    'grant execute on function viewkeeper_logs."public.sales_0"() to public',
    'drop function viewkeeper_logs."public.sales_0_forget"(pg_snapshot)',
    'alter table viewkeeper_logs."public.sales_1" rename id to kind',
    'alter table viewkeeper_logs."public.sales_1" drop id',
    'alter table viewkeeper_logs."public.sales_1" alter id type bigint',
    'alter table products owner to pg_monitor',
    "create subscription s connection 'dbname=none' publication p with (connect = false); insert into pg_subscription_rel (srsubid, srrelid, srsubstate) select oid, 'orders_1'::regclass, 'r' from pg_subscription where subname = 's'; select pg_stat_force_next_flush()",
  ])
    await sql
      .begin(async (part) => {
        const before = await standsOn(part as never)
        await part.unsafe(harm)
        expect([harm, await whyNoLog(part as never, log)]).toEqual([harm, expect.any(String)])
        expect([harm, await standsOn(part as never)]).not.toEqual([harm, before])
        throw new Error('undo')
      })
      .catch((error) => expect(error.message).toBe('undo'))
})

const random = <T>(among: T[]): T => among[Math.floor(Math.random() * among.length)] as T
const any = (most: number) => Math.floor(Math.random() * most)
const day = () => (any(20) === 0 ? 'null::date' : `date '2026-01-01' + ${any(30)}`)
const writes: (() => string)[] = [
  () =>
    `insert into orders (region, day, product, amount) select 1 + i % 2, ${day()}, 1 + i % 9, i from generate_series(1, ${1 + any(4)}) i`,
  () => `update orders set day = ${day()} where id % 97 = ${any(97)}`,
  () => `update orders set region = 3 - region, amount = amount + 1 where id % 211 = ${any(211)}`,
  () => `delete from orders where id % 131 = ${any(131)}`,
  () => `insert into orders_1 (region, day, product, amount) values (1, ${day()}, 2, 7)`,
  () => `update orders_2 set amount = amount + 1 where day = ${day()}`,
  () => `merge into orders o using (select ${1 + any(400)} as id) n on o.id = n.id when matched and o.amount % 2 = 0 then delete
           when matched then update set day = ${day()} when not matched then insert (region, day, product, amount) values (2, ${day()}, 3, 1)`,
  () =>
    `savepoint s; update orders set day = ${day()} where id % 7 = 1; rollback to s; delete from orders where id % 301 = ${any(301)}`,
  () => `update products set kind = kind where false`,
  () => `delete from sellers where id = ${any(200)}`,
  () => `update sellers set id = -id where id = ${any(200)}`,
]
const rare: (() => string)[] = [
  () => `update products set kind = 'kind ' || ${any(3)} where id = ${1 + any(9)}`,
  () => `truncate orders_2`,
  () =>
    `insert into orders (region, day, product, amount) select 1 + i % 2, date '2026-01-01' + i % 30, 1 + i % 9, i from generate_series(1, 300) i`,
]

/** Writes until `over`, in transactions of which some are undone, and some wait prepared for a while. */
async function write(over: () => boolean, prepared: string | null): Promise<void> {
  const session = administrator(`${url}?`)
  const [own] = [await session.reserve()]
  while (!over()) {
    const statements = Array.from({ length: 1 + any(3) }, () =>
      (any(100) === 0 ? random(rare) : random(writes))(),
    )
    const end =
      any(6) === 0
        ? 'rollback'
        : prepared !== null && any(3) === 0
          ? `prepare transaction '${prepared}'`
          : 'commit'
    // What is in each other's way, or too late for a row that has gone, is undone.
    await own.unsafe(`begin; ${statements.join(';')}; ${end}`).catch(() => own.unsafe('rollback'))
    if (end.startsWith('prepare')) {
      await own.unsafe(`${any(4) === 0 ? 'rollback' : 'commit'} prepared '${prepared}'`).catch(() => {})
    }
  }
  own.release()
  await session.end()
}

test(`${refreshes} refreshes by slices beside writers have the rows of the whole query`, deep, async () => {
  const log = await readLog()
  if ((await whyNoLog(sql, log)) === undefined) await sql.unsafe(makeLog(log).join(';'))
  let over = false
  const writers = ['one', null, null].map((prepared) => write(() => over, prepared))
  const session = await sql.reserve()
  let bySlices = 0
  try {
    while (bySlices < refreshes) {
      const filled = await fillByLog(session, log, any(8) === 0 ? 'rollback' : 'commit')
      const { different, anew, wrong } = filled
      expect({ different, wrong }).toEqual({ different: 0, wrong: 0 })
      if (anew) bySlices++
    }
  } finally {
    over = true
    await session.unsafe('rollback')
    session.release()
    await Promise.all(writers)
  }
})

const asked = async (request = {}, on = database) => refresh({ view: 'public.sales', ...request }, callOn(on))
const because = async (request = {}) => {
  const { status, error, response } = await asked(request)
  expect([status, error]).toEqual(['updated', undefined])
  return response?.because
}
const all = 'slices of day anew: '

/** Refreshes by the log, and expects the run to tell how many slices the log named, of about how many the view has. */
async function refreshesOnlyTouched() {
  const [touched] =
    await sql`select count(*)::int from (select distinct day from viewkeeper_logs."public.sales_0") t`
  const told = await because()
  const [slices, ms] = told?.split('; all of them took ') ?? []
  expect(slices?.replace(/of about \d+ slices/, 'slices')).toBe(
    `computes ${touched?.count} slices of day anew, those that changes have touched, also those of joined tables`,
  )
  expect(ms).toMatch(/^\d[\d.]* s; \d+ rows? written$/)
  // The rows that are kept are as the query would compute them now, so the view is as new as the refresh.
  const [age] =
    await sql`select as_of >= started_at as new, held_back_by from viewkeeper.runs order by id desc limit 1`
  expect(age).toEqual({ new: true, held_back_by: null })
}

/** In how many rows the view differs from its query now, and what its log holds. */
const state = async () => {
  const [row] = await sql`
    select (select count(*)::int from ((table sales except all table sales_query) union all (table sales_query except all table sales)) d) as different,
           (select count(*)::int from viewkeeper_logs."public.sales_0") as logged`
  return row
}

describe('a refresh of a view with a log', () => {
  test('computes all rows first, then only what changed, and takes from the log what it has read', async () => {
    expect(await because()).toMatch(
      /^computes all of about \d+ slices of day anew: the last refresh has not read the log; \d+ rows written$/,
    )
    await refreshesOnlyTouched()
    await sql.unsafe(
      "update orders set day = '2026-03-03' where id % 20 = 1; insert into orders (region, day, product, amount) values (1, null, 1, 1)",
    )
    expect(await state()).toMatchObject({ different: expect.any(Number) })
    await refreshesOnlyTouched()
    expect(await state()).toEqual({ different: 0, logged: 0 })
  })

  test('computes only what changed after slices that were asked for, unless the world had changed before them', async () => {
    const slices = { from: '2026-01-05', to: '2026-01-06', by: 'day' }
    const change = () =>
      sql`update orders set amount = amount + 1 where day between '2026-01-06' and '2026-01-08'`
    await because()
    await change()
    expect(await because({ slices })).toMatch(/^computes 2 of about /)
    await refreshesOnlyTouched()
    expect(await state()).toEqual({ different: 0, logged: 0 })
    await sql`create or replace view sales_query as select o.day, p.kind, count(*) as orders, sum(o.amount) + 2 as amount from orders o join products p on p.id = o.product group by o.day, p.kind`
    await because({ slices })
    expect(await because()).toContain('all of about')
    expect(await state()).toEqual({ different: 0, logged: 0 })
  })

  test.each([
    ['a partition is attached', 'create table orders_3 partition of orders for values in (3)', null],
    [
      'a trigger was switched off and on',
      'alter table orders disable trigger "public.sales_0_insert"; alter table orders enable always trigger "public.sales_0_insert"',
      'table public.orders has changed',
    ],
    [
      'its plain view has another query',
      'create or replace view sales_query as select o.day, p.kind, count(*) as orders, sum(o.amount) + 1 as amount from orders o join products p on p.id = o.product group by o.day, p.kind',
      'its query has changed',
    ],
  ])('computes all rows if %s', async (_, change, why) => {
    await sql.unsafe(change)
    expect(await because()).toContain(
      why === null ? 'is not used: public.orders_3 has no trigger' : `${all}${why}`,
    )
    if (why === null) await sql.unsafe('drop table orders_3')
    if (why === null) expect(await because()).toMatch(/^computes all of about \d+ slices of day anew: /)
    await refreshesOnlyTouched()
    expect(await state()).toEqual({ different: 0, logged: 0 })
  })

  test('proves the log once, as long as nothing has changed that the proof reads', async () => {
    await refreshesOnlyTouched()
    const way = await countedWay(url)
    const trips = async () => {
      await asked({}, connectTo(fromUrl(way.url)))
      return way.passed()[0]!.trips
    }
    let fewest = await trips()
    // On a busy machine a message may come in two pieces.
    for (let again = 0; again < 10 && fewest > 10; again++) fewest = await trips()
    expect(fewest).toBeLessThanOrEqual(10)
    for (const [harm, mend] of [
      ['create index odd on viewkeeper_logs."public.sales_0" (day)', 'drop index viewkeeper_logs.odd'],
      [
        'grant create on schema viewkeeper_logs to pg_monitor',
        'revoke create on schema viewkeeper_logs from pg_monitor',
      ],
      [
        'alter function viewkeeper_logs."public.sales_0_forget"(pg_snapshot) security invoker',
        'alter function viewkeeper_logs."public.sales_0_forget"(pg_snapshot) security definer',
      ],
    ] as const) {
      await sql.unsafe(harm)
      expect([harm, await because()]).toEqual([harm, expect.stringContaining('is not used: ')])
      await sql.unsafe(mend)
      expect(await because()).toMatch(/^computes all of about \d+ slices of day anew: /)
      await refreshesOnlyTouched()
    }
  })

  test.each([
    ['waits for the log', 'lock table viewkeeper_logs."public.sales_0"'],
    ['waits for its own rows', 'lock table sales in share mode'],
  ])('that is killed while it %s leaves the log as it was', async (_, holds) => {
    await sql.unsafe("insert into orders (region, day, product, amount) values (1, '2026-03-05', 1, 1)")
    const before = await state()
    expect(before?.different).toBeGreaterThan(0)
    await whileLocked(url, holds, async () => {
      const ended = asked().catch((error) => error)
      const pid = await until('the run is there', async () => {
        const [row] = await sql<{ pid: number }[]>`
          select pid from pg_stat_activity where application_name ~ ${'^viewkeeper run \\d+ '} and datname = current_database() and wait_event_type in ('Lock', 'Timeout')`
        return row?.pid
      })
      await endProcess(sql, pid)
      await ended
    })
    expect(await state()).toEqual(before)
    await refreshesOnlyTouched()
    expect(await state()).toEqual({ different: 0, logged: 0 })
  })
})
