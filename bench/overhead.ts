import type { Sql } from '../src/server/connect.ts'
import { ownCode } from './support/code.ts'
import { makeSecondLongView } from './support/data.ts'
import { runOptions, runSettings, sampleEnvelope } from './support/envelope.ts'
import { measure, refreshWhole } from './support/measure.ts'
import { inRounds, type Sample } from './support/rounds.ts'
import type { BenchServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

/** What the record of a run costs, against a refresh without one. */
export async function measureOverhead(server: BenchServer): Promise<Row[]> {
  const { sql } = server
  console.error('bench: what the record costs, about 1 minute')
  const warm = await openWarm(server)
  const tiny = await inRounds(
    {
      bare: () => bareRefresh(sql, 'tiny'),
      connecting: () => connectAndRefresh(server, 'tiny'),
      warm: warm.sample,
      fresh: () => recordAndEnvelope(server, (id) => server.database.open(runSettings(id))),
      whole: () => wholeRefresh(server, 'tiny'),
    },
    { rounds: 200, warmUp: 20 },
  )
  await warm.leave()
  await makeSecondLongView(sql)
  const second = await inRounds(
    {
      bare: () => bareRefresh(sql, 'second'),
      connecting: () => connectAndRefresh(server, 'second'),
      whole: () => wholeRefresh(server, 'second'),
    },
    { rounds: 20, warmUp: 2 },
  )
  return [
    { title: 'A view of 10 rows' },
    compare('refresh materialized view', tiny.bare),
    compare('the same, connecting included', tiny.connecting, { to: tiny.bare }),
    compare('record and envelope, warm connection', tiny.warm, { to: tiny.bare, goal: 1.5 }),
    compare('record and envelope, new connection', tiny.fresh, { to: tiny.bare }),
    compare('the whole call, connecting included', tiny.whole, { to: tiny.bare }),
    { title: 'A view that takes a second' },
    compare('refresh materialized view', second.bare),
    compare('the same, connecting included', second.connecting, { to: second.bare }),
    compare('the whole call, connecting included', second.whole, { to: second.bare, goal: 1.02 }),
  ]
}

export const bareRefresh = (sql: Sql, view: string): Promise<Sample> =>
  measure(sql, () => sql.unsafe(`refresh materialized view bench.${view}`))

/** What a cron job would do. The new server process has to fill its caches and memory, as with Viewkeeper. */
export const connectAndRefresh = ({ sql, database }: BenchServer, view: string): Promise<Sample> =>
  measure(sql, async () => {
    const connection = await database.open({ statement_timeout: '0' })
    await connection.sql.unsafe(`refresh materialized view bench.${view}`)
    await connection.leave()
  })

export const wholeRefresh = (server: BenchServer, view: string): Promise<Sample> =>
  measure(server.sql, () => refreshWhole(server, { view: `bench.${view}`, strategy: 'regular' }))

/** The pending row and the envelope, without connecting and planning. */
export async function recordAndEnvelope(
  server: BenchServer,
  connect: (id: number) => ReturnType<BenchServer['database']['open']>,
  envelope?: string,
): Promise<Sample> {
  const { code = ownCode } = server
  const view = await code.readView(server.sql, { schema: 'bench', name: 'tiny' })
  const plan = code.planRegularRefresh(view, runOptions)
  return sampleEnvelope(server, view, plan, connect, envelope)
}

/** A connection that has sent envelopes before, as batches keep one: with the envelope as a procedure, in commits that have it. */
export async function openWarm(server: BenchServer) {
  const { sessionEnvelope } = server.code ?? ownCode
  const connection = await server.database.open(runSettings(0))
  if (sessionEnvelope !== null) await connection.sql.unsafe(sessionEnvelope.make).simple()
  const kept = async () => ({ ...connection, leave: async () => {} })
  return { sample: () => recordAndEnvelope(server, kept, sessionEnvelope?.call), leave: connection.leave }
}
