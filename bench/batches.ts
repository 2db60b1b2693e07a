import { planBatch } from '../src/batch/plan/plan-batch.ts'
import { selectViews } from '../src/batch/plan/selection.ts'
import type { Strategy } from '../src/catalog/plan/definition.ts'
import type { Sql } from '../src/server/database.ts'
import { measureSmallViews } from './small.ts'
import { change, makeData, plannableGraph, unevenGraph } from './support/data.ts'
import {
  batchCall,
  calibrate,
  inRounds,
  makeViews,
  measure,
  readGaps,
  refreshWhole,
  runBatch,
  type Sample,
  sampleOf,
  summarize,
} from './support/measure.ts'
import { type Readers, startReaders } from './support/readers.ts'
import { type BenchServer, ownCode, withServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

/**
 * Measures batches: the gain by several connections, how near the order is to the best, planning, gaps, and what many
 * small views cost.
 */
export const measureBatches = (): Promise<Row[]> =>
  withServer(async (server) => {
    const unitsPerSecond = await calibrate(server.sql)
    return [
      { title: `PostgreSQL ${server.version}` },
      ...(await measureEqualViews(server, unitsPerSecond)),
      ...(await measureUnevenGraphs(server, unitsPerSecond)),
      ...(await measureGaps(server)),
      ...(await measurePlanning(server)),
      ...(await measureSmallViews(server)),
    ]
  })

async function measureEqualViews(server: BenchServer, unitsPerSecond: number): Promise<Row[]> {
  console.error('bench: eight equal views, about 1 minute')
  const nodes = Array.from({ length: 8 }, (_, at) => ({ name: `v${at}`, reads: [], seconds: 1 }))
  await makeViews(server.sql, 'equal', nodes, unitsPerSecond)
  const by = (concurrency: number) => async () =>
    sampleOf((await runBatch(server, { pattern: 'equal.*', concurrency })).ms)
  const { one, two } = await inRounds({ one: by(1), two: by(2) }, { rounds: 5, warmUp: 1 })
  return [
    { title: '8 independent views of a second each' },
    compare('one after the other', one),
    compare('two at once', two),
    compare('gained by the second', one, { to: two, atLeast: 1.9 }),
  ]
}

async function measureUnevenGraphs(server: BenchServer, unitsPerSecond: number): Promise<Row[]> {
  console.error('bench: graphs of 40 views, about 3 minutes')
  const batches: Sample[] = []
  const bounds: Sample[] = []
  const together: Sample[] = []
  for (const seed of [11, 12, 13, 14]) {
    await makeViews(server.sql, 'uneven', unevenGraph(seed, 40), unitsPerSecond)
    // The views have no key, so `auto` would exchange them together. The first batch leaves the history that decides which view goes
    // first.
    await runBatch(server, { pattern: 'uneven.*', strategy: 'regular' })
    const { id, ms } = await runBatch(server, { pattern: 'uneven.*', strategy: 'regular' })
    batches.push(sampleOf(ms))
    bounds.push(sampleOf(await readLowerBound(server.sql, id, 2)))
    together.push(sampleOf((await runBatch(server, { pattern: 'uneven.*', exchange: 'together' })).ms))
  }
  return [
    { title: '40 views of 0.1 to 2 seconds, two at once, four graphs' },
    compare('longest chain, or half of all work', bounds),
    compare('the batch, each view by itself', batches, { to: bounds, goal: 1.05 }),
    compare('the batch, exchanged together', together, { to: batches, goal: 1.03 }),
  ]
}

async function measureGaps(server: BenchServer): Promise<Row[]> {
  console.error('bench: a chain of 60 views, a quarter of a minute')
  const nodes = Array.from({ length: 60 }, (_, at) => ({
    name: `v${at}`,
    reads: at === 0 ? [] : [`v${at - 1}`],
    seconds: 0.05,
  }))
  await makeViews(server.sql, 'chain', nodes, 'asleep')
  const gaps: number[] = []
  for (let round = 0; round < 3; round++) {
    const { id } = await runBatch(server, { pattern: 'chain.*', strategy: 'regular' })
    gaps.push(...(await readGaps(server.sql, id)))
  }
  return [
    { title: 'A chain of 60 views' },
    { name: "from a parent's end to its child's start", ms: summarize(gaps), goalMs: 10 },
  ]
}

async function measurePlanning({ sql, database }: BenchServer): Promise<Row[]> {
  console.error('bench: planning, a quarter of a minute')
  const rows = [1000, 10_000, 100_000].map((count): Row => {
    const { views, dependencies } = plannableGraph(count)
    const times = Array.from({ length: 20 }, () => {
      const start = performance.now()
      planBatch(selectViews(views, dependencies, { all: true }), dependencies)
      return performance.now() - start
    })
    return {
      name: `planning ${count.toLocaleString('en')} views`,
      ms: summarize(times),
      goalMs: Math.min(count / 10, 1000),
    }
  })
  const nodes = plannableGraph(1000).views.map(({ name, id }) => ({
    name,
    reads: id === 0 ? [] : [`v${id >> 1}`].filter((read) => read !== name),
    seconds: 0,
  }))
  await makeViews(sql, 'many', nodes, 'asleep')
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    const { batchId } = await ownCode.startBatch({ pattern: 'many.*' }, { database, ...batchCall })
    times.push(performance.now() - start)
    await sql`delete from viewkeeper.batches where id = ${batchId}`
  }
  return [
    { title: 'Planning' },
    ...rows,
    { name: 'a whole request, 1,000 views of the catalog', ms: summarize(times) },
  ]
}

