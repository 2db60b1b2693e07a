import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeMetrics } from '../../../serve/metrics/metrics.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { lookForLost } from '../../../src/record/watch/parts.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { define, deleteRows, emptyTables, insertRow } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'

const { as, database, sql, url } = useDatabase()
const login = `looker_${new URL(url).pathname.slice(-12)}`
const looked = as(login).database
const look = (of = database) => monitor(of, { schedules: unscheduled, publish: unheard })
const incidents = () => sql`
  select subject, cause ->> 'text' as text from viewkeeper.incidents where resolved_at is null order by subject`
/** What the monitor has noted of its steps. */
const noted = async () => {
  const [row] = await sql<{ value: Record<string, { at?: string; error?: string }> }[]>`
    select value from viewkeeper.switches where key = 'steps'`
  return row?.value ?? {}
}

beforeAll(() =>
  sql.unsafe(`
    create role ${login} login password 'secret'; grant usage on schema viewkeeper to ${login};
    grant all on all tables in schema viewkeeper to ${login}; grant pg_read_all_stats to ${login}`),
)
afterAll(() => sql.unsafe(`drop owned by ${login}; drop role ${login}`))
beforeEach(async () => {
  await emptyTables(sql, 'definitions', 'incidents', 'parts')
  await deleteRows(sql, 'switches', { key: 'parts' })
  await deleteRows(sql, 'switches', { key: 'steps' })
  await sql.unsafe('drop schema if exists app, e cascade; create schema app; create schema e')
})

const renamed = (what: string, to: string): [string, string] => {
  const [, kind, schema, name] = /^(\w+) (\w+)\.(\w+)$/.exec(what) as unknown as [
    string,
    string,
    string,
    string,
  ]
  return [`alter ${what} rename to ${to}`, `alter ${kind} ${schema}.${to} rename to ${name}`]
}
const column = (table: string, name: string): [string, string] => [
  `alter table viewkeeper.${table} rename ${name} to another`,
  `alter table viewkeeper.${table} rename another to ${name}`,
]
const revoked = (right: string, by = 'public'): [string, string] => [
  `revoke ${right} from ${by}`,
  `grant ${right} to ${by}`,
]
/** Refuses what a step writes. */
const refusing = (what: string, table: string): [string, string] => [
  `create function e.refuse() returns trigger language plpgsql as $$ begin raise exception 'not today'; end $$;
   create trigger refuse before ${what} on viewkeeper.${table} for each row execute function e.refuse()`,
  `drop trigger refuse on viewkeeper.${table}`,
]

/** Each step of a look, with what breaks it, and no other, what mends that, and the kind of incident that it finds. */
const breaks: [step: string, breaking: string, mending: string, kind?: string][] = [
  ['pauses', ...renamed('table viewkeeper.actions', 'acts')],
  ['clock', ...renamed('function viewkeeper.mend_ends', 'mends')],
  ['lost-runs', ...column('runs', 'claim_by')],
  ['lost-batches', ...column('batches', 'advanced_at')],
  ['shadows', ...renamed('table viewkeeper.batch_groups', 'groups')],
  ['logs', ...revoked('execute on function pg_catalog.pg_relation_size(regclass, text)')],
  ['runs', ...column('runs', 'published_at')],
  ['batches', ...column('batches', 'published_at')],
  ['views', ...refusing('insert', 'definitions')],
  ['parts', ...renamed('table viewkeeper.parts', 'pieces')],
  ['lost-parts', ...renamed('function viewkeeper.lost', 'lose'), 'lost'],
  ['slow-runs', ...revoked('select on pg_catalog.pg_stat_all_tables'), 'slow'],
]
test.each(breaks)(
  'a look goes on without its step %s, which is an incident from the second time until it succeeds',
  async (step, breaking, mending, kind) => {
    await define(sql, 'app.gone', { sql: 'select 1 as id' })
    await look()
    const subject = `step ${step} of the monitor`
    const before = await noted()
    expect(Object.keys(before).sort()).toEqual(breaks.map(([each]) => each).sort())
    await sql.unsafe(`create materialized view app.new as select 1 as id`)
    if (kind !== undefined)
      await insertRow(sql, 'incidents', {
        subject: 'app.old',
        kinds: [kind],
        openedAt: sql`now()`,
        changedAt: sql`now()`,
        culprit: 'app.old',
        cause: { code: 'Failed' },
      })
    await sql.unsafe(breaking)
    try {
      expect(await look(looked)).toMatchObject({ incidents: [{ kind: 'missing', name: 'app.gone' }] })
      const after = await noted()
      expect(Object.keys(after).filter((each) => after[each]?.error !== undefined)).toEqual([step])
      for (const each of Object.keys(before))
        expect([each, after[each]?.at === before[each]?.at]).toEqual([each, each === step])
      expect(await look(looked)).toMatchObject({
        incidents: [{ kind: 'missing' }, { kind: 'step', name: subject }],
      })
      const failing = `${subject} has failed at each look since `
      expect(await incidents()).toEqual([
        { subject: 'app.gone', text: expect.any(String) },
        ...(kind === undefined ? [] : [{ subject: 'app.old', text: null }]),
        {
          subject,
          text: expect.stringMatching(
            `^The ${failing}.* UTC: .* \\(\\w{5}\\)\\. The rest of each look goes on\\.$`,
          ),
        },
      ])
      for (const [door, { lines }] of Object.entries({
        ls: (await listViews(database, unscheduled)).silence,
        doctor: (await doctor(database, { views: 'all', role: null })).silence ?? { lines: [] },
      }))
        expect([door, lines.map(({ text }) => text)]).toEqual([
          door,
          expect.arrayContaining([expect.stringContaining(failing)]),
        ])
      const { body } = await makeMetrics(
        database,
        { environment: 'shop', channels: [] },
        () => true,
      ).exposition()
      const at = new RegExp(`step_timestamp_seconds\\{.*step="${step}".*\\} (\\S+)`).exec(body)?.[1]
      expect(Number(at)).toBeCloseTo(Date.parse(before[step]?.at ?? '') / 1000, 1)
    } finally {
      await sql.unsafe(mending)
    }
    await look()
    expect(await incidents()).toMatchObject([{ subject: 'app.gone' }])
    expect((await noted())[step]?.at).not.toBe(before[step]?.at)
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
