import type { Sql } from '../src/server/connect.ts'
import { prepareKept, pruneRange, vacuumHistory } from '../src/watch/db/prune.ts'
import type { BenchServer } from './support/server.ts'
import { median, summarize } from './support/statistics.ts'
import type { Row } from './support/table.ts'

const retention = { successes: 500, days: 90 }
const runsAtOnce = 10_000
const goalPerSecond = 800_000

/**
 * Measures pruning the old part of a long history, and checks what is left. None of the oldest runs is kept:
 * every other range of them is removed by a bare DELETE of its ids, which shows what removing costs if
 * nothing has to be decided.
 */
export async function measurePruning({ sql }: BenchServer): Promise<Row[]> {
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
