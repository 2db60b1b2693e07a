import { setTimeout } from 'node:timers/promises'
import { everyDay } from '../src/catalog/plan/scheduled.ts'
import { defaults } from '../src/config/options.ts'
import { readRuns } from '../src/record/runs/history.ts'
import { readViewMetrics, readViewStatus } from '../src/record/watch/metrics.ts'
import { prepareKept, pruneRange, vacuumHistory } from '../src/record/watch/prune.ts'
import type { Sql } from '../src/server/database.ts'
import { monitor } from '../src/watch/monitor.ts'
import { listViews } from '../src/watch/read-views.ts'
import { median, summarize } from './support/measure.ts'
import { type BenchServer, withServer } from './support/server.ts'
import type { Row } from './support/table.ts'

const views = 1000
const runs = 10_000_000
const rounds = 30
const inDatabase = '  of it in the database'

/** Measures reading a long history, and pruning the old part of it. */
export const measureHistory = (): Promise<Row[]> =>
  withServer(async (server) => {
    console.error(`bench: writing ${runs.toLocaleString('en')} runs, some minutes`)
    await writeHistory(server.sql)
    return [
      {
        title: `PostgreSQL ${server.version}, ${runs.toLocaleString('en')} runs of ${views.toLocaleString('en')} views`,
      },
      { title: 'Reading all of it' },
      ...(await measureReads(server)),
      ...(await measurePruning(server)),
      { title: 'Reading what is left' },
      ...(await measureReads(server)),
    ]
  })

/** Runs as 120 days of a busy environment leave them: one in a hundred failed, one in fifty skipped. */
async function writeHistory(sql: Sql): Promise<void> {
  for (let view = 1; view <= views; view++)
    await sql.unsafe(`create materialized view public.v${view} as select 1 as id`)
  await sql`
    insert into viewkeeper.definitions (schema_name, name, source, sql, max_staleness_seconds)
    select 'public', 'v' || n, 'authored', 'select 1', 86400 from generate_series(1, ${views}) n`
  const atOnce = 500_000
  // The history is whole at once, so the last ends are kept afterwards.
  await sql`alter table viewkeeper.runs disable trigger user`
  for (let from = 0; from < runs; from += atOnce) {
    await sql.unsafe(`
      insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, status, trigger, requested_by, requested_at,
        started_at, finished_at, duration_ms, row_count_after, published_at, announced_at, error, meta)
      select d, 'public', 'v' || d, 'refresh', status, 'schedule', 'nightly', at, at, at + ms * interval '1 ms', ms, 1000 + d, at, at,
             case status when 'failed' then '{"class": "ViewSqlFailed", "message": "division by zero", "sqlstate": "22012"}'::jsonb end,
             jsonb_build_object('request', '{}'::jsonb, 'response', jsonb_build_object('strategy', 'swap', 'attempts', 1,
               'because', 'a swap is possible', 'sql', jsonb_build_array('refresh materialized view "public"."v"')))
        from (select 1 + n % ${views} as d, now() - interval '120 days' + n * (interval '120 days' / ${runs}) as at,
                     500 + (n::bigint * 7919) % 1000 as ms,
                     case when n % 101 = 0 then 'failed' when n % 51 = 0 then 'skipped' else 'success' end as status
                from generate_series(${from + 1}, ${from + atOnce}) n) x`)
  }
  await sql`alter table viewkeeper.runs enable trigger user`
  await sql`select viewkeeper.find_last_ends(array(select id from viewkeeper.definitions))`
  // The catalog, too: autovacuum is off.
  await sql.unsafe('vacuum analyze')
}

async function measureReads({ sql, database }: BenchServer): Promise<Row[]> {
  console.error('bench: reading, a few seconds')
  // A function executes each query once on a connection of its own, so the server never uses a generic plan.
  await sql`set plan_cache_mode = force_custom_plan`
  const schedules = { nightly: everyDay(defaults.schedules.nightly), views: true }
  const idleMinute = () =>
    monitor(database, {
      schedules,
      publish: { runs() {}, batches() {}, incidents() {} },
    })
  return [
    await timed('status of all views', 60, () => readViewStatus(sql)),
    await executed(sql, 'select * from viewkeeper.view_status', 60),
    ...(await called(sql, 'status of all views, as a function asks it', 100, () =>
      database.withConnection((own) => readViewStatus(own)),
    )),
    ...(await called(sql, 'the list of all views', 10, () => listViews(database, schedules))),
    await timed('24 h metrics of all views', 50, () => readViewMetrics(sql, 86_400)),
    await executed(sql, `select * from viewkeeper.view_metrics('24 hours')`, 50),
    await timed('30 d metrics of all views', undefined, () => readViewMetrics(sql, 30 * 86_400), 3),
    await timed('last 50 runs of a view', 1, () => readRuns(sql, { definitionId: 17, limit: 50 })),
    await timed('last 50 canceled runs of all views, of which there are none', 1, () =>
      readRuns(sql, { status: ['canceled'], limit: 50 }),
    ),
    await timed('50 runs of an hour 60 days ago', 5, () =>
      readRuns(sql, { since: daysAgo(60), until: new Date(daysAgo(60).getTime() + 3_600_000), limit: 50 }),
    ),
    ...(await called(sql, "the monitor's idle minute", 100, idleMinute)),
  ]
}

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)

async function timed(
  name: string,
  goalMs: number | undefined,
  work: () => Promise<unknown>,
  goes = rounds,
): Promise<Row> {
  await work()
  const times: number[] = []
  for (let round = 0; round < goes; round++) {
    const start = performance.now()
    await work()
    times.push(performance.now() - start)
  }
  return { name, ms: summarize(times), ...(goalMs === undefined ? {} : { goalMs }) }
}

