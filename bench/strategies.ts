import { setTimeout as pause } from 'node:timers/promises'
import type { Strategy } from '../src/catalog/plan/definition.ts'
import { change } from './support/data.ts'
import { measure, refreshWhole } from './support/measure.ts'
import { type Readers, startReaders } from './support/readers.ts'
import { inRounds, type Sample } from './support/rounds.ts'
import type { BenchServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

/** The longest that a read may wait for a swap. */
const longestReadMs = 25

/** Measures the strategies on a big view: the time of the refresh, and of the reads meanwhile. */
export async function measureStrategies(server: BenchServer): Promise<Row[]> {
  const readers = await startReaders(server.url)
  console.error('bench: regular and swap, about 2 minutes')
  const of = (strategy: Strategy, percent: 0 | 1 | 50, read = 'bench.big') =>
    refreshBig(server, readers, { strategy, percent, read })
  const often = await inRounds(
    {
      nothing: () => readOnly(server, readers),
      regular: () => of('regular', 50),
      swap: () => of('swap', 50),
      elsewhere: () => of('swap', 50, 'bench.other'),
    },
    { rounds: 7, warmUp: 1 },
  )
  console.error('bench: concurrent, about 3 minutes')
  const seldom = await inRounds(
    {
      regular: () => of('regular', 50),
      unchanged: () => of('concurrent', 0),
      hundredth: () => of('concurrent', 1),
      half: () => of('concurrent', 50),
    },
    { rounds: 3, warmUp: 0 },
  )
  await readers.leave()
  return [
    { title: '2,500,000 rows, two indexes, 100 reads by key per second' },
    compare('no refresh, reads alone for 3 s', often.nothing),
    compare('regular', often.regular),
    compare('swap', often.swap, { to: often.regular, goal: 1.15, longestReadMs }),
    compare('swap, while another view is read', often.elsewhere, { to: often.regular }),
    { title: 'The same, concurrently' },
    compare('regular', seldom.regular),
    compare('concurrent, nothing changed', seldom.unchanged, { to: seldom.regular }),
    compare('concurrent, 1 % of the rows changed', seldom.hundredth, { to: seldom.regular }),
    compare('concurrent, 50 % of the rows changed', seldom.half, { to: seldom.regular }),
  ]
}

interface BigRefresh {
  strategy: Strategy
  percent: 0 | 1 | 50
  read: string
}

async function refreshBig(
  server: BenchServer,
  readers: Readers,
  { strategy, percent, read }: BigRefresh,
): Promise<Sample> {
  await change(server.sql, percent)
  return whileRead(server, readers, read, () => refreshWhole(server, { view: 'bench.big', strategy }))
}

const readOnly = (server: BenchServer, readers: Readers): Promise<Sample> =>
  whileRead(server, readers, 'bench.big', () => pause(3000))

async function whileRead(
  { sql }: BenchServer,
  readers: Readers,
  view: string,
  work: () => Promise<unknown>,
): Promise<Sample> {
  await sql`checkpoint`
  let sample: Sample | undefined
  const reads = await readers.during(view, async () => {
    sample = await measure(sql, work)
  })
  return { ...sample!, reads }
}
