import { beforeEach, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { keptMark } from '../../../src/sql/names.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { restore } from '../../../src/watch/restore.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { deleteRows, emptyTables, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const { database, sql } = useDatabase()
const look = () => monitor(database, { schedules: unscheduled, publish: unheard, people: null })
const incidents = () =>
  sql`select subject, cause ->> 'text' as text, cause ->> 'next' as next from viewkeeper.incidents where resolved_at is null order by 1`

const restored = async (name: string) => {
  const all = await restore(database, { schema: 'app', name }, false)
  expect(all.filter(({ because }) => because !== null)).toEqual([])
}

beforeEach(async () => {
  await sql`drop schema if exists app cascade; create schema app; create table app.orders (day date)`.simple()
  await emptyTables(sql, 'definitions', 'incidents', 'parts')
  await deleteRows(sql, 'switches', { key: 'parts' })
})

const table = 'create table app.daily as select * from app.daily_query with no data'
const above = 'create view app.above as select n from app.daily'
const hanging = `
  create unique index daily_key on app.daily (day); comment on table app.daily is 'by day'; comment on column app.daily.n is 'orders';
  grant select on app.daily to public`

test('what an incremental table had is told if somebody drops it and makes it again, and comes back by what is typed', async () => {
  await sql.unsafe(`
    create view app.daily_query as select day, count(*) as n from app.orders group by day; comment on view app.daily_query is '${keptMark}';
    ${table}; ${hanging}; ${above}`)
  await look()
  await sql.unsafe(
    'drop index app.daily_key; revoke select on app.daily from public; comment on table app.daily is null',
  )
  await look()
  // What somebody takes off it is no accident.
  expect(await incidents()).toEqual([])
  await sql.unsafe(hanging)
  await updateRows(sql, 'switches', { key: 'parts' }, { updatedAt: sql`'-infinity'` })
  await look()
  await sql.unsafe(`drop table app.daily cascade; ${table}`)
  await look()
  const [incident, ...others] = await incidents()
  expect(others).toEqual([])
  expect(incident).toMatchObject({
    subject: 'app.daily',
    text: expect.stringMatching(/Missing since: 1 index, 2 comments, 1 grant, 1 view\.$/),
  })
  await restored('daily')
  await look()
  expect(await incidents()).toEqual([])
  expect(
    await sql`select obj_description('app.daily'::regclass), col_description('app.daily'::regclass, 2), relacl::text like '%=r/%' as granted,
                     to_regclass('app.daily_key') is not null and to_regclass('app.above') is not null as there from pg_class where oid = 'app.daily'::regclass`,
  ).toEqual([{ obj_description: 'by day', col_description: 'orders', granted: true, there: true }])
})

test('the plain view of its query comes back with its mark if a view below was made again', async () => {
  await sql.unsafe(`
    create materialized view app.clean as select day from app.orders;
    create view app.daily_query as select day, count(*) as n from app.clean group by day; comment on view app.daily_query is '${keptMark}'; ${table}`)
  await look()
  await sql.unsafe(
    'drop materialized view app.clean cascade; create materialized view app.clean as select day from app.orders',
  )
  await look()
  const [incident] = await incidents()
  expect(incident).toMatchObject({
    subject: 'app.clean',
    text: expect.stringMatching(/Missing since: 1 view, 1 comment\.$/),
  })
  await restored('clean')
  await look()
  expect(await incidents()).toEqual([])
  expect(await sql`select relation::regclass::text as kept from viewkeeper.kept()`).toEqual([
    { kept: 'app.daily' },
  ])
})

describe('a query that has lost the comment by which it is known', () => {
  const mark = `comment on view app.daily_query is '${keptMark}'`
  const comment = async () =>
    (await sql`select obj_description('app.daily_query'::regclass, 'pg_class') as is`)[0]?.is
  const request = () => refresh({ view: 'app.daily' }, callOn(database))

  beforeEach(async () => {
    await sql.unsafe(
      `create view app.daily_query as select day, count(*) as n from app.orders group by day; ${table}`,
    )
    await sql.unsafe(mark)
    expect(await request()).toMatchObject({ status: 'updated' })
  })

  test.each(["'the query of daily'", 'null'])(
    'gets it back with a refresh, and with a look: %s',
    async (lost) => {
      await sql.unsafe(`comment on view app.daily_query is ${lost}`)
      expect(await request()).toMatchObject({ status: 'updated' })
      expect(await comment()).toBe(keptMark)
      await sql.unsafe(`comment on view app.daily_query is ${lost}`)
      await look()
      expect(await comment()).toBe(keptMark)
      expect(await incidents()).toEqual([])
    },
  )

  test('and is told with what to type where no record knows the table, as after a restore without comments', async () => {
    await sql.unsafe(
      `drop table app.daily; drop view app.daily_query; create view app.daily_query as select day, count(*) as n from app.orders group by day; ${table}`,
    )
    const { code, message } = await refusalOf(request())
    expect([code, message]).toEqual([
      'UnknownView',
      expect.stringContaining('comment on view "app"."daily_query" is '),
    ])
    await sql.unsafe(message.slice(message.indexOf('comment on view ')))
    expect(await request()).toMatchObject({ status: 'updated' })
  })

  test('and another table that has taken its name stays what it is', async () => {
    await sql.unsafe(
      `comment on view app.daily_query is null; drop table app.daily; create table app.daily (day date, n bigint)`,
    )
    expect(await refusalOf(request())).toMatchObject({ code: 'UnknownView' })
    await look()
    expect(await comment()).toBeNull()
  })
})
