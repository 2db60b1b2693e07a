import type { Strategy } from '../src/catalog/plan/definition.ts'
import { change, makeData } from './support/data.ts'
import { inRounds, measure, refreshWhole, type Sample } from './support/measure.ts'
import { type Readers, startReaders } from './support/readers.ts'
import { type BenchServer, withServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

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
