import { planBatch } from '../src/batch/plan/plan.ts'
import { selectViews } from '../src/batch/plan/selection.ts'
import type { Sql } from '../src/server/database.ts'
import { batchCall, calibrate, makeViews, readGaps, runBatch } from './support/batch.ts'
import { ownCode } from './support/code.ts'
import { plannableGraph, unevenGraph } from './support/graphs.ts'
import { inRounds, type Sample, sampleOf, summarize } from './support/measure.ts'
import { type BenchServer, withServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

/**
 * Measures batches: the gain by several connections, how near the order is to the best, planning, and gaps.
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
