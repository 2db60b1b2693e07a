import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { createRole } from '../../../src/own-schema/create-role.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Database, Sql } from '../../../src/server/database.ts'
import { literal } from '../../../src/sql/names.ts'
import { deleteRows } from '../record/rows.ts'
import { until } from '../waiting/until.ts'
import { administrator, schemaFolder } from './database.ts'
import { ofTestsThemselves } from './settings.ts'
import { startTestServer, type TestServer } from './test-server.ts'

/** Viewkeeper's login. */
export const login = 'viewkeeper_app'

type Role = 'mallory' | 'alice' | 'master' | 'boss' | 'single' | typeof login

/** A database as on RDS, in which one of the owners of views means harm. */
export interface HostileDatabase {
  /** Several connections, as superuser. */
  sql: Sql
  /** `database` connects as Viewkeeper's login, `root` as a superuser. */
  database: Database
  root: Database
  /** The database as another role. */
  databaseOf(role: Role, terms?: Parameters<typeof connectTo>[1]): Database
  /** The address of the database for a role. */
  urlOf(role: Role | 'postgres'): string
  /** Opens one session as a role. The session ends with the test. */
  session(role: string): Sql
  /** Executes a text as a role, in a new session. */
  run(role: Role, text: string): Promise<void>
  /** Sets what mallory's code (called by `m.dom` and `m.evil()`) does, but not in her own sessions. */
  arm(...body: string[]): Promise<void>
  /**
   * Stops every run at the commit of its claim, or of its success, while `work` is done; `stopped` waits
   * until a run has come so far. What an attacker can do then, they could also do without the stop if they
   * are fast enough by chance.
   */
  whileRunsStop<T>(at: 'claimed' | 'success', work: (stopped: () => Promise<void>) => Promise<T>): Promise<T>
  /** What her code did as a role that it must not run as, or what it must never do: `did, as role`. */
  breaches(): Promise<string[]>
  /** The roles that her code ran as. */
  whoRan(): Promise<string[]>
}

const password = 'secret'
const stopKey = 77

/**
 * Starts a server for this test file, because roles belong to a whole server. `master` administers the server
 * without being a superuser. `mallory` owns schema m. `alice` owns schema a, with a table that nobody else
 * may read. Schema `made` is for what Viewkeeper creates. `public.keep` writes down what code did and as
 * which role, even if the transaction is rolled back.
 */
