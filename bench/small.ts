import { Worker } from 'node:worker_threads'
import type { Strategy } from '../src/catalog/plan/definition.ts'
import type { Sql } from '../src/server/database.ts'
import { inRounds, runBatch, type Sample, sampleOf } from './support/measure.ts'
import type { BenchServer } from './support/server.ts'
import { compare, type Row, writeTable } from './support/table.ts'

type Arm = 'auto' | 'regular' | 'swap'

interface Kind {
  schema: string
  count: number
  /** So many views read each other. */
  chain: number
  /** How many times as long as a bare loop a batch may take. What is asked for would change what `auto` goes by, so it has views of its own. */
  goals: Partial<Record<Arm, number>>
}

const kinds: Kind[] = [
  { schema: 'unrelated', count: 1000, chain: 1, goals: { auto: 1.3 } },
  { schema: 'chains', count: 400, chain: 4, goals: { auto: 4 } },
  { schema: 'asked', count: 400, chain: 4, goals: { regular: 4, swap: 15 } },
  { schema: 'thousands', count: 2000, chain: 4, goals: { auto: 4 } },
]

/** The other work on a busy machine: threads that do nothing but count. */
const busyThreads = 2

/** Measures batches of many views of 10 rows, compared with a bare loop over them on one connection: idle, and beside other work. */
export async function measureSmallViews(server: BenchServer): Promise<Row[]> {
  console.error('bench: many small views, about half an hour')
  await server.sql`create table public.ten as select i from generate_series(1, 10) i`
  for (const kind of kinds) await makeChains(server.sql, kind)
  const first = await measureFirst(server, kinds[0]!)
  const idle = await measureAll(server, { rounds: 2, warmUp: 1 })
  const idleChoice = await measureChoice(server, 'idle')
  const threads = Array.from({ length: busyThreads }, () => new Worker('for (;;);', { eval: true }))
  const busy = await measureAll(server, { rounds: 2, warmUp: 0 })
  const busyChoice = await measureChoice(server, 'busy')
  await Promise.all(threads.map((thread) => thread.terminate()))
  return [
    { title: 'Views of 10 rows, two at once, nothing beside' },
    ...first,
    ...idle,
    ...idleChoice,
    { title: `The same beside ${busyThreads} busy loops` },
    ...busy,
    ...busyChoice,
  ]
}

/** A batch of views of which nobody knows how long they take. */
async function measureFirst(server: BenchServer, kind: Kind): Promise<Row[]> {
  const loop = [await loopOver(server.sql, kind)]
  const { wholeMs } = await runBatch(server, { pattern: `${kind.schema}.*`, exchange: undefined })
  const own = [
    compare(`${kind.count.toLocaleString('en')} unrelated, auto, first batch`, [sampleOf(wholeMs)], {
      to: loop,
      goal: 6,
    }),
  ]
  console.error(writeTable(own))
  return own
}

async function measureAll(server: BenchServer, counts: { rounds: number; warmUp: number }): Promise<Row[]> {
  const rows: Row[] = []
  for (const kind of kinds) {
    const { schema, count, chain, goals } = kind
    const batch = (strategy?: Strategy) => async () =>
      sampleOf((await runBatch(server, { pattern: `${schema}.*`, exchange: undefined, strategy })).wholeMs)
    const arms = { auto: batch(), regular: batch('regular'), swap: batch('swap') }
    const asked = Object.keys(goals) as Arm[]
    const { loop, ...samples } = await inRounds<Arm | 'loop'>(
      Object.assign(
        { loop: () => loopOver(server.sql, kind) },
        ...asked.map((arm) => ({ [arm]: arms[arm] })),
      ),
      counts,
    )
    const what = `${count.toLocaleString('en')} ${chain === 1 ? 'unrelated' : `in chains of ${chain}`}`
    const own = [
      compare(`${what}, a bare loop`, loop),
      ...asked.map((arm) => compare(`${what}, ${arm}`, samples[arm], { to: loop, goal: goals[arm] })),
    ]
    console.error(writeTable(own))
    rows.push(...own)
  }
  return rows
}

/** Whether `auto` keeps to the better of both strategies: twenty batches of each, from the first one on, which has no history. */
async function measureChoice(server: BenchServer, when: string): Promise<Row[]> {
  const [rounds, kind] = [20, { count: 100, chain: 4 }]
  const batch = async (strategy: Arm) => {
    const schema = `${when}_${strategy}`
    await makeChains(server.sql, { ...kind, schema })
    return async () =>
      sampleOf(
        (
          await runBatch(server, {
            pattern: `${schema}.*`,
            exchange: undefined,
            ...(strategy !== 'auto' && { strategy }),
          })
        ).wholeMs,
      )
  }
  const arms = { auto: await batch('auto'), regular: await batch('regular'), swap: await batch('swap') }
  const samples = await inRounds(arms, { rounds, warmUp: 0 })
  const better = samples.regular.map((regular, at) => {
    const swap = samples.swap[at]!
    return regular.ms < swap.ms ? regular : swap
  })
  const all = (of: Sample[]) => [sampleOf(of.reduce((sum, { ms }) => sum + ms, 0))]
  const what = `${kind.count} in chains of ${kind.chain}`
  const own = [
    compare(`${what}, the better of both strategies`, better),
    compare(`${what}, auto`, samples.auto, { to: better, goal: 1.5 }),
    compare(`${what}, auto, twenty batches in all`, all(samples.auto), { to: all(better), goal: 1.5 }),
  ]
  console.error(writeTable(own))
  return own
}

async function makeChains(sql: Sql, { schema, count, chain }: Omit<Kind, 'goals'>): Promise<void> {
  const views = Array.from({ length: count }, (_, at) => {
    const reads = at % chain === 0 ? 'public.ten' : `${schema}.v${at - 1}`
    return `create materialized view ${schema}.v${at} as select i, ${at} as n from ${reads};`
  })
  await sql.unsafe(`create schema ${schema}; ${views.join('\n')}`)
}

async function loopOver(sql: Sql, { schema, count }: Kind): Promise<Sample> {
  const start = performance.now()
  for (let at = 0; at < count; at++) await sql.unsafe(`refresh materialized view ${schema}.v${at}`).simple()
  return sampleOf(performance.now() - start)
}
