import { beforeAll, expect, test } from 'vitest'
import { fixLines } from '../../../src/catalog/plan/rights.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { planRemoval } from '../../../src/own-schema/uninstall.ts'
import { lookForLost } from '../../../src/record/watch/parts.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { restore } from '../../../src/watch/restore.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { define } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { definition } from '../../support/views/frozen.ts'

// Whatever is printed to be pasted executes nothing of others: each line is pasted here as a superuser, beside objects of every kind
// whose code counts in a sequence, which no rollback takes back, whenever a superuser executes it.

const { url, database, sql } = useDatabase()
const owner = `printed_${new URL(url).pathname.slice(-8)}`
const evil = 'x: select e.count();--'

beforeAll(async () => {
  await sql.unsafe(`
    create role ${owner}; create role "${owner}: select e.count();--"; create schema e authorization ${owner}; create sequence public.canary; grant usage on sequence public.canary to public;
    create table public.theirs (id int); set role ${owner};
    create function e.count(anyelement) returns bool language plpgsql as $$ begin
      if (select rolsuper from pg_roles where rolname = current_user) then perform nextval('public.canary'); end if; return true; end $$;
    create function e.count() returns bool language sql as 'select e.count(1)';
    create domain e.d as int check (e.count(value)); create domain e.int4 as pg_catalog.int4 check (e.count(value));
    create type e.pair as (a e.d);
    create function e.eq(int, int) returns bool language plpgsql as $$ begin return e.count(1); end $$;
    create operator e.=== (leftarg = int, rightarg = int, function = e.eq);
    create function e.to_text(e.pair) returns text language plpgsql as $$ begin perform e.count(1); return ''; end $$;
    create cast (e.pair as text) with function e.to_text(e.pair) as implicit;
    create collation e.c (provider = libc, locale = 'C');
    create function e.fixed(int) returns int language plpgsql immutable as $$ begin perform e.count(1); return $1; end $$;
    create table e."${evil}" (id int, "${evil}" int default e.fixed(1), word text collate e.c);
    insert into e."${evil}" (id, word) values (1, 'a');
    create materialized view e."${evil} m" as select id, "${evil}", word collate e.c as word, '{1,2}'::e.d[] as ds from e."${evil}" where id operator(e.===) 1;
    create unique index on e."${evil} m" (id); create index "${evil} i" on e."${evil} m" (e.fixed(id)) where id = any ('{1}'::e.d[]::int[]);
    create view e.reads as select id from e."${evil} m" where id = any ('{1}'::e.int4[]::int[]);
    comment on materialized view e."${evil} m" is '${evil}'; comment on column e."${evil} m".id is 'y''; select e.count();--';
    create materialized view e.steals as select id from public.theirs with no data;
    create materialized view e.divides as select 1 / (id - 1) as n from e."${evil}" with no data;
    create materialized view e.checked as select id from e."${evil}";
    reset role; create materialized view public.mine as select 1 as id; alter materialized view public.mine owner to "${owner}: select e.count();--"`)
  await define(sql, 'e.checked', { checks: { none: 'select id from checked where e.count(id)' } })
})

const look = () => monitor(database, { schedules: unscheduled, publish: unheard })
const views = [`e."${evil} m"`, 'e.steals', 'e.divides', 'e.checked', 'public.mine']

/** All that is printed to be pasted: lines behind \`next\`, and indented ones. */
async function printed(): Promise<string[]> {
  const texts: string[] = []
  const add = (...more: (string | null | undefined)[]) => texts.push(...more.flatMap((each) => each ?? []))
  for (const view of views) {
    const result = await refresh({ view }, callOn(database)).catch((error) => error)
    add(result.message, result.details?.next, result.error?.hint, result.error?.message)
    const why = await getWhy(database, view, { schedules: unscheduled, typed: null })
    for (const { text, next } of why.causes) add(text, next)
  }
  await look()
  await sql.unsafe(
    `drop materialized view e."${evil} m" cascade; set role ${owner}; create materialized view e."${evil} m" as select id from e."${evil}"; reset role`,
  )
  await look()
  for (const { cause } of await sql`select cause from viewkeeper.incidents`) add(cause.text, cause.next)
  const findings = await doctor(database, { views: 'all', role: owner })
  add(
    ...fixLines(findings.missing),
    ...findings.views.flatMap((each) => each.refresh.map(({ because }) => because)),
  )
  for (const { text, next } of [...(findings.notSkipped ?? []), ...(findings.writers ?? [])]) add(text, next)
  for (const { text } of await readDrift(database, [
    definition(`${evil} m`, 'select 1 as id', { schema: 'e' }),
  ]).then((all) => all.map((each) => ({ text: JSON.stringify(each) }))))
    add(text)
  const removal = await planRemoval(sql as never, [], { giveTo: owner, dropDependents: true })
  add(...removal.statements)
  for (const each of await restore(database, { schema: 'e', name: `${evil} m` }, true)) add(each.because)
  return texts
}

test('no line that is printed executes code of others as the superuser who pastes it', async () => {
  await look()
  await database.withConnection((own) => lookForLost(own, true))
  const texts = await printed()
  const lines = texts.flatMap((text) => [
    text,
    ...text.split('\n').flatMap((line) => (line.startsWith('  ') ? [line.trim()] : [])),
  ])
  const asked = lines.filter((line) =>
    /^(alter|comment|create|drop|grant|insert|reassign|revoke|rollback|select|with)\b/i.test(line),
  )
  expect([texts.length > 25, asked.length >= 5]).toEqual([true, true])
  const [before] = await sql`select last_value, is_called from public.canary`
  for (const line of lines)
    await sql
      .begin(async (part) => {
        await part.unsafe(line).catch(() => {})
        throw new Error('undone')
      })
      .catch(() => {})
  const counted = () => sql`select last_value, is_called from public.canary`
  expect(await counted()).toEqual([before])
  // It would sing.
  await sql.unsafe(`select '{1}'::e.d[]`)
  expect(await counted()).not.toEqual([before])
})
