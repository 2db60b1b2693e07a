import { beforeEach, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { readBatchViews } from '../../../src/record/batches/batch-views.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { keptMark } from '../../../src/sql/names.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { getView, listViews } from '../../../src/watch/read-views.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { define, emptyTables, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { callPutBack, callSetAside } from '../../support/views/alter.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { definition } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const { database, sql } = useDatabase()
const query = 'select day, count(*) as n from app.orders group by day'

beforeEach(async () => {
  await emptyTables(sql, 'definitions', 'incidents', 'setAside', 'batches')
  await sql.unsafe(`
    drop schema if exists app cascade; create schema app; create table app.orders (day date);
    create view app.daily_query as ${query}; comment on view app.daily_query is '${keptMark}';
    create table app.daily as select * from app.daily_query;
    create unique index daily_key on app.daily (day); grant select on app.daily to public`)
  await define(sql, 'app.daily', { sql: query, storage: 'table' })
})

const refreshed = async () => (await refresh({ view: 'app.daily' }, callOn(database))).response.because

test('an incremental table whose query is set aside is said to be set aside, by every door', async () => {
  const look = () => monitor(database, { schedules: unscheduled, publish: unheard, people: null })
  await sql`create materialized view app.other as select 1 as one`
  await look()
  await callSetAside(database, ['app.orders'])
  const listed = (await listViews(database)).views.map(({ view, state }) => [view, state])
  expect(listed).toEqual(expect.arrayContaining([['app.daily', 'aside']]))
  expect(listed).toHaveLength(2)
  expect(await getView(database, 'app.daily')).toMatchObject({ state: 'aside', sql: null })
  const why = await getWhy(database, 'app.daily', { schedules: unscheduled, typed: null })
  expect(why.causes[0]).toMatchObject({
    code: 'SetAside',
    text: expect.stringContaining('so its rows stay as they are'),
    next: 'viewkeeper put-back',
  })
  expect((await refusalOf(refreshed())).message).toMatch(
    /^app\.daily has its rows, but not its query\. It has been set aside since .*: npx viewkeeper put-back/,
  )
  const drift = await readDrift(database, [definition('daily', query, { schema: 'app', storage: 'table' })])
  expect(drift.find(({ kind }) => kind === 'missing')?.message).toMatch(/set aside since/)
  await look()
  expect(await sql`select subject from viewkeeper.incidents`).toEqual([])
  await updateRows(sql, 'setAside', {}, { setAsideAt: sql`now() - interval '2 hours'` })
  await look()
  expect(await sql`select subject, kinds from viewkeeper.incidents`).toEqual([
    { subject: 'app.daily', kinds: ['aside'] },
  ])
  const batchId = await begin(database, { all: true })
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success', error: null })
  expect((await readBatchViews(sql, batchId)).map(({ view }) => view)).toEqual(['app.other'])
  await callPutBack(database)
  expect(await refreshed()).toMatch(/computes all rows/)

  await callSetAside(database, ['app.orders'])
  expect(await callPutBack(database, { forgotten: ['app.daily'] })).toMatchObject({ back: [] })
  expect((await listViews(database)).views).toMatchObject([{ view: 'app.daily', state: 'missing' }, {}])
})
