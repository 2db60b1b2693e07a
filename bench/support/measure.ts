import type { RefreshRequest } from '../../src/run/refresh.ts'
import type { Sql } from '../../src/server/database.ts'
import { ownCode } from './code.ts'
import type { BenchServer } from './server.ts'

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