export function useHostileDatabase(parameters: Record<string, string> = {}): HostileDatabase {
  let server: TestServer | undefined
  let sql: Sql
  let sessions: Sql[] = []
  const place = {} as { database: Database; root: Database }

  const urlOf = (role: string): string => {
    const url = new URL(server?.url as string)
    url.pathname = '/hostile'
    if (role !== 'postgres') Object.assign(url, { username: role, password })
    return url.href
  }
  const open = (role: string): Sql =>
    postgres(urlOf(role), {
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
      fetch_types: false,
      onnotice: () => {},
      connection: ofTestsThemselves,
      types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    }) as Sql
  const run = async (role: Role, text: string) => {
    const session = open(role)
    try {
      await session.unsafe(text).simple()
    } finally {
      await session.end({ timeout: 1 })
    }
  }

  beforeAll(async () => {
    server = await startTestServer({
      parameters: { max_connections: '100', deadlock_timeout: '200ms', ...parameters },
    })
    const first = administrator(server.url)
    await first.unsafe(`create role master login createrole createdb password '${password}'`)
    await first.unsafe('create database hostile owner master')
    await first.end()
    sql = administrator(urlOf('postgres'))
    await run(
      'master',
      `create role alice login password '${password}'; create role mallory login password '${password}'`,
    )
    await connectTo(fromUrl(urlOf('master'))).withConnection((admin) =>
      createRole(admin, schemaFolder, { login, password, owners: ['alice', 'mallory'], ownViews: null }),
    )
    place.database = connectTo(fromUrl(urlOf(login)))
    place.root = connectTo(fromUrl(urlOf('postgres')))
    await migrate(place.database, schemaFolder)
    await sql.unsafe(`
      create schema lab; create extension dblink schema lab;
      create table public.loot (did text, who text, at timestamptz default clock_timestamp());
      grant select, insert on public.loot to public;
      create function public.keep(did text, who text) returns void language plpgsql security definer set search_path = '' as $$
      begin
        if 'loot' = any (coalesce(lab.dblink_get_connections(), '{}')) is not true then
          perform lab.dblink_connect('loot', ${literal(urlOf('postgres'))});
        end if;
        perform lab.dblink_exec('loot', pg_catalog.format('insert into public.loot (did, who) values (%L, %L)', did, who));
      end $$;
      create schema made; grant all on schema made to public;
      create schema m authorization mallory; create schema a authorization alice`)
    await run('alice', `grant usage on schema a to public; create table a.secret as select 1 as id`)
    await run(
      'mallory',
      `grant usage, create on schema m to public;
       create table m.base as select i as id from generate_series(1, 3) i; grant select on m.base to public;
       create function m.evil(integer) returns boolean language sql as 'select true';
       create domain m.dom as integer check (m.evil(value));
       create function m.evil() returns integer language plpgsql as $$ begin perform m.evil(0); return 7; end $$;
       create function m.late() returns integer language plpgsql as $$
       begin
         if session_user <> 'mallory' then
           perform public.keep('ran late', current_user);
           ${escapeAndForge}
         end if;
         return 7;
       end $$;
       create table m.deferred (depth integer);
       create function m.at_commit() returns trigger language plpgsql as $$
       begin
         perform m.late();
         if new.depth between 1 and 30 then -- fired early: one more is queued, for the commit
           set constraints all deferred;
           insert into m.deferred values (new.depth + 1);
         end if;
         return null;
       end $$;
       create constraint trigger at_commit after insert on m.deferred deferrable initially deferred
         for each row execute function m.at_commit()`,
    )
  })

  beforeEach(async () => {
    await sql`truncate public.loot`
    await deleteRows(sql, 'switches')
    return async () => {
      await Promise.all(sessions.splice(0).map((session) => session.end({ timeout: 0 })))
    }
  })

  afterAll(async () => {
    await sql?.end({ timeout: 1 })
    await server?.stop()
  })

  const whileRunsStop: HostileDatabase['whileRunsStop'] = async (at, work) => {
    const status = at === 'claimed' ? 'running' : at
    await sql.unsafe(`
      create or replace function lab.stop() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock_shared(${stopKey}, 1); return null; end $$;
      create constraint trigger stop after update on viewkeeper.runs deferrable initially deferred for each row
        when (new.status = '${status}' and old.status <> '${status}') execute function lab.stop()`)
    const keeper = open('postgres')
    await keeper`select pg_advisory_lock(${stopKey}, 1)`
    const stopped = () =>
      until(`a run stops at ${at}`, async () => {
        const [row] = await sql`
          select from pg_locks where locktype = 'advisory' and classid = ${stopKey} and not granted`
        return row !== undefined
      })
    try {
      return await work(async () => void (await stopped()))
    } finally {
      await keeper.end({ timeout: 1 })
      await until('the runs go on', async () => {
        const [row] = await sql`select from viewkeeper.runs where status in ('pending', 'running')`
        return row === undefined
      })
      await sql`drop trigger stop on viewkeeper.runs`
    }
  }

  return {
    whileRunsStop,
    urlOf,
    get sql() {
      return sql
    },
    get database() {
      return place.database
    },
    get root() {
      return place.root
    },
    databaseOf: (role, terms) => connectTo(fromUrl(urlOf(role)), terms),
    session(role) {
      const session = open(role)
      sessions = [...sessions, session]
      return session
    },
    run,
    arm: (...body) => run('mallory', evil(body.join('\n'))),
    breaches: async () => {
      const rows = await sql<{ breach: string }[]>`
        select distinct did || ', as ' || who as breach from public.loot l join pg_roles r on r.rolname = l.who
         where did like 'forged %' or did like 'read %' or r.rolsuper or who in ('alice', 'master', ${login})
            or has_table_privilege(r.oid, 'viewkeeper.runs', 'update')
            or has_table_privilege(r.oid, 'viewkeeper.switches', 'insert') order by 1`
      return rows.map(({ breach }) => breach)
    },
    whoRan: async () => {
      const rows = await sql<{ who: string }[]>`select distinct who from public.loot order by 1`
      return rows.map(({ who }) => who)
    },
  }
}

const evil = (body: string): string => `
  create or replace function m.evil(integer) returns boolean language plpgsql as $evil$
  declare found record;
  begin
    if session_user = 'mallory' then return true; end if;
    perform public.keep('ran', current_user);
    ${body}
    return true;
  end $evil$`

/** Tries statements one by one, and writes down the role of each that succeeds. */
const tryEach = (statements: Record<string, string>): string =>
  Object.entries(statements)
    .map(
      ([did, statement]) => `
    begin
      execute ${literal(statement)};
      perform public.keep(${literal(did)}, current_user);
    exception when others then null;
    end;`,
    )
    .join('')

/** Every way in which code that runs as one role may try to become another. */
const becomeOthers = tryEach({
  'reset role': 'reset role',
  'set role': `set role ${login}`,
  'set_config role': "select pg_catalog.set_config('role', 'none', false)",
  'set session authorization': 'set session authorization default',
  'set session authorization login': `set session authorization ${login}`,
  'set role viewkeeper': 'set role viewkeeper',
})

/** Statements that only another role may execute. */
const forge = tryEach({
  'forged runs': "update viewkeeper.runs set requested_by = 'forged'",
  'forged settings':
    "insert into viewkeeper.switches (key, value) values ('forged', '1') on conflict do nothing",
  'read alice': 'select count(*) from a.secret',
})

/** Tries to become every other role, then to do what only other roles may do. */
export const escapeAndForge = `${becomeOthers}${forge}`
