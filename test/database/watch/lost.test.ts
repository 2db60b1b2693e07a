import { beforeEach, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { slowAmong } from '../../../src/record/watch/ended.ts'
import { lookForLost } from '../../../src/record/watch/parts.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { writePast } from '../../support/record/past.ts'
import { deleteRows, emptyTables, updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'

const { database, sql } = useDatabase()

const look = () => monitor(database, { schedules: unscheduled, publish: unheard, people: null })
const incidents = () => sql`
  select subject, kinds, cause ->> 'code' as code, cause ->> 'text' as text, cause ->> 'next' as next
    from viewkeeper.incidents where resolved_at is null order by subject`

beforeEach(async () => {
  await emptyTables(sql, 'definitions', 'incidents', 'parts')
  await deleteRows(sql, 'switches', { key: 'parts' })
  await sql.unsafe(`
    drop schema if exists app, "Odd ones" cascade; create schema app; create schema "Odd ones";
    drop role if exists lost_reader, "Lost writer"; create role lost_reader; create role "Lost writer";
    create table app.sale (id int primary key, day date, amount int);
    create index sale_day on app.sale (day);
    create materialized view app.daily as select day, sum(amount) as total from app.sale group by day;
    create unique index "Daily ix" on app.daily (day);
    comment on materialized view app.daily is 'It''s "daily"';
    comment on column app.daily.day is 'Of UTC';
    grant select on app.daily to lost_reader with grant option;
    grant select (day) on app.daily to "Lost writer";
    create view "Odd ones"."A reader" with (security_barrier = true) as select total from app.daily;
    grant select, update on "Odd ones"."A reader" to public;
    create materialized view app.total as select sum(total) from "Odd ones"."A reader";
    create index on app.total (sum)`)
})

/** What other tools do. */
const remake = (more = '') =>
  sql.unsafe(`
    drop materialized view app.daily cascade;
    create materialized view app.daily as select day, sum(amount) as total from app.sale where day is not null group by day; ${more}`)

describe('a view that another tool has dropped and made again', () => {
  test('is told with the SQL that brings back what was lost with it, until that is done', async () => {
    await look()
    expect(await incidents()).toEqual([])
    await remake()
    await look()
    const [incident, ...others] = await incidents()
    expect(others).toEqual([])
    expect(incident).toMatchObject({ subject: 'app.daily', kinds: ['lost'], code: 'Lost' })
    expect(incident?.text).toMatch(
      /^app\.daily was dropped and made again outside of Viewkeeper, as the look of .+ UTC found\. Missing since: 2 indexes, 2 comments, 3 grants, 2 views\.$/,
    )
    await sql.unsafe(incident?.next)
    await look()
    expect(await incidents()).toEqual([])
    // An administrator who types it executes no query of somebody else.
    expect(await sql`select relispopulated from pg_class where relname = 'total'`).toEqual([
      { relispopulated: false },
    ])
    expect(
      await sql`
        select c.relname, (select count(*)::int from pg_index i where i.indrelid = c.oid) as indexes, c.reloptions::text as options,
               (select array_agg(x order by x) from unnest(c.relacl::text[]) x where x !~ '^postgres=') as grants
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('app', 'Odd ones') and c.relkind in ('v', 'm') order by 1`,
    ).toEqual([
      { relname: 'A reader', indexes: 0, options: '{security_barrier=true}', grants: ['=rw/postgres'] },
      { relname: 'daily', indexes: 1, options: null, grants: ['lost_reader=r*/postgres'] },
      { relname: 'total', indexes: 1, options: null, grants: null },
    ])
    expect(
      await sql`select has_column_privilege('Lost writer', 'app.daily', 'day', 'select') as may`,
    ).toEqual([{ may: true }])
    expect(
      await sql`select obj_description('app.daily'::regclass), col_description('app.daily'::regclass, 1)`,
    ).toEqual([{ obj_description: 'It\'s "daily"', col_description: 'Of UTC' }])
  })

  test('is well if the tool brings back all of it, and if somebody dropped an index only', async () => {
    await look()
    await sql`drop index app."Daily ix"`
    await look()
    await sql.unsafe('drop view "Odd ones"."A reader" cascade')
    await look()
    await updateRows(sql, 'parts', {}, { goneAt: sql`gone_at - interval '1 hour'` })
    await updateRows(sql, 'switches', { key: 'parts' }, { updatedAt: sql`'-infinity'` })
    await look()
    await remake(`
      comment on materialized view app.daily is 'It''s "daily"'; comment on column app.daily.day is 'Of UTC';
      grant select on app.daily to lost_reader with grant option; grant select (day) on app.daily to "Lost writer"`)
    await look()
    expect(await incidents()).toEqual([])
  })

  test('is told with what is missing although the look came between, and is forgotten after a week, also if the tool does so each night', async () => {
    await look()
    await sql`drop materialized view app.daily cascade`
    await look()
    expect(await incidents()).toEqual([])
    await sql`create materialized view app.daily as select day, sum(amount) as total from app.sale group by day`
    await look()
    expect(await incidents()).toMatchObject([{ subject: 'app.daily', kinds: ['lost'] }])
    const since = () => sql`select lost_at from viewkeeper.parts where name = 'app.daily'`
    const before = await since()
    await remake()
    await look()
    expect(await since()).toEqual(before)
    const [goneAt, lostAt] = [sql`gone_at - interval '8 days'`, sql`lost_at - interval '8 days'`]
    await updateRows(sql, 'parts', {}, { goneAt, lostAt })
    await look()
    expect(await incidents()).toEqual([])
    await remake()
    await look()
    expect(await incidents()).toEqual([])
  })

  test.each([
    ['long SQL', 'long '.repeat(500)],
    ['a text of two lines, which a mail has on one,', 'one\ntwo'],
  ])('of %s the incident says where it stands', async (_, comment) => {
    await sql.unsafe(`comment on materialized view app.daily is '${comment}'`)
    await look()
    await remake()
    await look()
    const [incident] = await incidents()
    expect(incident?.next).toBe("select sql from viewkeeper.lost() where view = 'app.daily';")
    for (const { sql: text } of await sql.unsafe(incident?.next)) await sql.unsafe(text)
    await look()
    expect(await incidents()).toEqual([])
    expect(await sql`select obj_description('app.daily'::regclass) as is`).toEqual([{ is: comment }])
  })

  test('waits for nobody who locks a table below', async () => {
    await look()
    await sql.begin(async (other) => {
      await other`lock table app.sale in access exclusive mode`
      await database.withConnection((own) => lookForLost(own, true))
    })
    expect(
      await sql`select updated_at = '-infinity' as again from viewkeeper.switches where key = 'parts'`,
    ).toEqual([{ again: true }])
  })
})

test('a refresh that became slow says which index is gone', async () => {
  await look()
  const earlier = [4, 3, 2].map((hours) => ({ view: 'total', ago: `${hours} hours` }))
  await writePast(sql, [...earlier, { view: 'total', ago: '1 hour', durationMs: 60_000 }])
  await sql`drop index app.sale_day`
  await lookForLost(sql as never, true)
  const [slow] = await slowAmong(sql as never, ['app.total'])
  expect(slow?.changed).toContainEqual([
    'an index',
    'CREATE INDEX sale_day ON app.sale USING btree (day)',
    'gone',
  ])
})
