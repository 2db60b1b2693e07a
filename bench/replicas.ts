import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { fromUrl } from '../src/keeper/database-url.ts'
import { migrate } from '../src/own-schema/apply.ts'
import { schemaFolder } from '../src/package-files.ts'
import { type RefreshRequest, refresh } from '../src/run/refresh.ts'
import { connectTo } from '../src/server/connect.ts'
import type { Database, Sql } from '../src/server/database.ts'
import { administrator, callOn } from '../test/support/servers/database.ts'
import { startStandby } from '../test/support/servers/standby.ts'
import { startTestServer } from '../test/support/servers/test-server.ts'
import { inRounds, measure, refreshWhole, runBatch, type Sample } from './support/measure.ts'
import type { BenchServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

const readEveryMs = 25
const reportSeconds = 8
const readerConnections = 8

/**
 * Measures how long readers on a standby wait for each strategy, with and without a report that reads the views there all the
 * time, before and after somebody has said that the views are read on replicas.
 */
export async function measureReplicas(): Promise<Row[]> {
  const primary = await startTestServer()
  // Without feedback, replay may wait for the report's snapshot before it comes to any lock, and the readers would not wait.
  const standby = await startStandby(primary, { parameters: { hot_standby_feedback: 'on' } })
  const on = (readOnReplicas: boolean): Database => connectTo(fromUrl(primary.url), { readOnReplicas })
  const sql = administrator(primary.url)
  const readers = postgres(standby.url, { max: readerConnections, ...({ max_pipeline: 1 } as object) })
  const reports = postgres(standby.url, { max: 1 })
  try {
    await migrate(on(false), schemaFolder)
    await sql.unsafe(`
      create table numbers as select id, 0 as version from generate_series(1, 200000) id;
      create materialized view single as select * from numbers; create unique index on single (id);
      create materialized view parent as select * from numbers; create unique index on parent (id);
      create materialized view child as select * from parent where id % 2 = 0; create unique index on child (id);
      analyze`)
    const server = (said: boolean): BenchServer => ({
      url: primary.url,
      version: primary.version,
      database: on(said),
      sql,
    })
    /** Does the work while open-loop readers, and maybe a report, read the views on the standby. */
    const beside = async (name: string, views: string, report: boolean, work: () => Promise<unknown>) => {
      await sql`update numbers set version = version + 1 where id % 2 = 0`
      await standby.caughtUp()
      const reading = readUntilStopped(readers, views)
      const reported = report ? readForLong(reports) : undefined
      await pause(500)
      const asked = new Date()
      const sample = await measure(sql, work)
      await standby.caughtUp()
      const cut = await reported
      const { reads, failed } = await reading.stop()
      const [how] = await sql`
        select string_agg(distinct meta #>> '{response,strategy}', ', ') as done from viewkeeper.runs where requested_at >= ${asked}`
      const said = [
        name.startsWith('a') ? `${name}: ${how?.done}` : name,
        ...(failed.length > 0 ? [`${failed.length} of ${reads.length} reads failed (${failed[0]})`] : []),
        ...(cut === null || cut === undefined ? [] : [`the report failed (${cut})`]),
      ]
      return compare(said.join(', '), [{ ...sample, reads }])
    }
    const rowsOf = async (said: boolean, report: boolean): Promise<Row[]> => {
      const run = (request: RefreshRequest) => () => refreshWhole(server(said), request)
      const one = (strategy: 'regular' | 'swap' | 'concurrent' | 'auto') =>
        beside(strategy, oneView, report, run({ view: 'single', strategy }))
      const rows = said
        ? [await one('auto')]
        : [await one('regular'), await one('swap'), await one('concurrent')]
      const group = run({ view: 'parent' })
      const batch = () => runBatch(server(said), { views: ['parent', 'child'], exchange: 'together' })
      return [
        ...rows,
        await beside('a view with one that reads it, auto', bothViews, report, group),
        await beside('a batch of both', bothViews, report, batch),
      ]
    }
    console.error('bench: readers on a standby, about 2 minutes')
    return [
      {
        title: `PostgreSQL ${primary.version}: 200,000 rows, half of them changed, a read on the standby every ${readEveryMs} ms`,
      },
      ...(await rowsOf(false, false)),
      { title: `The same beside a report of ${reportSeconds} s on the standby` },
      ...(await rowsOf(false, true)),
      { title: 'The same with readOnReplicas: true' },
      ...(await rowsOf(true, true)),
    ]
  } finally {
    await Promise.all([sql.end({ timeout: 1 }), readers.end({ timeout: 1 }), reports.end({ timeout: 1 })])
    await standby.stop()
    await primary.stop()
  }
}

const oneView = 'select version from single where id = 7'
const bothViews = 'select count(*) from parent join child using (id) where id < 50'

type Client = ReturnType<typeof postgres>

/** Reads again and again, each read at its own time however long others take, until `stop`. */
function readUntilStopped(sql: Client, query: string) {
  const answers: Promise<number>[] = []
  const failed: string[] = []
  let stopped = false
  const read = async () => {
    const due = performance.now()
    await sql.unsafe(query).catch((error) => failed.push(error.code))
    return performance.now() - due
  }
  const loop = (async () => {
    for (; !stopped; await pause(readEveryMs)) answers.push(read())
  })()
  return {
    async stop() {
      stopped = true
      await loop
      return { reads: await Promise.all(answers), failed }
    },
  }
}

/** A report that has read all views and goes on; the SQLSTATE that ended it, if it did not end by itself. */
const readForLong = (sql: Client): Promise<string | null> =>
  sql
    .begin(async (report) => {
      for (const view of ['single', 'parent', 'child']) await report`select count(*) from ${report(view)}`
      await report`select pg_sleep(${reportSeconds})`
    })
    .then(
      () => null,
      (error) => error.code,
    )

const calls = 1000

/** Measures a call of the functions that tell how old data are, beside an empty function, on a primary and a standby. Linux. */
export async function measureFreshness(): Promise<Row[]> {
  const primary = await startTestServer()
  const standby = await startStandby(primary)
  const sql = administrator(primary.url)
  try {
    console.error('bench: freshness in SQL, about half a minute')
    const database = connectTo(fromUrl(primary.url))
    await migrate(database, schemaFolder)
    await sql.unsafe(`
      create materialized view sales as select 1 as id;
      create function nothing(text) returns boolean language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp as 'begin return true; end';
      insert into viewkeeper.definitions (schema_name, name, source) select 'public', 'v' || i, 'discovered' from generate_series(1, 500) i;
      insert into viewkeeper.definitions (schema_name, name, source) values ('public', 'sales', 'discovered');
      insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, status, trigger, finished_at)
        select 1 + i % 501, 'public', 'v', 'refresh', 'success', 'schedule', clock_timestamp() from generate_series(1, 100000) i`)
    await refresh({ view: 'sales' }, callOn(database))
    await sql`vacuum analyze`
    await standby.caughtUp()
    const rows: Row[] = [
      {
        title: `PostgreSQL ${primary.version}, 100,000 runs of 501 views: time on the processor for a call, of ${calls} in a loop`,
      },
    ]
    for (const [where, server] of [
      ['on the primary', sql],
      ['on a standby', standby.sql],
    ] as const) {
      const arm = (call: string) => () => server.begin((session) => timed(session as unknown as Sql, call))
      const { empty, ...arms } = await inRounds(
        {
          empty: arm(`nothing('sales')`),
          asOf: arm(`viewkeeper.as_of('sales')`),
          isFresh: arm(`viewkeeper.is_fresh('sales', '1 day')`),
          requireFresh: arm(`viewkeeper.require_fresh('sales', '1 day')`),
        },
        { rounds: 30, warmUp: 3 },
      )
      rows.push(
        { title: where },
        compare('an empty function', empty),
        ...Object.entries(arms).map(([name, samples]) => ({
          ...compare(name, samples, { to: empty }),
          goalMs: 0.1,
        })),
      )
    }
    return rows
  } finally {
    await sql.end({ timeout: 1 })
    await standby.stop()
    await primary.stop()
  }
}

/** The time that the server's process has spent on the processor for a call. */
async function timed(session: Sql, call: string): Promise<Sample> {
  const [row] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`
  const loop = `do $$ begin for i in 1..${calls} loop perform ${call}; end loop; end $$`
  await session.unsafe(loop)
  const before = onProcessorNs(row?.pid)
  await session.unsafe(loop)
  return { ms: (onProcessorNs(row?.pid) - before) / 1e6 / calls, reads: [] }
}

const onProcessorNs = (pid: number | undefined): number =>
  Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0])