/** A call with a connection of its own: how long it takes, connecting included, and how long the server is busy with it. */
async function called(
  sql: Sql,
  name: string,
  goalMs: number | undefined,
  work: () => Promise<unknown>,
): Promise<Row[]> {
  return [
    await timed(`${name}, connecting included`, goalMs, work),
    { name: inDatabase, ms: summarize([await activeTime(sql, work, rounds)]), goalMs: 60 },
  ]
}

/** How long the server takes to execute a query, without planning it and sending the rows. */
async function executed(sql: Sql, query: string, goalMs: number): Promise<Row> {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const [row] = await sql.unsafe(`explain (analyze, timing off, format json) ${query}`)
    times.push(row?.['QUERY PLAN'][0]['Execution Time'])
  }
  return { name: inDatabase, ms: summarize(times), goalMs }
}

/** How long the server is busy with `work`, on average, milliseconds. `work` opens its own connection. */
async function activeTime(sql: Sql, work: () => Promise<unknown>, goes: number): Promise<number> {
  const read = async () => {
    await othersGone(sql)
    // Counts what this connection has done so far, which would be counted between the readings otherwise.
    await sql`select pg_stat_force_next_flush()`
    const [row] = await sql<{ ms: number }[]>`
      select active_time as ms from pg_stat_database where datname = current_database()`
    return row!.ms
  }
  const before = await read()
  for (let go = 0; go < goes; go++) await work()
  return ((await read()) - before) / goes
}

/** Waits until the other sessions have left the list, a moment after their clients, and so are counted. */
async function othersGone(sql: Sql): Promise<void> {
  const others = () => sql`
    select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`
  while ((await others()).length > 0) await setTimeout(20)
}

const retention = { successes: 500, days: 90 }
const runsAtOnce = 10_000
const goalPerSecond = 800_000

/**
 * Measures pruning the old part of a long history, and checks what is left. None of the oldest runs is kept:
 * every other range of them is removed by a bare DELETE of its ids, which shows what removing costs if
 * nothing has to be decided.
 */
async function measurePruning({ sql }: BenchServer): Promise<Row[]> {
  console.error('bench: pruning, a minute')
  await writeExpected(sql)
  const [whole] = await sql<{ runs: number; keptFrom: number }[]>`
    select (select count(*) from viewkeeper.runs) as runs, (select min(id) from public.expected) as "keptFrom"`
  const { runs, keptFrom } = whole!
  await sql`set plan_cache_mode = auto`
  // The prune says this itself. A bare delete looks whether it has removed a last end, unless it says the same.
  await sql`select set_config('viewkeeper.spares_last_ends', 'on', false)`
  await sql`checkpoint`
  const { ms: prepared, result: allFrom } = await time(() => prepareKept(sql, retention))
  const ours: { ms: number; removed: number }[] = []
  const beside: { ours: number; bare: number }[] = []
  for (let from: number | null = 1; from !== null; ) {
    const start: number = from
    const { ms, result } = await time(() => pruneRange(sql, start, runsAtOnce, retention, allFrom))
    ours.push({ ms, removed: result.removed })
    from = result.next
    if (from !== null && from + runsAtOnce < keptFrom) {
      const next: number = from
      beside.push({ ours: ms, bare: (await time(() => deleteBare(sql, next))).ms })
      from = next + runsAtOnce
    }
  }
  await insistOnExpected(sql)
  const { ms: vacuumed } = await time(() => vacuumHistory(sql, 600_000))
  const times = ours.map(({ ms }) => ms)
  const seconds = times.reduce((sum, ms) => sum + ms, 0) / 1000
  const removed = ours.reduce((sum, range) => sum + range.removed, 0)
  const perSecond = removed / seconds
  return [
    {
      title: `Pruning ${written(runs)} runs: ${written(perSecond)} removed a second (goal ${written(goalPerSecond)}, ${perSecond < goalPerSecond ? 'missed' : 'ok'})`,
    },
    { name: 'writing down what each view keeps', ms: summarize([prepared]) },
    {
      name: `a transaction of ${written(runsAtOnce)} runs`,
      ms: summarize(times),
      goalMs: 50,
      ratio: { measured: median(beside.map(({ ours, bare }) => ours / bare)), goal: 1.1 },
    },
    { name: '  a bare delete of as many', ms: summarize(beside.map(({ bare }) => bare)) },
    { name: 'vacuuming what is left', ms: summarize([vacuumed]) },
  ]
}

const deleteBare = (sql: Sql, from: number) =>
  sql`delete from viewkeeper.runs where id >= ${from} and id < ${from + runsAtOnce}`

async function time<T>(work: () => PromiseLike<T>): Promise<{ ms: number; result: T }> {
  const start = performance.now()
  const result = await work()
  return { ms: performance.now() - start, result }
}

const written = (number: number) => Math.round(number).toLocaleString('en')

/** The runs that must be left, by the documented rule. This query does not follow the product's SQL. */
const writeExpected = (sql: Sql) =>
  sql.unsafe(`
    create table public.expected as
      select id from (
        select id, status, finished_at, row_number() over (partition by definition_id, status order by id desc) as place
          from viewkeeper.runs) r
       where (status = 'success' and place <= ${retention.successes})
          or (status = 'failed' and place = 1)
          or (status <> 'success' and finished_at >= now() - interval '${retention.days} days')`)

async function insistOnExpected(sql: Sql): Promise<void> {
  const [row] = await sql`
    select count(*) filter (where e.id is null) as "tooMany", count(*) filter (where r.id is null) as "tooFew"
      from viewkeeper.runs r full join public.expected e using (id)`
  // Some runs become old enough to be pruned between the two looks at the clock.
  if (row?.tooMany > 0 || row?.tooFew > 100) throw new Error(`prune left ${JSON.stringify(row)}`)
}
