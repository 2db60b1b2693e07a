import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { fromUrl } from '../src/keeper/database-url.ts'
import { migrate } from '../src/own-schema/apply.ts'
import { schemaFolder } from '../src/package-files.ts'
import type { RefreshRequest } from '../src/run/refresh.ts'
import { connectTo } from '../src/server/connect.ts'
import type { Sql } from '../src/server/database.ts'
import { administrator } from '../test/support/servers/database.ts'
import { installed, startTestServer } from '../test/support/servers/test-server.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../test/support/views/slow-view.ts'
import { holdLocks } from '../test/support/waiting/holder.ts'
import { until } from '../test/support/waiting/until.ts'
import { measure, median, refreshWhole } from './support/measure.ts'
import type { Row } from './support/table.ts'

const strategies = ['regular', 'concurrent', 'swap'] as const

/** Where one strategy is measured. */
interface Place {
  url: string
  sql: Sql
  how: (typeof strategies)[number]
  /** Changes so many percent of the rows. */
  change(percent: number): Promise<unknown>
  refresh(more?: Partial<RefreshRequest>): Promise<void>
}

const lines: Record<string, (place: Place) => Promise<string>> = {
  'Event triggers, notifications': countFirings,
  'Counters of the view': compareCounters,
  'WAL, 1 % of the rows changed': (place) => measureWal(place, 1),
  'WAL, all rows changed': (place) => measureWal(place, 100),
  'Changes decoded by test_decoding, 1 % of the rows changed': countDecoded,
  'A subscriber of all tables, with schema viewkeeper': (place) => subscribe(place, 'for all tables', true),
  'The same without schema viewkeeper': (place) => subscribe(place, 'for all tables', false),
  'A subscriber of schema bench': (place) => subscribe(place, 'for tables in schema bench', false),
  'pg_dump that begins during the fill': dumpDuring,
  'Refresh that begins during a pg_dump': refreshBesideDump,
  'vacuum full of the table during the fill': (place) => vacuumDuring(place, 'bench.base'),
  'vacuum full of the view during the fill': (place) => vacuumDuring(place, 'slow'),
  'prepare q as select *': (place) => executePrepared(place, '*'),
  'prepare q as select id, note': (place) => executePrepared(place, 'id, note'),
  'A snapshot from before that has not read the view': readOldSnapshot,
  'An open cursor': (place) => refreshBeside(place, 'declare c cursor for select * from mv; fetch 1 from c'),
  'A cursor with hold': (place) =>
    refreshBeside(place, 'declare c cursor with hold for select * from mv; commit'),
}

/** Measures what a refresh does to event triggers, counters, subscribers, dumps, vacuum and open sessions. */
export async function measureOthers(): Promise<Row[]> {
  const parameters = { wal_level: 'logical', max_replication_slots: '20', autovacuum: 'off' }
  const server = await startTestServer({ parameters })
  const sql = administrator(server.url)
  const database = connectTo(fromUrl(server.url))
  try {
    await migrate(database, schemaFolder)
    await makeWatchedViews(sql)
    const places = strategies.map((how): Place => {
      const request = { view: 'public.mv', strategy: how }
      return {
        ...{ url: server.url, sql, how },
        change: (percent) => sql`update bench.base set version = version + 1 where id % 100 < ${percent}`,
        refresh: (more) => refreshWhole({ ...server, sql, database }, { ...request, ...more }),
      }
    })
    const table = [['', ...strategies].join(' | ')]
    for (const [name, measureCell] of Object.entries(lines)) {
      console.error(`bench: ${name}`)
      const cells: string[] = []
      for (const place of places) cells.push(await measureCell(place))
      table.push([name, ...cells].join(' | '))
    }
    const title = `PostgreSQL ${server.version}: 10,000 rows, a unique index, a plain view above`
    return [title, ...table].map((line) => ({ title: line }))
  } finally {
    await sql.end({ timeout: 1 })
    await server.stop()
  }
}

/** How often the triggers of each event fire, by tag, and what a listener gets from a trigger that notifies, choosy or not. */
async function countFirings({ sql, change, refresh }: Place): Promise<string> {
  const heard: string[] = []
  const { unlisten } = await sql.listen('reload', (payload) => heard.push(payload))
  const events = ['ddl_command_start', 'ddl_command_end', 'sql_drop', 'table_rewrite']
  await change(1)
  for (const event of events)
    await sql.unsafe(`create event trigger on_${event} on ${event} execute function note_firing()`)
  await sql`truncate firings`
  heard.length = 0
  await refresh()
  await sql`notify reload, 'end'`
  await until('the end is heard', async () => heard.includes('end'))
  for (const event of events) await sql.unsafe(`drop event trigger on_${event}`)
  await unlisten()
  const told = await sql<{ tags: string }[]>`
    select event || ' ' || sum(n) || ' (' || string_agg(n || ' ' || tag, ', ' order by n desc, tag) || ')' as tags
      from (select event, tag, count(*) as n from firings where tag <> 'DROP EVENT TRIGGER' group by 1, 2) t group by event`
  const count = (payload: string) => heard.filter((each) => each === payload).length
  return [...told.map(({ tags }) => tags), `notified ${count('any')}, choosy ${count('choosy')}`].join('; ')
}

