import type { Sql } from '../src/db/connect.ts'
import { readRuns } from '../src/db/history.ts'
import { readViewMetrics, readViewStatus } from '../src/db/metrics.ts'
import { prepareCutoffs, pruneRange } from '../src/db/prune.ts'
import { monitor } from '../src/operations/monitor.ts'
import { nightly } from '../src/plan/nightly.ts'
import { type BenchServer, withServer } from './server.ts'
import { summarize } from './statistics.ts'
import type { Row } from './table.ts'

const views = 1000
const runs = 10_000_000
const days = 90
const retention = { successes: 500, days }
const runsAtOnce = 5000

/** Measures what is asked of a long history, and what taking the old part of it away costs. */
export const measureHistory = (): Promise<Row[]> =>
  withServer(async (server) => {
    console.error(`bench: writing ${runs.toLocaleString('en')} runs, some minutes`)
    await writeHistory(server.sql)
    return [
      {
        title: `PostgreSQL ${server.version}, ${runs.toLocaleString('en')} runs of ${views.toLocaleString('en')} views`,
      },
      ...(await measureReads(server)),
      ...(await measurePrune(server)),
    ]
  })

/** Runs as 120 days of a busy environment leave them: one in a hundred failed, one in fifty skipped. */
async function writeHistory(sql: Sql): Promise<void> {
  await sql`
    insert into viewkeeper.definitions (schema_name, name, source, sql, max_staleness_seconds)
    select 'public', 'v' || n, 'authored', 'select 1', 86400 from generate_series(1, ${views}) n`
  const step = 500_000
  for (let from = 0; from < runs; from += step) {
    await sql.unsafe(`
      insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, status, trigger, requested_by, requested_at,
        started_at, finished_at, duration_ms, row_count_after, published_at, error, meta)
      select d, 'public', 'v' || d, 'refresh', status, 'schedule', 'nightly', at, at, at + ms * interval '1 ms', ms, 1000 + d, at,
             case status when 'failed' then '{"class": "ViewSqlFailed", "message": "division by zero", "sqlstate": "22012"}'::jsonb end,
             jsonb_build_object('request', '{}'::jsonb, 'response', jsonb_build_object('strategy', 'swap', 'attempts', 1,
               'because', 'a swap is possible', 'sql', jsonb_build_array('refresh materialized view "public"."v"')))
        from (select 1 + n % ${views} as d, now() - interval '120 days' + n * (interval '120 days' / ${runs}) as at,
                     500 + (n::bigint * 7919) % 1000 as ms,
                     case when n % 101 = 0 then 'failed' when n % 51 = 0 then 'skipped' else 'success' end as status
                from generate_series(${from + 1}, ${from + step}) n) x`)
  }
  await sql.unsafe('vacuum analyze viewkeeper.runs')
  await sql.unsafe('vacuum analyze viewkeeper.definitions')
}

async function measureReads({ sql, database }: BenchServer): Promise<Row[]> {
  console.error('bench: reading, a few seconds')
  const quiet = { nightly, publish: () => {} }
  return [
    { title: 'Reading' },
    await timed('status of all views', 10, () => readViewStatus(sql)),
    await timed('24 h metrics of all views', 50, () => readViewMetrics(sql, 86_400)),
    await timed('30 d metrics of all views', undefined, () => readViewMetrics(sql, 30 * 86_400), 3),
    await timed('last 50 runs of a view', 1, () => readRuns(sql, { definitionId: 17, limit: 50 })),
    await timed("the monitor's idle minute, connecting included", undefined, () => monitor(database, quiet)),
  ]
}

async function timed(
  name: string,
  goalMs: number | undefined,
  work: () => Promise<unknown>,
  rounds = 30,
): Promise<Row> {
  await work()
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    await work()
    times.push(performance.now() - start)
  }
  return { name, ms: summarize(times), ...(goalMs === undefined ? {} : { goalMs }) }
}

async function measurePrune({ sql }: BenchServer): Promise<Row[]> {
  console.error('bench: pruning, a minute')
  await writeExpected(sql)
  const started = performance.now()
  await prepareCutoffs(sql, retention)
  const prepared = performance.now() - started
  const ranges: number[] = []
  let removed = 0
  for (let from: number | null = 1; from !== null; ) {
    const start = performance.now()
    const range = await pruneRange(sql, from, runsAtOnce, retention)
    ranges.push(performance.now() - start)
    removed += range.removed
    from = range.next
  }
  const seconds = (performance.now() - started) / 1000
  await insistOnExpected(sql)
  const rate = Math.round(runs / seconds).toLocaleString('en')
  return [
    {
      title: `Pruning: ${removed.toLocaleString('en')} of ${runs.toLocaleString('en')} runs in ${seconds.toFixed(1)} s, ${rate} looked at a second, ${Math.round(removed / seconds).toLocaleString('en')} removed`,
    },
    { name: 'finding from where on each view keeps its own', ms: summarize([prepared]) },
    { name: `a transaction of ${runsAtOnce.toLocaleString('en')} runs`, ms: summarize(ranges), goalMs: 50 },
  ]
}

/** What has to be left, by the rule as it is told, written without a look at the product's SQL. */
const writeExpected = (sql: Sql) =>
  sql.unsafe(`
    create table public.expected as
      select id from (
        select id, status, finished_at, row_number() over (partition by definition_id, status order by id desc) as place
          from viewkeeper.runs) r
       where (status = 'success' and place <= ${retention.successes})
          or (status = 'failed' and place = 1)
          or (status <> 'success' and finished_at >= now() - interval '${days} days')`)

async function insistOnExpected(sql: Sql): Promise<void> {
  const [row] = await sql`
    select count(*) filter (where e.id is null) as "tooMany", count(*) filter (where r.id is null) as "tooFew"
      from viewkeeper.runs r full join public.expected e using (id)`
  // Some runs come of age between the two looks at the clock.
  if (row?.tooMany > 0 || row?.tooFew > 100) throw new Error(`prune left ${JSON.stringify(row)}`)
}