/** No order is faster than the longest way through the graph, or than all work divided by `concurrency`. */
async function readLowerBound(sql: Sql, batchId: string, concurrency: number): Promise<number> {
  const rows = await sql<{ id: number; parents: number[]; ms: number }[]>`
    select v.definition_id as id, to_jsonb(v.parents) as parents,
           (extract(epoch from r.finished_at - r.started_at) * 1000)::float8 as ms
      from viewkeeper.batch_views v
      join viewkeeper.runs r on r.batch_id = v.batch_id and r.definition_id = v.definition_id
     where v.batch_id = ${batchId} order by v.position`
  const ways = new Map<number, number>()
  for (const { id, parents, ms } of rows)
    ways.set(id, ms + Math.max(0, ...parents.map((parent) => ways.get(parent)!)))
  const work = rows.reduce((sum, { ms }) => sum + ms, 0)
  return Math.max(...ways.values(), work / concurrency)
}

/** The longest that a read may wait for an exchange. */
const longestReadMs = 30

/** Measures a chain of three big views: rebuilt as one group, and refreshed one after the other. */
export const measureGroups = (): Promise<Row[]> =>
  withServer(async (server) => {
    console.error('bench: making the data, half a minute')
    await makeData(server.sql)
    await makeChain(server)
    const readers = await startReaders(server.url)
    console.error('bench: a chain of three views, about 6 minutes')
    const each = (strategy: Strategy) => () =>
      refreshChain(server, readers, async () => {
        for (const view of chain) await refreshWhole(server, { view, strategy })
      })
    const { regular, group, concurrent } = await inRounds(
      {
        regular: each('regular'),
        group: () =>
          refreshChain(server, readers, () => refreshWhole(server, { view: chain[0], strategy: 'swap' })),
        concurrent: each('concurrent'),
      },
      { rounds: 3, warmUp: 0 },
    )
    await readers.leave()
    return [
      { title: `PostgreSQL ${server.version}` },
      {
        title: 'A chain of three views of 2,500,000 rows, half of them changed, 100 reads by key per second',
      },
      compare('regular, one after the other', regular),
      compare('as one group', group, { to: regular, goal: 1.1, longestReadMs }),
      compare('concurrent, one after the other', concurrent, { to: regular }),
    ]
  })

const chain = ['bench.big', 'bench.second', 'bench.third'] as const

async function makeChain({ sql }: BenchServer): Promise<void> {
  await sql`drop materialized view bench.other`
  for (const [at, view] of chain.slice(1).entries()) {
    const name = view.replace('bench.', '')
    await sql.unsafe(`
      create materialized view ${view} as select id, customer, amount, note, version + 1 as version from ${chain[at]};
      create unique index ${name}_id on ${view} (id);
      create index ${name}_customer on ${view} (customer);
      analyze ${view}`)
  }
}

