import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { main } from '../../../cli/program.ts'
import { literal, quoteIdentifier } from '../../../src/sql/names.ts'
import { caught } from '../../support/cli/printed.ts'
import { lendProcess, muteConsole } from '../../support/console.ts'
import { type RdsDatabase, useRds } from '../../support/servers/rds.ts'
import { Project } from '../support/project.ts'

// What the command line prints executes nothing of others, whoever pastes it: each line is pasted here as a superuser, beside
// objects of every kind with names of every kind. Their code counts in a sequence, which no rollback takes back, whenever a
// superuser executes it.

const fresh = useRds()
const home = process.cwd()
const sings = 'select e.count();'
const names = [
  `x: ${sings}--`,
  `a"; ${sings}--`,
  `it's; ${sings}--`,
  `two"\n${sings}\n--`,
  `cr\r${sings}--`,
  `$$; ${sings}--`,
  `\\'; ${sings}--`,
  `\`${sings}\``,
  `*/ ${sings} /*`,
]

let rds: RdsDatabase

beforeAll(async () => {
  rds = await fresh()
  await rds.sql.unsafe(`
    create role mallory; create role victim; create sequence public.canary; grant usage on sequence public.canary to public;
    create function public.paste(lines jsonb) returns setof text language plpgsql as $$
    declare line text; begin
      for line in select jsonb_array_elements_text(lines) loop
        perform setval('public.canary', 1, false);
        begin execute line; exception when others then null; end;
        if (select is_called from public.canary) then return next line; end if;
      end loop;
    end $$;
    create schema v authorization victim; create schema e authorization mallory; grant all on schema e, v to public; create schema app; grant all on schema app to public;
    set role victim; create table v.secret (id int primary key, day date); create function v.own() returns int language sql as 'select 1'; revoke execute on function v.own() from public;
    set role mallory;
    create function e.count(anyelement) returns bool language plpgsql as $$ begin
      if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then perform nextval('public.canary'); end if; return true; end $$;
    create function e.count() returns bool language sql as 'select e.count(1)';
    create domain e.d as int check (e.count(value)); create domain e.int4 as pg_catalog.int4 check (e.count(value)); create domain e.text as pg_catalog.text check (e.count(1));
    create type e.pair as (a e.d);
    create function e.eq(int, int) returns bool language plpgsql as $$ begin return e.count(1); end $$;
    create operator e.=== (leftarg = int, rightarg = int, function = e.eq);
    create function e.to_text(e.pair) returns pg_catalog.text language plpgsql as $$ begin perform e.count(1); return ''; end $$;
    create cast (e.pair as pg_catalog.text) with function e.to_text(e.pair) as implicit;
    create collation e.c (provider = libc, locale = 'C');
    create function e.fixed(int) returns int language plpgsql immutable as $$ begin perform e.count(1); return $1; end $$;
    create function e.fires() returns trigger language plpgsql as $$ begin perform e.count(1); return new; end $$;
    reset role`)
  for (const name of names) {
    const [n, of] = [quoteIdentifier(name), quoteIdentifier(`${name} s`)]
    await rds.sql.unsafe(`
      create role ${n}; create schema ${of} authorization ${n}; grant all on schema ${of} to mallory;
      set role mallory; create domain ${of}.${quoteIdentifier(`${name} d`)} as int check (e.count(value)); reset role; set role ${n};
      create table ${of}.${n} (id int primary key, day date, ${n} e.d default '1'::e.d, word pg_catalog.text collate e.c, of ${of}.${quoteIdentifier(`${name} d`)}, fixed int default e.fixed(1), constraint ${n} check (e.fixed(id) > 0));
      create index ${quoteIdentifier(`${name} i`)} on ${of}.${n} (e.fixed(id)) where id = any ('{1}'::e.d[]::int[]);
      create trigger ${n} before insert on ${of}.${n} for each row execute function e.fires();
      insert into ${of}.${n} (id, day) values (1, '2026-11-01');
      create function ${of}.${n}(int) returns int language plpgsql immutable as $$ begin perform e.count(1); return $1; end $$;
      revoke execute on function ${of}.${n}(int) from public;
      create materialized view ${of}.${quoteIdentifier(`${name} m`)} as select id, ${n}, word collate e.c as word, '{1,2}'::e.d[] as ds, ${of}.${n}(id) as f from ${of}.${n} where id operator(e.===) 1;
      create index on ${of}.${quoteIdentifier(`${name} m`)} (e.fixed(id)) where id = any ('{1}'::e.d[]::int[]);
      comment on materialized view ${of}.${quoteIdentifier(`${name} m`)} is ${literal(name)};
      create view ${of}.${quoteIdentifier(`${name} v`)} as select id, '{1}'::e.int4[] as ds from ${of}.${quoteIdentifier(`${name} m`)};
      reset role; set role mallory;
      create materialized view e.${n} as select s.id, v.own() as n, f.id as other from v.secret s, ${of}.${n} f with no data;
      reset role`)
  }
})

beforeEach(() => lendProcess(home))
afterAll(() => process.chdir(home))

/** What every door has printed. */
const texts: { door: string; said: string }[] = []

/** Types a command line, as a role. */
async function by(role: string, ...line: string[]): Promise<void> {
  vi.stubEnv('DATABASE_URL', rds.as(role).url)
  vi.stubEnv('VIEWKEEPER_PASSWORD', 'hunter2')
  const said = caught(process.stdout, process.stderr)
  await main(line)
  vi.restoreAllMocks()
  muteConsole()
  texts.push({ door: line[0] as string, said: said.text })
}

