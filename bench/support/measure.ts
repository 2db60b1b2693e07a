import type { BatchRequest } from '../../src/batch/start.ts'
import { failuresSetting } from '../../src/run/connections/run-connection.ts'
import type { RefreshRequest } from '../../src/run/refresh.ts'
import type { Sql } from '../../src/server/database.ts'
import type { RunPlan } from '../../src/sql/run-plan.ts'
import type { Node } from './data.ts'
import { type BenchServer, ownCode } from './server.ts'

/** What one execution of one arm took. */
export interface Sample {
  ms: number
  /** Undefined if it was not measured. */
  walBytes?: number
  /** Of each read that was due meanwhile, the milliseconds from its due time to its answer. */
  reads: number[]
}

/** What to compare, by name. */
type Arms<Name extends string> = Record<Name, () => Promise<Sample>>

/**
 * Executes each arm once per round, every other round in the opposite order, so that other work on the
 * machine delays all arms alike. The first rounds warm up and are not counted.
 */
export async function inRounds<Name extends string>(
  arms: Arms<Name>,
  { rounds, warmUp }: { rounds: number; warmUp: number },
): Promise<Record<Name, Sample[]>> {
  const names = Object.keys(arms) as Name[]
  const samples = Object.fromEntries(names.map((name) => [name, [] as Sample[]])) as Record<Name, Sample[]>
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const sample = await arms[name]()
      if (round >= warmUp) samples[name].push(sample)
    }
  }
  return samples
}

/** A sample of which only the time was measured. */
export const sampleOf = (ms: number): Sample => ({ ms, reads: [] })

/** Does `work`. Returns the time, and how much WAL the server wrote meanwhile. */
export async function measure(sql: Sql, work: () => Promise<unknown>): Promise<Sample> {
  const before = await readWalPosition(sql)
  const start = performance.now()
  await work()
  const ms = performance.now() - start
  return { ms, walBytes: (await readWalPosition(sql)) - before, reads: [] }
}

async function readWalPosition(sql: Sql): Promise<number> {
  const [row] = await sql<{ at: number }[]>`select (pg_current_wal_insert_lsn() - '0/0')::int8 as at`
  return row!.at
}

/** One refresh as the functions do it, from connecting to the answer that the run has ended. */
export async function refreshWhole(
  { database, code = ownCode }: BenchServer,
  request: RefreshRequest,
): Promise<void> {
  const result = await code.refresh(request, {
    database,
    trigger: 'cli',
    requestedBy: 'bench',
    caller: 'bench',
    idempotencyKey: null,
    waitUntil: Date.now() + 600_000,
  })
  if (result.status !== 'updated') throw new Error(`${request.view}: ${JSON.stringify(result)}`)
}

/** A series of numbers in brief. */
export interface Summary {
  median: number
  lowerQuartile: number
  upperQuartile: number
  longest: number
}

/** Median, quartiles and the largest of at least one number. */
export function summarize(numbers: number[]): Summary {
  const sorted = numbers.toSorted((a, b) => a - b)
  const at = (part: number) => {
    const place = part * (sorted.length - 1)
    const below = sorted[Math.floor(place)]!
    return below + (sorted[Math.ceil(place)]! - below) * (place % 1)
  }
  return { median: at(0.5), lowerQuartile: at(0.25), upperQuartile: at(0.75), longest: at(1) }
}

export const median = (numbers: number[]): number => summarize(numbers).median

/** The options of all plans in the benchmarks. */
export const runOptions = {
  timeoutSeconds: 60,
  ifRunning: 'skip',
  settings: {},
} as const

/** The settings of a run's connection that matter here. */
export const runSettings = (id: number) => ({
  'viewkeeper.run': String(id),
  statement_timeout: '60000',
  lock_timeout: '0',
})

