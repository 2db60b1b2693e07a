import { beforeAll, expect, test } from 'vitest'
import { readView } from '../../../src/record/definitions/look.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { makeLog } from '../../../src/slices/plan/log.ts'
import { Problem } from '../../../src/words/problem.ts'
import { counts } from '../../support/counts.ts'
import { deep } from '../../support/deep.ts'
import { seeded, seedOf } from '../../support/seeded.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { makeKept } from '../../support/slices/kept-table.ts'

const { database, sql, url } = useDatabase()
const [seller, viewer, group] = ['any_seller', 'any_viewer', 'any_group'].map(
  (role) => `${role}_${url.slice(-8)}`,
)
const log = 'viewkeeper_logs."app.v_0"'
const alter = (action: string) => `alter table app.v ${action}`
const orders = (action: string) => `alter table shop.orders ${action}`

/** What anybody may do to an incremental table, its query, its log, the tables below and roles, each with what undoes it. */
const changes: readonly (readonly [change: string, undo: string])[] = [
  [
    `create trigger t before update on app.v for each row execute function app.changes()`,
    'drop trigger t on app.v',
  ],
  [
    `create trigger t after update on app.v for each row execute function app.hears()`,
    'drop trigger t on app.v',
  ],
  ['create rule r as on update to app.v do instead nothing', 'drop rule r on app.v'],
  [alter('set unlogged'), alter('set logged')],
  [alter('inherit app.parent'), alter('no inherit app.parent')],
  ['create table app.child () inherits (app.v)', 'drop table app.child'],
  [
    alter('alter n set not null, alter n add generated always as identity'),
    alter('alter n drop identity, alter n drop not null'),
  ],
  [
    alter('enable row level security, force row level security'),
    alter('disable row level security, no force row level security'),
  ],
  ['create unique index second on app.v (first)', 'drop index app.second'],
  ['create unique index second on app.v (first) where n > 3', 'drop index app.second'],
  [
    `create table app.notes (day date references app.v on delete cascade); insert into app.notes select day from app.v where day > '2026-01-03'`,
    'drop table app.notes',
  ],
  [alter('add check (n >= 0)'), ''],
  [alter('add column more int'), alter('drop column more')],
  [alter('alter n type numeric'), alter('alter n type bigint')],
  [alter('cluster on v_pkey, set (fillfactor = 60)'), alter('set without cluster, reset (fillfactor)')],
  [alter('set tablespace pg_default, replica identity default'), alter('replica identity full')],
  [alter('rename to w; alter table app.w rename to v'), ''],
  ['truncate app.v', ''],
  [`comment on view app.v_query is 'sales'`, ''],
  [
    'create or replace view app.v_query as select day, count(*) + 0 as n, sum(x) as x, min(id) as first from shop.orders group by day',
    '',
  ],
  [`revoke insert on ${log} from ${seller}`, `grant insert on ${log} to ${seller}`],
  [`grant insert on ${log} to ${group}`, `revoke insert on ${log} from ${group}`],
  [
    `revoke insert on ${log} from ${seller}; alter role ${seller} superuser`,
    `alter role ${seller} nosuperuser; grant insert on ${log} to ${seller}`,
  ],
  ['revoke usage on schema viewkeeper_logs from public', 'grant usage on schema viewkeeper_logs to public'],
  [
    `revoke usage on schema viewkeeper_logs from public; grant usage on schema viewkeeper_logs to ${group}, ${viewer}; grant ${group} to ${seller}`,
    `revoke ${group} from ${seller}; grant usage on schema viewkeeper_logs to public`,
  ],
  ['alter schema viewkeeper_logs rename to mislaid', 'alter schema mislaid rename to viewkeeper_logs'],
  [`alter table ${log} rename to mislaid`, 'alter table viewkeeper_logs.mislaid rename to "app.v_0"'],
  [
    `alter function viewkeeper_logs."app.v_0"() security invoker`,
    `alter function viewkeeper_logs."app.v_0"() security definer`,
  ],
  [orders('disable trigger "app.v_0_insert"'), orders('enable always trigger "app.v_0_insert"')],
  [orders('enable replica trigger "app.v_0_update"'), orders('enable always trigger "app.v_0_update"')],
  [
    orders('disable trigger all'),
    ['insert', 'update', 'delete', 'truncate']
      .map((event) => orders(`enable always trigger "app.v_0_${event}"`))
      .join('; '),
  ],
  [
    `create table shop.more partition of shop.orders for values in (9); insert into shop.more values (900, '2026-01-02', 1, 9)`,
    'drop table shop.more',
  ],
  [
    orders('detach partition shop.orders_2'),
    `update shop.orders_2 set region = 2; ${orders('attach partition shop.orders_2 for values in (2)')}`,
  ],
  ['alter table shop.orders_2 alter x set default 3', ''],
  [
    'alter table shop.orders_1 disable trigger "app.v_0_update"',
    'alter table shop.orders_1 enable always trigger "app.v_0_update"',
  ],
  [orders('rename column x to y'), orders('rename column y to x')],
  [orders('enable row level security'), orders('disable row level security')],
  [`revoke select on shop.orders from ${viewer}`, `grant select on shop.orders to ${viewer}`],
  [
    `alter role ${viewer} set timezone = 'Asia/Tokyo'; alter role current_user set datestyle = 'German'`,
    `alter role ${viewer} reset all; alter role current_user reset datestyle`,
  ],
  ['create publication changed for table shop.orders, app.v', 'drop publication changed'],
  ['select 1', ''],
]

