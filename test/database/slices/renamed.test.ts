import { beforeEach, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { dropLog } from '../../../src/slices/plan/log.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { define, emptyTables } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { daily, useDaily } from '../../support/slices/daily.ts'
import { definition } from '../../support/views/frozen.ts'

const { sql, database } = useDatabase()
const query = 'select day, sum(amount) as total from app.orders group by day'
const slices = { by: 'day' }

const { make, makeOwnLog, refreshed } = useDaily({ database, sql }, slices.by)

/** As the migrations do that `freeze` writes for a new log. */
async function makeLogAnew() {
  await sql.unsafe(dropLog(daily))
  await makeOwnLog()
}

/** An incremental table with a log that its last refresh has used. */
beforeEach(async () => {
  await emptyTables(sql, 'definitions')
  await sql.unsafe(`
    drop schema if exists app, viewkeeper_logs, x cascade; create schema app;
    create table app.orders (day int, amount int); insert into app.orders select i % 100, i from generate_series(1, 1000) i`)
  await make(query)
  await sql`create unique index on app.daily (day)`
  await define(sql, 'app.daily', { storage: 'table', slices, retries: 0 })
  expect(await refreshed()).toMatch(byLog)
})

const byLog = /^computes \d+ of about 100 slices of day anew, those that changes have touched/
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
      "computes all rows, and writes those that differ; its change log is not used: it is not there; make it anew: viewkeeper freeze app.daily -m 'a new log'; 1 row written",
    )
    const { causes } = await getWhy(database, 'app.daily', { schedules: unscheduled, typed: null })
    expect(causes.find(({ code }) => code === 'LogUnused')).toMatchObject({
      text: 'Each refresh computes all rows of app.daily: its change log is not used, because it is not there.',
      next: "viewkeeper freeze app.daily -m 'a new log'",
    })
    const authored = definition('daily', query, { schema: 'app', storage: 'table', slices })
    const drift = await readDrift(database, [authored])
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
