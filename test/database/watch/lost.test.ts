import { beforeEach, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { slowAmong } from '../../../src/record/watch/ended.ts'
import { lookForLost } from '../../../src/record/watch/parts.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { restore } from '../../../src/watch/restore.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { writePast } from '../../support/record/past.ts'
import { deleteRows, emptyTables, updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'

const { database, sql } = useDatabase()
const daily = { schema: 'app', name: 'daily' }

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
  test('is told with the command that brings back what was lost with it, until that is done', async () => {
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
    expect(incident?.next).toBe('viewkeeper restore app.daily')
    const dry = await restore(database, daily, true)
    expect(await restore(database, daily, true)).toEqual(dry)
    expect(await restore(database, daily, false)).toEqual(dry)
    expect(dry.filter(({ because }) => because !== null)).toEqual([])
    await look()
    expect(await incidents()).toEqual([])
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

  test('gets back only what its owner had, as its owner, whatever code that executes', async () => {
    await sql.unsafe(`
      create role "Lost owner"; create role lost_thief; grant usage, create on schema app to "Lost owner", lost_thief;
      grant select on app.sale to "Lost owner", lost_thief; create table app.who (who text); grant all on app.who to public;
      set role "Lost owner";
      create function app.notes(int) returns bool language plpgsql as
        $$ begin insert into app.who values (current_user); return true; end $$;
      create domain app.noting as int check (app.notes(value));
      create materialized view app.hers as select id from app.sale;
      create materialized view app.above as select id from app.hers where id = any ('{1,2}'::app.noting[]::int[]);
      create index above_index on app.above (id) where id = any ('{1,2}'::app.noting[]::int[]);
      create index hers_index on app.hers (id) where id = any ('{1,2}'::app.noting[]::int[]);
      grant select on app.hers to lost_reader; reset role`)
    await look()
    const hers = { schema: 'app', name: 'hers' }
    const again = (owner: string) =>
      sql.unsafe(`
        drop materialized view if exists app.hers cascade; set role ${owner};
        create materialized view app.hers as select id from app.sale; reset role`)
    await again('lost_thief')
    await look()
    expect((await incidents())[0]?.next).toBe('viewkeeper restore app.hers')
    const belongs = 'app.hers belongs to lost_thief now, and belonged to "Lost owner"'
    expect((await restore(database, hers, false)).map(({ because }) => because)).toEqual(
      Array(4).fill(belongs),
    )
    expect(await sql`select has_table_privilege('lost_reader', 'app.hers', 'select') as may`).toEqual([
      { may: false },
    ])
    await again('"Lost owner"')
    await look()
    await sql`truncate app.who`
    expect(await restore(database, hers, false)).toEqual(
      [
        ['index', 'app.hers'],
        ['grant', 'app.hers'],
        ['view', 'app.above'],
        ['index', 'app.above'],
      ].map(([what, name]) => ({ what, name, because: null })),
    )
    expect(await sql`select distinct who from app.who`).toEqual([{ who: 'Lost owner' }])
    await look()
    expect(await incidents()).toEqual([])
    await sql.unsafe(
      'drop schema app cascade; drop owned by "Lost owner", lost_thief; drop role "Lost owner", lost_thief',
    )
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