const writes = [
  'update shop.orders set x = x + 1 where id = 7',
  `insert into shop.orders (id, day, region) select 1000 + count(*), date '2026-01-01' + (count(*) % 7)::int, 1 from shop.orders`,
  `update shop.orders set day = date '2026-01-01' + id % 6 where id % 10 = 3`,
  'delete from shop.orders where id = (select max(id) from shop.orders where id < 900)',
  "truncate shop.orders_1; insert into shop.orders select i, date '2026-01-01' + i % 5, 1, i from generate_series(100, 130) i",
  `begin; set local session_replication_role = replica; update shop.orders set x = 5 where id = 8; commit`,
  'update shop.orders_2 set region = 1 where id = (select min(id) from shop.orders_2)',
]

beforeAll(async () => {
  await sql.unsafe(`
    create role ${seller}; create role ${viewer}; create role ${group};
    create schema app authorization ${viewer}; create schema shop authorization ${seller}; grant usage on schema shop to ${viewer};
    set role ${seller};
    create table shop.orders (id int, day date, x int, region int) partition by list (region);
    create table shop.orders_1 partition of shop.orders for values in (1); create table shop.orders_2 partition of shop.orders for values in (2);
    insert into shop.orders select i, date '2026-01-01' + i % 5, i, 1 + i % 2 from generate_series(1, 100) i;
    grant select on all tables in schema shop to ${viewer}; set role ${viewer};
    ${makeKept('app.v', 'select day, count(*) as n, sum(x) as x, min(id) as first from shop.orders group by day')}; alter table app.v add primary key (day);
    create table app.parent (day date not null, n bigint, x bigint, first int);
    create function app.hears() returns trigger language plpgsql as 'begin return null; end';
    create function app.changes() returns trigger language plpgsql as 'begin new.n := 0; return new; end'; reset role`)
  const planned = await database.withConnection(async (own) =>
    planLog(own, await readView(own, { schema: 'app', name: 'v' })),
  )
  for (const statement of makeLog(planned)) await sql.unsafe(statement)
})

test(
  `whatever is changed between ${counts.changedKept} refreshes of an incremental table, it has the rows of its query, or the refresh says why not`,
  deep,
  async () => {
    const { below, oneOf } = seeded(seedOf(1))
    const found = { bySlices: 0, whole: 0, refused: 0 }
    const own = await sql.reserve()
    const refreshed = async () => {
      const answer = await refresh({ view: 'app.v', force: true }, callOn(database)).catch((error) => error)
      const isDone = !(answer instanceof Problem) && answer.status === 'updated'
      if (answer instanceof Error && !(answer instanceof Problem)) throw answer
      return {
        isDone,
        says:
          answer instanceof Problem ? answer.message : (answer.error?.message ?? answer.response?.because),
      }
    }
    const compare = async (done: string[], says: string) => {
      const [{ differs }] = await own.unsafe<[{ differs: number }]>(
        `select count(*)::int as differs from ((table app.v except all table app.v_query) union all (table app.v_query except all table app.v)) d`,
      )
      expect({ done, says, differs }).toEqual({ done, says, differs: 0 })
    }
    await refreshed()
    for (let round = 0; round < counts.changedKept; round++) {
      const [change, undo] = round < changes.length ? changes[round]! : oneOf(changes)
      const comesAndGoes = below(3) === 0
      const done = [
        oneOf(writes),
        change,
        oneOf(writes),
        ...(comesAndGoes ? [undo, oneOf(writes)] : []),
        ...(below(2) === 0 ? [oneOf(writes)] : []),
      ].filter(Boolean)
      // A writer may be refused while somebody has altered the log: that writes nothing.
      for (const each of done)
        await own.unsafe(each).catch(async (error) => {
          await own.unsafe('rollback')
          if (!writes.includes(each)) throw error
        })
      const { isDone, says } = await refreshed()
      expect({ done, says }).toEqual({ done, says: expect.stringMatching(/\w/) })
      if (isDone) await compare(done, says)
      found[isDone ? (/^computes \d+ of/.test(says) ? 'bySlices' : 'whole') : 'refused']++
      if (!comesAndGoes && undo !== '') await own.unsafe(undo)
      const again = await refreshed()
      expect({ done, undo, ...again }).toMatchObject({ isDone: true })
      await compare([...done, undo], again.says)
      await refreshed()
    }
    own.release()
    await sql.unsafe(
      `drop schema app, shop, viewkeeper_logs cascade; drop role ${seller}, ${viewer}, ${group}`,
    )
    if (process.env.SOAK === 'true') console.info(found)
    for (const each of Object.values(found)) expect(each).toBeGreaterThan(0)
  },
)
