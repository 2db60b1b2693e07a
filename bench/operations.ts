import { setTimeout as pause } from 'node:timers/promises'
import { readSnapshot } from '../src/catalog/db/read-live-view.ts'
import type { Strategy } from '../src/catalog/plan/definition.ts'
import { planRebuild } from '../src/rebuild/plan/plan-rebuild.ts'
import { alone } from '../src/rebuild/plan/scope.ts'
import { readView } from '../src/record/definitions/look.ts'
import type { Sql } from '../src/server/database.ts'
import type { RunPlan, Statement } from '../src/sql/run-plan.ts'
import { change, makeData, makeSecondLongView } from './support/data.ts'
import {
  inRounds,
  measure,
  refreshWhole,
  runOptions,
  runSettings,
  type Sample,
  sampleEnvelope,
} from './support/measure.ts'
import { type Readers, startReaders } from './support/readers.ts'
import { type BenchServer, ownCode, withServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

/** Measures refreshes: what the record costs, and what the strategies cost the run and the readers. */
export const measureOperations = (): Promise<Row[]> =>
  withServer(async (server) => {
    console.error('bench: making the data, a quarter of a minute')
    await makeData(server.sql)
    return [
      { title: `PostgreSQL ${server.version}` },
      ...(await measureOverhead(server)),
      ...(await measureStrategies(server)),
    ]
  })

/** What the record of a run costs, against a refresh without one. */
async function measureOverhead(server: BenchServer): Promise<Row[]> {
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
      connectingCompiling: () => compiling(server, () => connectAndRefresh(server, 'tiny')),
      wholeCompiling: () => compiling(server, () => wholeRefresh(server, 'tiny')),
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
      wholeCompiling: () => compiling(server, () => wholeRefresh(server, 'second')),
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
    compare('connecting, with jit_above_cost = 0', tiny.connectingCompiling, { to: tiny.connecting }),
    compare('the whole call, with jit_above_cost = 0', tiny.wholeCompiling, { to: tiny.whole }),
    { title: 'A view that takes a second' },
    compare('refresh materialized view', second.bare),
    compare('the same, connecting included', second.connecting, { to: second.bare }),
    compare('the whole call, connecting included', second.whole, { to: second.bare, goal: 1.02 }),
    compare('the whole call, with jit_above_cost = 0', second.wholeCompiling, {
      to: second.whole,
      goal: 1.05,
    }),
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

/**
 * A sample on a database that compiles every query it may, the view's own too, where the server has LLVM: npm's has not, Debian's has,
 * `POSTGRES=/usr/lib/postgresql/15/bin`.
 */
async function compiling(server: BenchServer, work: () => Promise<Sample>): Promise<Sample> {
  const all = (change: string) =>
    server.sql.unsafe(`do $$ begin execute format('alter database %I ${change}', current_database()); end $$`)
  await all('set jit_above_cost to 0')
  try {
    return await work()
  } finally {
    await all('reset jit_above_cost')
  }
}

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

/** The longest that a read may wait for a swap. */
const longestReadMs = 25

/** Measures the strategies on a big view: the time of the refresh, and of the reads meanwhile. */
async function measureStrategies(server: BenchServer): Promise<Row[]> {
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

const three = { notNull: ['id', 'customer', 'amount'], unique: [['id']], rows: { atLeast: 1_000_000 } }

/** Measures what checks add to a swap of a big view. */
export const measureChecks = (): Promise<Row[]> =>
  withServer(async (server) => {
    await makeData(server.sql)
    console.error('bench: swaps of 2,500,000 rows with and without checks, about a minute')
    const { sql } = server
    await refreshWhole(server, { view: 'bench.big', strategy: 'swap' }) // the record has a definition from here on
    const swap = (checks: object) => async () => {
      await sql`update viewkeeper.definitions set checks = ${sql.json(checks as never)} where name = 'big'`
      await sql`checkpoint`
      return measure(sql, () => refreshWhole(server, { view: 'bench.big', strategy: 'swap' }))
    }
    const { without, checked } = await inRounds(
      { without: swap({}), checked: swap(three) },
      { rounds: 5, warmUp: 1 },
    )
    return [
      { title: `PostgreSQL ${server.version}: a swap of 2,500,000 rows` },
      compare('without checks', without),
      compare('notNull of three columns, unique, rows', checked, { to: without }),
    ]
  })

/** Measures what the room sealed costs: the same swaps, with the SQL of others executed there and not. */
export const measureSealed = (): Promise<Row[]> =>
  withServer(async (server) => {
    console.error('bench: what sealing costs, about 1 minute')
    await server.sql.unsafe(`
      create role bench_owner;
      create schema bench authorization bench_owner;
      set role bench_owner;
      create materialized view bench.plain as select n as id, n % 7 as rest from generate_series(1, 10) n;
      create unique index on bench.plain (id);
      create materialized view bench.odd as select n as id, n % 7 as rest from generate_series(1, 10) n;
      create unique index on bench.odd (id);
      create index on bench.odd ((rest + 1));
      create view bench.above as select id from bench.odd;
      reset role`)
    const arms = (name: string) => ({
      open: () => swap(server, name, withoutSeal),
      sealed: () => swap(server, name, (plan) => plan),
    })
    const plain = await inRounds(arms('plain'), { rounds: 12, warmUp: 2 })
    const odd = await inRounds(arms('odd'), { rounds: 12, warmUp: 2 })
    return [
      { title: `PostgreSQL ${server.version}` },
      { title: 'Swap of a view of 10 rows, an index on a column: one statement sealed' },
      compare('not sealed', plain.open),
      compare('sealed', plain.sealed, { to: plain.open }),
      { title: 'The same with an index on an expression and a plain view: three statements sealed' },
      compare('not sealed', odd.open),
      compare('sealed', odd.sealed, { to: odd.open }),
    ]
  })

async function swap(server: BenchServer, name: string, change: (plan: RunPlan) => RunPlan): Promise<Sample> {
  const view = await readView(server.sql, { schema: 'bench', name })
  const basis = await readSnapshot(server.sql, view.oid)
  if (typeof basis === 'string') throw new Error(`${name} is ${basis}`)
  return sampleEnvelope(server, view, change(planRebuild(alone(view.oid, basis), view, runOptions)))
}

/** The same statements, executed as the owner without a seal. */
const withoutSeal = ({ prepare, locked, ...plan }: RunPlan): RunPlan => {
  const open = (statements: Statement[]): Statement[] =>
    statements.flatMap((statement): Statement[] =>
      statement.kind !== 'sealed'
        ? [statement]
        : [
            {
              kind: 'command',
              phase: statement.phase,
              sql: `set local role ${statement.seal.role}`,
              hidden: true,
            },
            { ...statement, kind: 'command' },
            // The statements around this one act as the same role, except around plain views that are
            // replaced in the exchange.
            ...(statement.phase === 'exchange'
              ? [{ kind: 'command', phase: statement.phase, sql: 'reset role', hidden: true } as const]
              : []),
          ],
    )
  return { ...plan, prepare: open(prepare), locked: { ...locked, statements: open(locked.statements) } }
}