/** The counters of the view before and after a refresh. Another refresh and five scans came before that. */
async function compareCounters({ sql, change, refresh }: Place): Promise<string> {
  await refresh({ strategy: 'swap' })
  await change(1)
  await sql.begin(async (its) => {
    for (let at = 0; at < 5; at++) await its`select count(*) from mv where note > ''`
    await its`select pg_stat_force_next_flush()`
  })
  const read = async () => {
    const [row] = await sql`
      select seq_scan, n_tup_ins, n_live_tup from pg_stat_user_tables where relid = 'mv'::regclass`
    return row!
  }
  const before = await read()
  await refresh()
  const after = await read()
  return Object.keys(before)
    .map((name) => `${name} ${before[name]} to ${after[name]}`)
    .join(', ')
}

async function measureWal({ sql, change, refresh }: Place, percent: number): Promise<string> {
  const written: number[] = []
  for (let round = 0; round < 5; round++) {
    await change(percent)
    written.push((await measure(sql, () => refresh())).walBytes!)
  }
  return `${Math.round(median(written) / 1000)} kB`
}

async function countDecoded({ sql, change, refresh }: Place): Promise<string> {
  await change(1)
  await sql`select pg_create_logical_replication_slot('decoded', 'test_decoding')`
  await refresh()
  const [row] = await sql`
    select count(*) filter (where data like 'table public.%') as views, count(*) filter (where data like 'table viewkeeper.%') as record
      from pg_logical_slot_get_changes('decoded', null, null)`
  await sql`select pg_drop_replication_slot('decoded')`
  return `${row!.views} of views, ${row!.record} of schema viewkeeper`
}

async function subscribe({ url, sql, change, refresh }: Place, what: string, has: boolean): Promise<string> {
  const { outcome, leave } = await startSubscriber(url, sql, what, has)
  await change(1)
  await refresh()
  await sql`insert into bench.alone values (1)`
  const met = await outcome()
  await leave()
  return met
}

/** Does `work` while the refresh of `slow` is in the middle of its fill. */
const duringFill = <T>({ sql, refresh }: Place, work: () => Promise<T>): Promise<T> =>
  withGateClosed(sql, 'slow', async (open) => {
    const run = refresh({ view: 'public.slow' })
    await untilAtGate(sql, 'slow')
    const met = await work()
    await open()
    await run
    return met
  })

async function dumpDuring(place: Place): Promise<string> {
  if (!hasDump) return 'no pg_dump'
  let dumped: Promise<string> | undefined
  const met = await duringFill(place, () => {
    dumped = dump(place.url)
    return Promise.race([dumped.then(() => 'does not wait'), untilWaiting(place.sql, '^pg_dump$', 'Lock')])
  })
  return `${met}, ${await dumped}`
}

/** The dump has listed the catalog and waits for a table, which somebody has locked. */
async function refreshBesideDump({ url, sql, refresh }: Place): Promise<string> {
  if (!hasDump) return 'no pg_dump'
  const holder = await holdLocks(url, 'lock table bench.alone')
  const dumped = dump(url)
  await untilWaiting(sql, '^pg_dump$', 'Lock')
  const run = refresh().then(() => 'does not wait')
  const met = await Promise.race([run, untilWaiting(sql, '^viewkeeper run [0-9]+ locking$', 'PgSleep')])
  await holder.letGo()
  await run
  return `${met}, ${await dumped}`
}

const vacuumDuring = (place: Place, relation: string) =>
  duringFill(place, async () => {
    const session = postgres(place.url, { max: 1, connection: { lock_timeout: 500 } })
    const met = await session.unsafe(`vacuum full ${relation}`).then(
      () => 'does not wait',
      ({ code }) => (code === '55P03' ? 'waits' : code),
    )
    await session.end()
    return met
  })

async function executePrepared({ url, change, refresh }: Place, columns: string): Promise<string> {
  const session = postgres(url, { max: 1, connection: { plan_cache_mode: 'force_generic_plan' } })
  await session.unsafe(`prepare q as select ${columns} from mv`)
  await session.unsafe('execute q')
  await change(100)
  await refresh()
  const read = await session.unsafe('execute q').catch(({ message }) => message)
  await session.end()
  return typeof read === 'string' ? read : `${read.length} rows`
}

async function readOldSnapshot({ url, sql, change, refresh }: Place): Promise<string> {
  const session = postgres(url, { max: 1 })
  const [now] = await sql`select max(version) as version from mv`
  const seen = await session.begin('isolation level repeatable read', async (its) => {
    await its`select 1`
    await change(100)
    await refresh()
    const [row] = await its`select count(*) as n, max(version) > ${now!.version} as newer from mv`
    return `${row!.n} ${row!.newer ? 'new' : 'old'} rows`
  })
  await session.end()
  return seen
}