/** Makes a project of these views. */
function author(...views: { name: string }[]): void {
  const project = new Project()
  process.chdir(project.folder)
  for (const [at, view] of views.entries())
    project.write(
      `views/v${at}.ts`,
      `import { defineView } from 'viewkeeper'\nexport default defineView(${JSON.stringify({ schema: 'app', ...view })})\n`,
    )
}

const begin =
  /(?:^|[:;(`>✓✗!]\s*)(?=(?:alter|comment|create|do|drop|grant|insert|reassign|refresh|revoke|rollback|select|set|with)\b)/gi
const verb = /^(?:alter|comment|create|drop|grant|revoke|select)\b/i

/**
 * What somebody may paste of a text: its lines, and what stands in a line from where a command begins, unless that is in quotes, or in
 * the server's own message, which has names without quotes, and its SQLSTATE behind it.
 */
const pasted = (text: string): string[] =>
  text.split(/\r\n|\n|\r/).flatMap((line) => {
    const bare = line.replace(/"(?:[^"]|"")*"|'(?:[^']|'')*'|^.*\([0-9A-Z]{5}\)/g, (said) =>
      'x'.repeat(said.length),
    )
    const places = [...bare.matchAll(begin)].map(({ index, 0: before }) => index + before.length)
    return [line.trim(), ...places.map((at) => line.slice(at))]
  })

/** Pastes lines as a superuser; returns those at which the canary has sung. */
const singing = async (lines: string[]): Promise<string[]> =>
  (await rds.sql`select line from public.paste(${rds.sql.json(lines)}) as line`).map(({ line }) => line)

test('no line that create-role, doctor, freeze, migrate, its repair, drift and adopt print executes code of others as the superuser who pastes it', async () => {
  author()
  await by('master', 'create-role', '--login', 'keeper_app')
  await by('master', 'create-role', '--login', 'keeper_app', '--own-views', 'give')
  await by('keeper_app', 'migrate', 'up')
  await by('keeper_app', 'doctor')
  const kinds = [names[1], names[3]] as string[]
  const all = []
  for (const name of kinds) {
    const own = name.replaceAll('\n', ' ')
    const [n, of] = [quoteIdentifier(name), quoteIdentifier(`${name} s`)]
    const fails = async (fields: object) => {
      author({ name: own, ...fields })
      await by('keeper_app', 'freeze', '-m', own)
    }
    const plain = { name: own, query: `select id, word from ${of}.${n}` }
    const sliced = {
      query: `select day, count(*) as n from ${of}.${n} group by day`,
      storage: 'table',
      slices: { by: 'day' },
      indexes: [{ name: `${own} k`, unique: true, on: '(day)' }],
    }
    await fails(plain)
    await fails({ query: `select ${literal(name)}::int as id` })
    await fails({ query: 'select 1 as id', owner: name })
    await rds.sql.unsafe(`grant usage on schema ${of} to viewkeeper_views`)
    await fails(plain)
    await fails({ query: `select ${of}.${n}(1) as id` })
    await rds.sql.unsafe(
      `grant select on ${of}.${n} to viewkeeper_views; grant execute on function ${of}.${n}(int) to viewkeeper_views`,
    )
    await fails(sliced)
    await rds.sql.unsafe(`grant ${n} to viewkeeper`)
    await fails({ ...sliced, slices: { by: n } })
    await fails({
      query: `select 1 as id from ${of}.${n}`,
      checks: { bad: `select id from ${quoteIdentifier(own)} where ${of}.nothing(id)` },
    })
    all.push(
      plain,
      {
        name: `${own} f`,
        query: `select ${of}.${n}(id) as id from ${of}.${n}`,
        indexes: [{ name: `${own} i`, unique: true, on: '(id)' }],
        comment: name,
        grants: [{ privileges: ['select'], to: name }],
      },
      {
        name: `${own} t`,
        query: `select id from ${of}.${n}`,
        indexes: [{ name: `${own} x`, unique: false, on: `((${literal(name)} || id))` }],
      },
    )
  }
  author(...all)
  await by('keeper_app', 'freeze', '-m', 'all')
  await by('keeper_app', 'migrate', 'up')
  for (const name of kinds) {
    const own = name.replaceAll('\n', ' ')
    const [n, of] = [quoteIdentifier(name), quoteIdentifier(`${name} s`)]
    const table = `app.${quoteIdentifier(`${own} t`)}`
    await rds.sql.unsafe(`
      create view ${of}.${quoteIdentifier(`${name} top`)} as select * from ${table}; alter materialized view ${table} rename column id to ${n};
      drop materialized view app.${quoteIdentifier(own)}, app.${quoteIdentifier(`${own} f`)} cascade;
      revoke select on ${of}.${n} from viewkeeper_views; drop function ${of}.${n}(int) cascade`)
  }
  await by('keeper_app', 'drift')
  await by('keeper_app', 'migrate', 'status')
  await by('keeper_app', 'migrate', 'up', '--repair')
  await by('keeper_app', 'migrate', 'down', '3', '--yes')
  for (const name of kinds) await by('keeper_app', 'adopt', `e.${quoteIdentifier(name)}`)
  await by('keeper_app', 'doctor')
  const commandsOf = (door: string) =>
    texts.flatMap((each) => (each.door === door ? pasted(each.said).filter((line) => verb.test(line)) : []))
  expect(commandsOf('create-role').length).toBeGreaterThan(50)
  expect(commandsOf('doctor').length).toBeGreaterThan(20)
  expect(commandsOf('freeze').length).toBeGreaterThan(2)
  expect(commandsOf('migrate').length).toBeGreaterThan(0)
  expect(await singing(texts.flatMap(({ said }) => pasted(said)))).toEqual([])
  const song = `select '{1}'::e.d[]`
  expect(await singing([song])).toEqual([song])
})
