import { beforeEach, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { readSteps } from '../../../src/record/watch/looks.ts'
import { lookForLost } from '../../../src/record/watch/parts.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { define, deleteRows, emptyTables } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'

const { database, sql } = useDatabase()
const look = () => monitor(database, { schedules: unscheduled, publish: unheard })
const incidents = () => sql`
  select subject, cause ->> 'text' as text from viewkeeper.incidents where resolved_at is null order by subject`

beforeEach(async () => {
  await emptyTables(sql, 'definitions', 'incidents', 'parts')
  await deleteRows(sql, 'switches', { key: 'parts' })
  await deleteRows(sql, 'switches', { key: 'steps' })
  await sql.unsafe('drop schema if exists app, e cascade; create schema app; create schema e')
})

const breaks: [step: string, breaking: string, mending: string][] = [
  [
    'clock',
    'alter function viewkeeper.mend_ends rename to mends',
    'alter function viewkeeper.mends rename to mend_ends',
  ],
  [
    'lost-parts',
    'alter function viewkeeper.lost rename to lose',
    'alter function viewkeeper.lose rename to lost',
  ],
  ['parts', 'alter table viewkeeper.parts rename to pieces', 'alter table viewkeeper.pieces rename to parts'],
  [
    'shadows',
    'alter table viewkeeper.batch_groups rename to groups',
    'alter table viewkeeper.groups rename to batch_groups',
  ],
]
test.each(breaks)(
  'a look goes on without its step %s, which is an incident from the second time until it succeeds',
  async (step, breaking, mending) => {
    await define(sql, 'app.gone', { sql: 'select 1 as id' })
    await look()
    await sql.unsafe(breaking)
    try {
      const { incidents: first } = await look()
      expect(first).toMatchObject([{ kind: 'missing', name: 'app.gone' }])
      expect(await look()).toMatchObject({
        incidents: [{ kind: 'missing' }, { kind: 'step', name: `step ${step} of the monitor` }],
      })
      expect(await incidents()).toEqual([
        { subject: 'app.gone', text: expect.any(String) },
        {
          subject: `step ${step} of the monitor`,
          text: expect.stringMatching(
            `^The step ${step} of the monitor has failed at each look since .* UTC: undefined .* \\(42.*\\)\\. The rest of each look goes on\\.$`,
          ),
        },
      ])
    } finally {
      await sql.unsafe(mending)
    }
    await look()
    expect(await incidents()).toMatchObject([{ subject: 'app.gone' }])
    const [oldest] = (await readSteps(sql as never)).toSorted((a, b) => a.at.getTime() - b.at.getTime())
    expect(Date.now() - (oldest?.at.getTime() ?? 0)).toBeLessThan(60_000)
  },
)

test('a view with an enormous comment, query, index, or very many parts, keeps nothing of itself, and stops no look', async () => {
  await sql.unsafe(`
    create table app.t (id int); create materialized view app.small as select id from app.t; create index on app.small (id); comment on materialized view app.small is 'small';
    create materialized view e.big as select id from app.small;
    do $$ begin
      execute 'comment on materialized view e.big is ' || quote_literal(repeat('x', 50000000));
      execute 'create view e.wide as select ' || (select string_agg(format('%L as c%s', md5(n::text), n), ', ') from generate_series(1, 1500) n) || ' from e.big';
      execute 'create view e.long as select id from e.big where id in (' || (select string_agg(format('length(%L)', md5(n::text) || md5(n::text || 'x')), ', ') from generate_series(1, 40000) n) || ')';
      for n in 1..1500 loop execute format('comment on column e.wide.c%s is %L', n, repeat('y', 100)); end loop;
      for n in 1..40 loop execute format('create index on e.big ((id + %s))', n); end loop;
    end $$`)
  await look()
  expect(await sql`select subject from viewkeeper.incidents where resolved_at is null`).toEqual([])
  const kept = await sql`
    select name, length(items::text) < 1000000 as "isSmall", jsonb_array_length(items) <= 1000 as "areFew", (items @> '[{"what": "comment"}]') as "hasComment"
      from viewkeeper.parts where kind <> 'r' order by name`
  expect(kept).toEqual([
    { name: 'app.small', isSmall: true, areFew: true, hasComment: true },
    { name: 'e.big', isSmall: true, areFew: true, hasComment: false },
    { name: 'e.long', isSmall: true, areFew: true, hasComment: false },
    { name: 'e.wide', isSmall: true, areFew: true, hasComment: true },
  ])
  expect(
    await sql`select from viewkeeper.switches s, jsonb_each(s.value) e(step, of) where s.key = 'steps' and of ? 'error'`,
  ).toEqual([])
})

test('what reads as much as others have made has 5 s, and what follows has the time of a look again', async () => {
  await sql.unsafe(`
    create materialized view app.small as select 1 as id; create table e.limits (of name, has text);
    create function e.note() returns trigger language plpgsql as $$ begin
      insert into e.limits values (tg_relname, current_setting('statement_timeout')); return new; end $$;
    create trigger notes before insert on viewkeeper.parts for each row execute function e.note();
    create trigger notes before insert or update on viewkeeper.definitions for each row execute function e.note()`)
  try {
    await look()
    expect(await sql`select distinct of, has from e.limits order by 1`).toEqual([
      { of: 'definitions', has: '15s' },
      { of: 'parts', has: '5s' },
    ])
  } finally {
    await sql.unsafe('drop trigger notes on viewkeeper.parts; drop trigger notes on viewkeeper.definitions')
  }
})

test('of a view without a definition nothing is kept', async () => {
  await sql`create materialized view e.other as select 1 as id`
  const kept = () => sql`select name from viewkeeper.parts where name = 'e.other'`
  await database.withConnection((own) => lookForLost(own, true))
  expect(await kept()).toEqual([])
  await look()
  expect(await kept()).toHaveLength(1)
})