/** Whether a refresh gets its locks beside a cursor, and how many rows the cursor reads afterwards. */
async function refreshBeside({ url, change, refresh }: Place, statements: string): Promise<string> {
  const session = postgres(url, { max: 1 })
  await session.unsafe(`begin; ${statements}`)
  await change(100)
  const met = await refresh({ timeoutSeconds: 5 }).then(
    () => 'does not wait',
    ({ message }) => (message.includes('LockTimeout') ? 'waits' : message),
  )
  const read = await session.unsafe('fetch all from c')
  await session.end()
  return `the refresh ${met}, the cursor reads ${read.length} rows`
}

const pgDump = installed === undefined ? '' : join(dirname(installed.postgres), 'pg_dump')

/** Whether there is a `pg_dump`. The servers of npm have none; the folder that POSTGRES names does. */
const hasDump = existsSync(pgDump)

/** Dumps a database, and says how that ended. */
const dump = (url: string): Promise<string> =>
  promisify(execFile)(pgDump, ['-f', '/dev/null', url]).then(
    () => 'the dump succeeds',
    ({ stderr }) => `the dump fails: ${stderr}`,
  )

/** Waits until a session whose name matches waits for such an event. */
const untilWaiting = (sql: Sql, name: string, event: string): Promise<string> =>
  until(`${name} waits`, async () => {
    const [row] = await sql`
      select from pg_stat_activity where application_name ~ ${name} and ${event} in (wait_event_type, wait_event)`
    return row && 'waits'
  })

/**
 * Makes view `mv`, view `slow`, whose refresh stands at a gate, table `bench.alone`, which no view reads, and a function for event
 * triggers. It notifies channel `reload`: `any` for every command, `choosy` for those that leave something changed.
 */
async function makeWatchedViews(sql: Sql): Promise<void> {
  const query = 'select id, version, note from bench.base'
  await sql.unsafe(`
    create schema bench;
    create table bench.base as select id, 0 as version, md5(id::text) as note from generate_series(1, 10000) id;
    alter table bench.base add primary key (id);
    create table bench.alone (id integer);
    create materialized view mv as ${query}; create unique index mv_id on mv (id);
    create view above as select id from mv;
    create table firings (event text, tag text);
    create function note_firing() returns event_trigger language plpgsql as $$ begin
      insert into public.firings values (tg_event, tg_tag);
      if tg_event = 'ddl_command_end' then
        notify reload, 'any';
        perform pg_notify('reload', 'choosy') from pg_event_trigger_ddl_commands() where command_tag <> 'REFRESH MATERIALIZED VIEW';
      elsif tg_event = 'sql_drop' then
        notify reload, 'any';
        perform pg_notify('reload', 'choosy') from pg_event_trigger_dropped_objects() where not is_temporary;
      end if;
    end $$`)
  await makeGatedView(sql, 'slow', query)
}

interface Subscriber {
  /** Waits until the next row of `bench.alone` or an error has arrived. */
  outcome(): Promise<string>
  leave(): Promise<void>
}

let started = 0

/** Starts a subscriber of a publication: another database of the same server, with the tables of `bench`, without the views. */
async function startSubscriber(
  url: string,
  sql: Sql,
  publication: string,
  hasSchemaViewkeeper: boolean,
): Promise<Subscriber> {
  const name = `subscriber_${++started}`
  await sql.unsafe(`create database ${name}`)
  const there = Object.assign(new URL(url), { pathname: `/${name}` }).href
  const target = administrator(there)
  // `create subscription` insists on every published table; the publisher may get more of them later.
  await migrate(connectTo(fromUrl(there)), schemaFolder)
  await target.unsafe(`
    create schema bench; create table bench.base (id integer primary key, version integer, note text);
    create table bench.alone (id integer); create table firings (event text, tag text)`)
  await sql.unsafe(`create publication ${name} ${publication}`)
  await sql`select pg_create_logical_replication_slot(${name}, 'pgoutput')`
  const { hostname, port, username, password } = new URL(url)
  await target.unsafe(`
    create subscription ${name}
      connection 'host=${hostname} port=${port} user=${username} password=${password} dbname=postgres'
      publication ${name} with (create_slot = false, copy_data = false)`)
  if (!hasSchemaViewkeeper) await target`drop schema viewkeeper cascade`
  return {
    outcome: () =>
      until('the row or an error arrives', async () => {
        if ((await target`select from bench.alone`).length > 0) return 'goes on'
        const [stats] = await target`
          select apply_error_count as errors from pg_stat_subscription_stats where subname = ${name}`
        return stats!.errors > 0 && 'stops with an error'
      }),
    async leave() {
      await target.unsafe(`alter subscription ${name} disable`)
      await target.end()
      await sql.unsafe(`drop publication ${name}`)
    },
  }
}
