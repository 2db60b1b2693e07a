import { beforeAll, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { keptMark } from '../../../src/sql/names.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { deep } from '../../support/deep.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { accountOf, advanceToEnd, begin } from '../../support/views/batches.ts'
import { whileLocked } from '../../support/waiting/holder.ts'

const { database, sql, url } = useDatabase()
const request = (timeoutSeconds = 60) => refresh({ view: 'app.daily', timeoutSeconds }, callOn(database))

beforeAll(() =>
  sql.unsafe(`
    create schema app; create table app.orders (day date);
    create materialized view app.clean as select day from app.orders;
    create view app.daily_query as select day, count(*) as n from app.clean group by day; comment on view app.daily_query is '${keptMark}';
    create table app.daily as select * from app.daily_query with no data; create unique index on app.daily (day);
    create materialized view app.both as select day, n from app.daily join app.clean using (day); create unique index on app.both (day, n)`),
)

const locks = async () =>
  (await getWhy(database, 'app.daily', { schedules: unscheduled, typed: null })).causes
    .map(({ text }) => text)
    .join('\n')

test('a refresh of an incremental table waits neither for readers nor for writers, and why names only who is in its way', async () => {
  await whileLocked(url, 'lock table app.daily in row exclusive mode', async () => {
    expect(await request()).toMatchObject({ status: 'updated' })
  })
  for (const lock of [
    'lock table app.daily in share mode',
    'alter materialized view app.clean reset (pages_per_range)',
  ])
    await whileLocked(url, `lock table app.orders in access share mode; ${lock}`, async ({ pid }) => {
      const { error } = await request(3)
      expect(error).toMatchObject({ class: 'LockTimeout' })
      expect(`${error?.message} ${error?.hint} ${await locks()}`).toContain(String(pid))
    })
})

test('between two views of a batch it is refreshed after the one, and before the other', deep, async () => {
  await request()
  await sql`insert into app.orders values ('2026-11-02'), ('2026-11-03')`
  const batchId = await begin(database, { pattern: 'app.*', strategy: 'auto' })
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
  expect(Object.keys(await accountOf(sql, batchId))).toHaveLength(3)
  expect(await sql`select count(*)::int as n from app.both`).toEqual([{ n: 2 }])
  await sql`insert into app.orders values ('2026-11-04')`
  const swaps = await begin(database, { pattern: 'app.*', strategy: 'swap' })
  expect(await advanceToEnd(database, swaps)).toMatchObject({ status: 'success' })
  expect(await sql`select count(*)::int as n from app.both`).toEqual([{ n: 3 }])
  const runs = await sql<{ view: string; strategy: string }[]>`
    select d.name as view, r.meta #>> '{response,strategy}' as strategy from viewkeeper.runs r join viewkeeper.definitions d on d.id = r.definition_id
     where r.batch_id = ${swaps} and r.status = 'success' order by r.finished_at`
  expect(runs.map(({ view, strategy }) => [view, strategy])).toEqual([
    ['clean', 'swap'],
    ['daily', 'difference'],
    ['both', 'swap'],
  ])
  expect(await sql`select held_back_by from viewkeeper.view_status where name = 'both'`).toEqual([
    { held_back_by: 'app.clean' },
  ])
})
