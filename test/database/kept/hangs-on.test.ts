import { beforeAll, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { keptMark } from '../../../src/sql/names.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { counts } from '../../support/counts.ts'
import { administrator, callOn, useDatabase } from '../../support/servers/database.ts'

const { database, sql, url } = useDatabase()

beforeAll(() =>
  sql.unsafe(`
    create schema app;
    create table app.orders (id int primary key generated always as identity, day date, amount int);
    insert into app.orders (day, amount) select date '2026-11-01' + i % 50, i from generate_series(1, 500) i;
    create view app.daily_query as select day, count(*) as n, sum(amount) as total from app.orders group by day;
    comment on view app.daily_query is '${keptMark}';
    create table app.daily as select * from app.daily_query with no data;
    create unique index daily_key on app.daily (day); create index daily_n on app.daily (n);
    comment on table app.daily is 'by day'; comment on column app.daily.n is 'orders'; comment on index app.daily_n is 'by number';
    grant select on app.daily to public; grant select (day) on app.daily to pg_monitor with grant option;
    create statistics app.daily_both on n, total from app.daily; alter table app.daily alter n set statistics 200;
    alter table app.daily add check (n > 0);
    alter table app.daily enable row level security; create policy all_days on app.daily using (true);
    alter table app.daily replica identity full; create publication kept for table app.daily;
    create view app.above as select * from app.daily where n > 1;
    create table app.heard (was text, day date);
    create function app.hears() returns trigger language plpgsql as $$ begin insert into app.heard values (tg_op, coalesce(new.day, old.day)); return null; end $$;
    create trigger hears after insert or update or delete on app.daily for each row execute function app.hears();
    -- A vacuum that gives pages back locks readers out.
    alter table app.daily set (vacuum_truncate = off)`),
)

const catalog = async () => ({
  ...(await wholeCatalog(sql)),
  policies: await sql`select xmin::text, p::text from pg_policy p`,
  published: await sql`select xmin::text, p::text from pg_publication_rel p`,
})

test(`${counts.keptRefreshes} refreshes of an incremental table leave all that hangs on it as it was, and no reader waits for a lock`, async () => {
  const refreshed = () => refresh({ view: 'app.daily' }, callOn(database))
  await refreshed()
  await sql.unsafe(`
    create table app.notes (day date primary key references app.daily (day)); insert into app.notes select day from app.daily limit 10;
    truncate app.heard`)
  const before = await catalog()
  const readers = administrator(`${url}?lock_timeout=1ms`)
  const reads = { count: 0, longestMs: 0 }
  let goesOn = true
  const reading = ['app.daily', 'app.above'].map(async (of) => {
    while (goesOn) {
      const began = performance.now()
      await readers.unsafe(`select count(*), sum(total) from ${of}`)
      reads.count++
      reads.longestMs = Math.max(reads.longestMs, performance.now() - began)
    }
  })
  let changed = 0
  for (let round = 0; round < counts.keptRefreshes; round++) {
    const day = `date '2026-11-01' + ${round % 50}`
    await sql.unsafe(`
      update app.orders set amount = amount + 1 where day = ${day};
      insert into app.orders (day, amount) values (date '2027-01-01' + ${round}, 1);
      delete from app.orders where day = date '2027-01-01' + ${round - 1}`)
    changed += round === 0 ? 2 : 3
    expect(await refreshed()).toMatchObject({ status: 'updated' })
  }
  goesOn = false
  await Promise.all(reading)
  await readers.end()
  expect(reads.count).toBeGreaterThan(counts.keptRefreshes)
  if (process.env.SOAK === 'true') console.info(reads)
  // A session that has ended may still be dropping its temporary functions.
  await expect.poll(catalog).toEqual(before)
  expect(await sql`select count(*)::int as n from app.heard`).toEqual([{ n: changed }])
  expect(
    await sql`(table app.daily except all table app.daily_query) union all (table app.daily_query except all table app.daily)`,
  ).toEqual([])
})
