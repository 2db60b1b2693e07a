// @module-tag deep

import { beforeAll, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { makeLog } from '../../../src/slices/plan/log.ts'
import { keptMark } from '../../../src/sql/names.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'

const { database, sql } = useDatabase()
const view = { schema: 'app', name: 'daily' }

/** The session of the next run ends itself before statement `at` of its plan; -1: once it has recorded its success, before the commit. */
const endAt = (at: number | null) =>
  sql.unsafe(`delete from public.ends; insert into public.ends (at) select ${at} where ${at} is not null`)

beforeAll(async () => {
  await sql.unsafe(`
    create schema app;
    create table app.orders (id int primary key generated always as identity, day date, amount int);
    insert into app.orders (day, amount) select date '2026-11-01' + i % 10, i from generate_series(1, 200) i;
    create view app.daily_query as select day, count(*) as n, sum(amount) as total from app.orders group by day;
    comment on view app.daily_query is '${keptMark}';
    create table app.daily as select * from app.daily_query with no data; create unique index on app.daily (day);
    create table public.ends (at int, statements int);
    create function public.ends() returns trigger language plpgsql as $$
    declare ends_at int;
    begin
      update public.ends set statements = coalesce(jsonb_array_length(new.plan #> '{locked,statements}'), statements) returning at into ends_at;
      if ends_at >= 0 and new.plan ? 'locked' then
        new.plan := jsonb_insert(new.plan, array['locked', 'statements', ends_at::text],
          '{"kind": "command", "phase": "building", "sql": "select pg_terminate_backend(pg_backend_pid()), pg_sleep(60)"}');
      elsif ends_at = -1 and new.status = 'success' then
        perform pg_terminate_backend(pg_backend_pid()), pg_sleep(60);
      end if;
      return new;
    end $$;
    create trigger ends_plan before insert or update of plan on viewkeeper.runs for each row execute function public.ends()`)
  const [row] = await sql<[{ oid: number; query: number }]>`
    select 'app.daily'::regclass::oid::int8 as oid, 'app.daily_query'::regclass::oid::int8 as query`
  for (const statement of makeLog(await planLog(sql, { ...row, ...view }))) await sql.unsafe(statement)
})

const because = async () => (await refresh({ view: 'app.daily' }, callOn(database))).response?.because
/** What a refresh that has not succeeded must leave as it was. */
const state = async () => ({
  rows: await sql`select *, xmin::text, ctid::text from app.daily order by day`,
  log: await sql`select *, xmin::text from viewkeeper_logs."app.daily_0" order by at, day`,
  record: await sql`select max(id)::int as last from viewkeeper.runs where status = 'success'`,
  age: await sql`select as_of from viewkeeper.view_status`,
})

test('a refresh whose session is ended at any of its statements changes no row, forgets nothing, and records no success', async () => {
  await because()
  await sql`analyze app.daily`
  let statements = 0
  for (let at = -1; at <= statements; at++) {
    await sql`update app.orders set amount = amount + 1 where id % 10 = ${Math.max(at, 0) % 10}`
    const before = await state()
    expect(before.log).not.toEqual([])
    await endAt(at)
    const { error } = await refresh({ view: 'app.daily' }, callOn(database))
    expect([at, error?.class]).toEqual([at, 'RunLost'])
    expect({ at, ...(await state()) }).toEqual({ at, ...before })
    statements = (await sql`select statements from public.ends`)[0]?.statements
    await endAt(null)
    expect(await because()).toMatch(/^computes .* slices of day anew, those that changes have touched/)
    expect((await state()).log).toEqual([])
    expect(
      await sql`(table app.daily except all table app.daily_query) union all (table app.daily_query except all table app.daily)`,
    ).toEqual([])
  }
  expect(statements).toBeGreaterThan(5)
})