async function refreshChain(
  { sql }: BenchServer,
  readers: Readers,
  work: () => Promise<unknown>,
): Promise<Sample> {
  await change(sql, 50)
  await sql`checkpoint`
  let sample: Sample | undefined
  const reads = await readers.during(chain[0], async () => {
    sample = await measure(sql, work)
  })
  return { ...sample!, reads }
}

const nights = {
  quiet: 'A night in which nothing was changed',
  busy: 'A night that changed one of 20 tables',
}

/** Measures batches of 100 views after which little or nothing has changed, with and without `skipUnchanged`. */
export const measureQuiet = (): Promise<Row[]> =>
  withServer(async (server) => {
    console.error('bench: nights of 100 views, about 5 minutes')
    const { code, sql } = server
    await makeFourLevels(sql)
    const saving = {
      ...server,
      database: code!.connectTo(code!.fromUrl(server.url), { skipUnchanged: true }),
    }
    const rows: Row[] = [
      { title: `PostgreSQL ${server.version}, 100 views in four levels over 20 tables of 20,000 rows` },
    ]
    for (const exchange of ['each', 'together'] as const) {
      for (const [night, title] of Object.entries(nights)) {
        const refreshes: Record<string, number> = {}
        const arm = (name: string, by: BenchServer) => async (): Promise<Sample> => {
          await passNight(sql, night === 'busy')
          const { id, wholeMs } = await runBatch(by, { pattern: 'night.*', exchange })
          refreshes[name] = await countRefreshes(sql, id)
          return sampleOf(wholeMs)
        }
        // One after the other: only what a batch with skipUnchanged has refreshed can be left out by the next one.
        const rounds = { rounds: 3, warmUp: 1 }
        const { all } = await inRounds({ all: arm('all', server) }, rounds)
        const { changed } = await inRounds({ changed: arm('changed', saving) }, rounds)
        rows.push(
          { title: `${title}, exchange: '${exchange}'` },
          compare(`without skipUnchanged: ${refreshes.all} refreshes`, all),
          compare(`with skipUnchanged: ${refreshes.changed} refreshes`, changed, { to: all }),
        )
      }
    }
    return rows
  })

/** 40 views that read two tables each, and 30, 20 and 10 that read two views of the level above each. */
async function makeFourLevels(sql: Sql): Promise<void> {
  await sql`create schema night`
  for (let at = 0; at < 20; at++) {
    await sql.unsafe(`
      create table night.t${at} as select i as id, i % 1000 as customer, md5(i::text) as note from generate_series(1, 20000) i;
      analyze night.t${at}`)
  }
  let above = Array.from({ length: 20 }, (_, at) => `night.t${at}`)
  for (const [level, count] of [40, 30, 20, 10].entries()) {
    const views = Array.from({ length: count }, (_, at) => `night.v${level}_${at}`)
    for (const [at, view] of views.entries()) {
      const [first, second] = [above[at % above.length], above[(at + 1) % above.length]]
      await sql.unsafe(`
        create materialized view ${view} as
          select a.customer as id, a.customer, max(md5(a.note || b.note)) as note from ${first} a join ${second} b on b.id = a.id group by 1, 2;
        create unique index on ${view} (customer)`)
    }
    above = views
  }
}

/** What was refreshed was refreshed hours ago, because a proof goes no further than a minute before now. */
async function passNight(sql: Sql, isBusy: boolean): Promise<void> {
  await sql`
    update viewkeeper.runs set as_of = as_of - interval '3 hours',
           inputs = case when inputs ? 'began' then jsonb_set(inputs, '{began}', to_jsonb((inputs ->> 'began')::timestamptz - interval '3 hours')) else inputs end
     where status in ('success', 'skipped')`
  if (!isBusy) return
  await sql.begin(async (its) => {
    await its`update night.t0 set note = md5(note) where id = 1`
    await its`select pg_stat_force_next_flush()`
  })
}

async function countRefreshes(sql: Sql, batchId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from viewkeeper.runs where batch_id = ${batchId} and status = 'success'`
  return row!.count
}