/** The pending row and the envelope of a plan, without connecting. */
export async function sampleEnvelope(
  { database, sql, code = ownCode }: BenchServer,
  view: { schema: string; name: string },
  plan: RunPlan,
  connect = (id: number): ReturnType<BenchServer['database']['open']> => database.open(runSettings(id)),
  envelope = code.envelope,
): Promise<Sample> {
  const { schema, name } = view
  const { id: definitionId } = await code.ensureDefinition(sql, view)
  const run = {
    schema,
    name,
    definitionId,
    operation: 'refresh' as const,
    trigger: 'cli' as const,
    requestedBy: 'bench',
    caller: 'bench',
    idempotencyKey: null,
    request: {},
  }
  let id = 0
  const { startRunHere } = code
  const record = await measure(sql, async () => {
    id = (await (startRunHere
      ? startRunHere(sql, run, { plan, response: {} }, (made) => `${made} as taken`)
      : code.startRun(sql, run, plan, {})))!
  })
  const connection = await connect(id)
  // As at the start of the run's connection, also on one that has worked before.
  const failures = code.failuresOf && { [failuresSetting]: code.failuresOf(plan) }
  const settings = { 'viewkeeper.run': String(id), ...failures, ...code.startUp }
  for (const [setting, value] of Object.entries(settings))
    await connection.sql`select pg_catalog.set_config(${setting}, ${value}, false)`
  const work = await measure(sql, () => connection.sql.unsafe(envelope).simple())
  await connection.leave()
  const [ended] = await sql`select status, error from viewkeeper.runs where id = ${id}`
  if (ended?.status !== 'success')
    throw new Error(`run ${id} of ${name} is ${ended?.status}: ${ended?.error?.message}`)
  return { ms: record.ms + work.ms, walBytes: record.walBytes! + work.walBytes!, reads: [] }
}

/** How many units of `bench.burn` keep one core busy for a second, on this machine at this moment. */
export async function calibrate(sql: Sql): Promise<number> {
  await sql.unsafe(`
    create schema if not exists bench;
    create or replace function bench.burn(n integer) returns bigint language sql volatile as
      $$ select count(*) from pg_catalog.generate_series(1, n) g where pg_catalog.md5(g::text) < '8' $$`)
  const units = 1_000_000
  const times: number[] = []
  for (let round = 0; round < 3; round++) {
    const start = performance.now()
    await sql`select bench.burn(${units}::integer)`
    times.push(performance.now() - start)
  }
  return (units / Math.min(...times)) * 1000
}

/** Makes and fills the views of a graph in a schema of its own; each burns its seconds, or sleeps them. */
export async function makeViews(sql: Sql, schema: string, nodes: Node[], unitsPerSecond: number | 'asleep') {
  await sql.unsafe(`drop schema if exists ${schema} cascade; create schema ${schema}`)
  for (const { name, reads, seconds } of nodes) {
    const work =
      unitsPerSecond === 'asleep'
        ? `(select pg_sleep(${seconds}))::text`
        : `bench.burn(${Math.round(seconds * unitsPerSecond)})`
    const columns = [
      '1 as id',
      `${work} as work`,
      ...reads.map((read, at) => `(select max(id) from ${schema}.${read}) as read_${at}`),
    ]
    await sql.unsafe(`create materialized view ${schema}.${name} as select ${columns.join(', ')}`)
  }
}

export const batchCall = {
  trigger: 'cli',
  requestedBy: 'bench',
  caller: 'bench',
  idempotencyKey: null,
} as const

/** Runs one batch, two views at once. `ms` is the time of the call that advances the batch, `wholeMs` that with the request. */
export async function runBatch({ sql, database, code = ownCode }: BenchServer, request: BatchRequest) {
  const asked = { concurrency: 2, exchange: 'each' as const, retries: 0, ...request }
  const asks = performance.now()
  const { batchId: id } = await code.startBatch(asked, { database, ...batchCall })
  const start = performance.now()
  const advanced = await code.advance(id, { database, until: Date.now() + 600_000 })
  const end = performance.now()
  if (!advanced.done || advanced.status !== 'success')
    throw new Error(`batch ${id}: ${JSON.stringify(advanced)}`)
  await sql`checkpoint`
  return { id, ms: end - start, wholeMs: end - asks }
}

/** The milliseconds from the end of each view to the start of each view that reads it. */
export async function readGaps(sql: Sql, batchId: string): Promise<number[]> {
  const rows = await sql<{ ms: number }[]>`
    select (extract(epoch from r.started_at - p.finished_at) * 1000)::float8 as ms
      from viewkeeper.batch_views v
      join viewkeeper.runs r on r.batch_id = v.batch_id and r.definition_id = v.definition_id
      join viewkeeper.runs p on p.batch_id = v.batch_id and p.definition_id = any (v.parents)
     where v.batch_id = ${batchId}`
  return rows.map(({ ms }) => ms)
}
