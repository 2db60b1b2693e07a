import { beforeEach, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { planLog } from '../../../src/slices/slices.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { makeKept } from '../../support/slices/kept-table.ts'
import { define } from '../../support/views/batches.ts'
import { definition } from '../../support/views/frozen.ts'

const { sql, database } = useDatabase()
const query = 'select day, sum(amount) as total from app.orders group by day'
const slices = { by: 'day' }

/** As the migrations do that `freeze` writes for a new log. */
async function makeLogAnew() {
  const [relation] = await sql<[{ oid: number; query: number }]>`
    select 'app.daily'::regclass::oid::int8 as oid, 'app.daily_query'::regclass::oid::int8 as query`
  const view = { schema: 'app', name: 'daily' }
  for (const statement of [dropLog(view), ...makeLog(await planLog(sql, { ...relation, ...view }))])
    await sql.unsafe(statement)
}

/** A kept table with a log that its last refresh has used. */
beforeEach(async () => {
  await sql.unsafe(`
    delete from viewkeeper.runs; delete from viewkeeper.definitions;
    drop schema if exists app, viewkeeper_logs, x cascade; create schema app;
    create table app.orders (day int, amount int); insert into app.orders select i % 100, i from generate_series(1, 1000) i;
    ${makeKept('app.daily', query)}; create unique index on app.daily (day)`)
  await makeLogAnew()
  await define(sql, 'app.daily', { storage: 'table', slices, retries: 0 })
  await refreshed()
  expect(await refreshed()).toMatch(byLog)
})

const byLog = /^computes \d+ of about 100 slices of day anew, those that changes have touched/

/** Why a refresh computed what it did; its rows are right. */
async function refreshed() {
  const { status, response } = await refresh({ view: 'app.daily' }, callOn(database))
  expect(status).toBe('updated')
  expect(
    await sql`(table app.daily except table app.daily_query) union all (table app.daily_query except table app.daily)`,
  ).toEqual([])
  return response.because
}
const write = () => sql`insert into app.orders values (1, 1)`

describe.each([
  ['its schema', 'alter schema viewkeeper_logs rename to x', 'alter schema x rename to viewkeeper_logs'],
  [
    'its table',
    'alter table viewkeeper_logs."app.daily_0" rename to x',
    'alter table viewkeeper_logs.x rename to "app.daily_0"',
  ],
  [
    'its place',
    'create schema x; alter table viewkeeper_logs."app.daily_0" set schema x',
    'alter table x."app.daily_0" set schema viewkeeper_logs; drop schema x',
  ],
])('a log that is renamed: %s', (_, rename, back) => {
  test('is not believed for what was written meanwhile, although it has its name again', async () => {
    await sql.unsafe(rename)
    await write()
    await sql.unsafe(back)
    expect(await refreshed()).toMatch(/^computes all .*: table viewkeeper_logs\."app\.daily_0" has changed/)
    await write()
    expect(await refreshed()).toMatch(byLog)
  })

  test('is missed by refreshes, why and drift until it is made anew, as they say', async () => {
    await sql.unsafe(rename)
    await write()
    expect(await refreshed()).toBe(
      "computes all rows, and writes those that differ; the log of its changes is not used: it is not there; make it anew: viewkeeper freeze app.daily -m 'a new log'; 1 row written",
    )
    const { causes } = await getWhy(database, 'app.daily', { schedules: unscheduled, typed: null })
    expect(causes.find(({ code }) => code === 'LogUnused')).toMatchObject({
      text: 'Each refresh computes all rows of app.daily: the log of its changes is not used, because it is not there.',
      next: "viewkeeper freeze app.daily -m 'a new log'",
    })
    const daily = definition('daily', query, { schema: 'app', storage: 'table', slices })
    const drift = await readDrift(database, [daily])
    expect(drift.map(({ message }) => message)).toContainEqual(
      expect.stringContaining(
        "there is no log. To make the log anew: npx viewkeeper freeze app.daily -m 'a new log'",
      ),
    )
    await makeLogAnew()
    expect(await refreshed()).toMatch(/^computes all slices|^computes all of/)
    await write()
    expect(await refreshed()).toMatch(byLog)
  })
})
