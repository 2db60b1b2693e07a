import { expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { updateRows } from '../../support/record/rows.ts'
import { callOn } from '../../support/servers/database.ts'
import { startOwnServer } from '../../support/servers/own-server.ts'
import { makeKept } from '../../support/slices/kept-table.ts'

// npm's servers have no compiler, those of a distribution have one. Here everything is expensive enough to be compiled.

const { database, sql } = await startOwnServer({
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track': 'all',
  'pg_stat_statements.track_utility': 'on',
  jit: 'on',
  jit_above_cost: '0',
  jit_inline_above_cost: '0',
  jit_optimize_above_cost: '0',
})

/** Queries of views, the server's own SQL of a concurrent refresh, and the statements of this file. */
const ofViews = '"?app"?\\.|newdata|pg_stat_statements|^update "viewkeeper"."definitions" set "settings"='

/** What the server has compiled, but for those. */
const compiled = async (): Promise<string[]> => {
  const found = await sql<{ query: string }[]>`
    select query from pg_stat_statements where jit_functions > 0 and dbid = (select oid from pg_database where datname = current_database())
       and query !~ ${ofViews} order by jit_functions desc`
  return found.map(({ query }) => query.slice(0, 200))
}

test('no statement of ours is compiled, whatever the server, the database and a definition say', async () => {
  await sql.unsafe(`
    create extension pg_stat_statements;
    create schema app; create table app.orders (id int primary key, day date);
    insert into app.orders select i, date '2026-11-01' + i % 10 from generate_series(1, 200) i;
    create materialized view app.low as select day, count(*) as n from app.orders group by day; create unique index on app.low (day);
    create materialized view app.top as select sum(n) as n from app.low; create unique index on app.top (n);
    ${makeKept('app.daily', 'select day, count(*) as n from app.orders group by day')};
    create unique index daily_key on app.daily (day)`)
  await sql`select pg_stat_statements_reset()`
  const statuses: string[] = []
  for (const view of ['app.low', 'app.top', 'app.daily'])
    for (const strategy of ['auto', 'regular', 'concurrent', 'swap'] as const)
      if (view !== 'app.daily' || strategy === 'auto')
        statuses.push((await refresh({ view, strategy }, callOn(database))).status)
  for (const name of ['low', 'top', 'daily'])
    await updateRows(sql, 'definitions', { name }, { settings: { jit: 'on' } })
  await refresh({ view: 'app.top', strategy: 'regular' }, callOn(database))
  await refresh({ view: 'app.daily' }, callOn(database))
  await monitor(database, {
    schedules: unscheduled,
    publish: { runs() {}, batches() {}, incidents() {} },
  })
  expect(new Set(statuses)).toEqual(new Set(['updated']))
  expect(await compiled()).toEqual([])
  const [{ others }] = await sql<[{ others: number }]>`
    select count(*) as others from pg_stat_statements where jit_functions > 0 and query ~ ${ofViews}`
  expect(others).toBeGreaterThan(0)
})
